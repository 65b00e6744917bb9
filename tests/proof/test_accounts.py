"""Account proofs: which ranges they show whole, and one refusal for each way of leaving something out or putting something in."""

from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityError
from ledger.model import times
from ledger.proof.accounts import AccountProof, parse_account_proof
from ledger.proof.completeness import Ending, ProvedAccount, verify_account
from ledger.proof.merkle import leaf_hash
from ledger.proof.notes import Signer
from tests.proof.accountlogs import LEDGER, LOG, Row, SignedLog, at, build, proof_of, replaced, sign_log

ROWS: Final[list[Row]] = [
    ("acme", "shop", "deployed"),  # 0
    ("beta", "shop", "deployed"),
    ("acme", "blog", "changed"),  # 2
    ("acme", "shop", "unchanged"),  # 3
    ("beta", "shop", "deployed"),
    ("acme", "blog", "deployed", "shop"),  # 5: takes a route from shop
    ("acme", "shop", "duplicate"),  # 6
    ("acme", "shop", "uploaded"),  # 7
    ("beta", "shop", "deployed"),
    ("acme", "blog", "deployed"),  # 9
    ("beta", "shop", "deployed"),
    ("beta", "shop", "deployed"),
]
SIGNED: Final = build(ROWS)
OURS: Final = [place for place, row in enumerate(ROWS) if row[0] == "acme"]


def check(proof: AccountProof) -> ProvedAccount:
    """What it proves, read back from its bytes as somebody else would."""
    assert parse_account_proof(bytes(proof)) == proof
    return verify_account(proof, LEDGER)


def refused(proof: AccountProof) -> str:
    """Why it proves nothing."""
    with pytest.raises(IntegrityError) as error:
        verify_account(proof, LEDGER)
    return error.value.code


def shown(**members: Any) -> AccountProof:
    """A proof of the range from minute 3 to 7, with some members changed."""
    proof = proof_of(SIGNED, [2, 3, 5, 6, 7], start=at(3), end=at(7))
    return msgspec.structs.replace(proof, **members)


def without(log: SignedLog, *gone: int) -> AccountProof:
    """The same proof, with entries left out and its ends proved anew."""
    return proof_of(log, [place for place in (2, 3, 5, 6, 7) if place not in gone], start=at(3), end=at(7))


@pytest.mark.parametrize(
    ("places", "members", "before", "inside", "after", "ending"),
    [
        (OURS, {}, None, OURS, None, "not_shown"),
        (OURS, {"rest": True}, None, OURS, None, "end_of_log"),
        (OURS[2:], {"start": at(3), "rest": True}, None, None, None, "start_not_shown"),
        ([2, 3, 5, 6, 7], {"start": at(3), "end": at(7)}, 2, [3, 5, 6], 7, "next_entry"),
        ([0, 2, 3], {"end": at(3)}, None, [0, 2], 3, "next_entry"),
        ([0], {"end": at(0)}, None, [], 0, "next_entry"),
        ([3, 5], {"start": at(4), "end": at(5)}, 3, [], 5, "next_entry"),
        ([9], {"start": at(10), "rest": True}, 9, [], None, "end_of_log"),
        ([9], {"start": at(10)}, None, None, None, "end_not_shown"),
        ([7, 9], {"start": at(8), "end": at(10)}, 7, [9], None, "not_shown"),
        ([0, 2, 3, 5, 6, 7, 9], {"start": "2022-11-28T00:00:00Z"}, None, OURS, None, "not_shown"),
        ([7, 9], {"end": at(10)}, None, None, None, "start_not_shown"),
        ([0, 2, 3, 5], {"start": at(3), "end": at(5)}, None, None, None, "out_of_range"),
        ([2, 3, 5, 6], {"start": at(3), "end": at(5)}, None, None, None, "out_of_range"),
        ([0, 2, 3, 5, 6, 7], {"end": at(7), "rest": True}, None, None, None, "out_of_range"),
    ],
)
def test_a_range_is_shown_whole_or_not_at_all(
    places: list[int],
    members: dict[str, Any],
    before: int | None,
    inside: list[int] | None,
    after: int | None,
    ending: str,
) -> None:
    """The entry before and the one after tell where it begins and ends; without them an account's first or the log's last."""
    proof = proof_of(SIGNED, places, **members)
    if inside is None:
        assert refused(proof) == ending
        return
    proved = check(proof)
    assert (proved.before and proved.before.index, [entry.index for entry in proved.entries]) == (before, inside)
    assert (proved.after and proved.after.index, proved.ending) == (after, ending)


def test_the_last_entry_of_the_log_needs_no_rest() -> None:
    """Nothing can follow it as of the checkpoint."""
    log = build(ROWS[:10])
    assert check(proof_of(log, OURS)).ending is Ending.end_of_log


@pytest.mark.parametrize("gone", [3, 5, 6])
def test_an_entry_left_out_is_found(gone: int) -> None:
    """The one after it names another before it."""
    assert refused(without(SIGNED, gone)) == "account_chain_broken"


@pytest.mark.parametrize(
    ("places", "code"),
    [([3, 5, 6, 7], "start_not_shown"), ([5, 6, 7], "start_not_shown"), ([0, 3, 5, 6, 7], "account_chain_broken")],
)
def test_entries_left_out_at_the_start_are_found(places: list[int], code: str) -> None:
    """Whoever begins later shows no entry from before the range, or skips one."""
    assert refused(proof_of(SIGNED, places, start=at(3), end=at(7))) == code


def test_entries_left_out_at_the_end_leave_it_open() -> None:
    """A proof that stops earlier says only that, and claims nothing of the time after."""
    proved = check(without(SIGNED, 6, 7))
    assert (proved.ending, proved.last_recorded) == (Ending.not_shown, at(5))


def test_an_edited_entry_is_found() -> None:
    """In the middle by the chain, at the ends by the proofs."""
    for place, code in ((0, "account_chain_broken"), (1, "account_chain_broken"), (4, "bad_proof")):
        lines = list(shown().entries)
        lines[place] = replaced(lines[place], outcome="deleted")
        assert refused(shown(entries=tuple(lines))) == code
    alone = proof_of(SIGNED, [0], end=at(0))
    assert (
        refused(msgspec.structs.replace(alone, entries=(replaced(SIGNED.lines[0], outcome="deleted"),))) == "bad_proof"
    )


def test_reordered_entries_are_found() -> None:
    """Two swapped, or all turned round."""
    lines = shown().entries
    assert refused(shown(entries=(lines[0], lines[2], lines[1], *lines[3:]))) == "account_chain_broken"
    assert refused(shown(entries=lines[::-1], first=SIGNED.path(7), last=SIGNED.path(2))) == "reordered"


def test_an_entry_shown_twice_is_found() -> None:
    """It does not follow itself."""
    lines = shown().entries
    assert refused(shown(entries=(*lines[:2], lines[1], *lines[2:]))) == "reordered"


def test_another_accounts_entry_is_found() -> None:
    """Slipped in, or all of them with the name changed."""
    lines = shown().entries
    assert refused(shown(entries=(*lines[:2], SIGNED.lines[4], *lines[2:]))) == "wrong_account"
    assert refused(shown(account="beta")) == "wrong_account"
    unnamed = [SIGNED.lines[0], msgspec.json.encode(_without_account(SIGNED.lines[1])), *SIGNED.lines[2:]]
    assert refused(proof_of(sign_log(unnamed), [1], rest=True)) == "wrong_account"


def _without_account(line: bytes) -> dict[str, Any]:
    entry = msgspec.json.decode(line)
    return {
        name: None if name == "account" else value
        for name, value in entry.items()
        if name not in {"account_index", "account_prev"}
    }


@pytest.mark.parametrize("which", ["first", "last"])
def test_ends_that_are_not_proved_are_found(which: str) -> None:
    """A proof of another entry, a changed hash, one too few."""
    path = SIGNED.path(2 if which == "first" else 7)
    for wrong, code in (
        (SIGNED.path(5 if which == "last" else 3), "bad_proof"),
        ((*path[:-1], bytes(32)), "bad_proof"),
        (path[:-1], "malformed_proof"),
        ((), "malformed_proof"),
    ):
        assert refused(shown(**{which: wrong})) == code


def test_another_checkpoint_is_found() -> None:
    """Of another size, of other entries, of another log, of another key, or changed."""
    assert refused(shown(note=build(ROWS[:9]).note)) == "bad_proof"
    assert refused(shown(note=build([("acme", "x", "deployed"), *ROWS[1:]]).note)) == "bad_proof"
    assert refused(shown(note=build(ROWS, Signer("other.example/0003", bytes(32))).note)) == "wrong_origin"
    assert refused(shown(note=build(ROWS, Signer(LOG.name, b"x" * 32)).note)) == "wrong_key"
    assert refused(shown(note=SIGNED.note.replace(b"\n12\n", b"\n13\n"))) == "bad_signature"


def test_an_index_that_the_tree_contradicts_is_found() -> None:
    """An end's index is where the proof must lead."""
    moved = [*SIGNED.lines[:2], replaced(SIGNED.lines[2], index=1), *SIGNED.lines[3:]]
    assert refused(proof_of(sign_log(moved), [2], rest=True, start=at(3))) in {"bad_proof", "malformed_proof"}


def test_a_time_that_goes_back_is_found() -> None:
    """Or the range's ends would tell nothing of what lies between."""
    lines = list(SIGNED.lines)
    lines[2] = replaced(lines[2], recorded_at=at(1))
    lines[0] = replaced(lines[0], recorded_at=at(2))
    lines[2] = replaced(lines[2], account_prev=leaf_hash(lines[0]).hex())
    assert refused(proof_of(sign_log(lines[:3]), [0, 2])) == "time_went_back"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"0", "malformed_entry"),
        (b'{"v":1}', "malformed_entry"),
        (b"\xff", "malformed_entry"),
        (replaced(SIGNED.lines[0], v=2), "malformed_entry"),
        (replaced(SIGNED.lines[0], recorded_at="yesterday"), "malformed_entry"),
        (SIGNED.lines[0].replace(b'"v":1,', b'"v": 1,'), "noncanonical"),
        (SIGNED.lines[0].replace(b'"outcome":"deployed"', b'"outcome":"x","outcome":"deployed"'), "noncanonical"),
        (replaced(SIGNED.lines[0], account_index=0, account_prev="00"), "account_chain_broken"),
        (replaced(SIGNED.lines[0], account_index=1), "account_chain_broken"),
    ],
)
def test_a_line_that_is_no_entry_is_found(line: bytes, code: str) -> None:
    """Even where it was signed."""
    assert refused(proof_of(sign_log([line]), [0])) == code


def test_a_rest_that_hides_or_changes_something_is_found() -> None:
    """It must be all that the log has after the last entry, and nothing of the account."""
    proof = proof_of(SIGNED, [0, 2, 3, 5, 6, 7], rest=True)
    assert refused(proof) == "entry_left_out"
    whole = proof_of(SIGNED, OURS, rest=True)
    assert whole.rest is not None
    assert whole.edge is not None
    for rest in (
        whole.rest[:-1],
        whole.rest[1:],
        whole.rest[::-1],
        (whole.rest[0], replaced(whole.rest[1], outcome="deleted")),
    ):
        assert refused(msgspec.structs.replace(whole, rest=rest)) == "rest_mismatch"
    assert refused(msgspec.structs.replace(whole, edge=(whole.edge[0], bytes(32)))) == "rest_mismatch"
    assert refused(msgspec.structs.replace(whole, edge=whole.edge[1:])) == "malformed_frontier"


@pytest.mark.parametrize(
    ("script", "start", "end", "unchanged"),
    [
        ("shop", 1, 5, True),  # its entry 3 changed nothing
        ("shop", 1, 6, False),  # lost a route at 5
        ("shop", 6, 7, True),  # a duplicate
        ("shop", 6, 8, False),  # uploaded at 7
        ("shop", 8, 12, True),
        ("blog", 3, 5, True),
        ("blog", 2, 3, False),
        ("unheard-of", 0, 12, True),
    ],
)
def test_a_script_is_unchanged_where_no_entry_touches_it(script: str, start: int, end: int, *, unchanged: bool) -> None:
    """By its own events, or by losing something to another script."""
    inside = [place for place in OURS if start <= place < end]
    before, after = ([p for p in OURS if p < start][-1:], [p for p in OURS if p >= end][:1])
    members: dict[str, Any] = {"start": at(start), "end": at(end), "unchanged": script, "rest": not after}
    proof = proof_of(SIGNED, [*before, *inside, *after], **members)
    assert (check(proof).ending != Ending.not_shown) if unchanged else (refused(proof) == "script_changed")


def test_what_lies_outside_the_range_may_touch_the_script() -> None:
    """The entries before and after are there for the chain only."""
    check(proof_of(SIGNED, [5, 6, 7], start=at(6), end=at(7), unchanged="shop"))


@given(st.data())
def test_any_range_is_proved_and_any_changed_byte_refused(data: st.DataObject) -> None:
    """Logs, ranges and claims at random: the entries are those in the range; a changed file is not read or doesn't hold."""
    rows = data.draw(
        st.lists(
            st.tuples(st.sampled_from(["acme", "beta"]), st.just("shop"), st.just("changed")), min_size=1, max_size=20
        )
    )
    log, ours = build(rows), [place for place, row in enumerate(rows) if row[0] == "acme"]
    start, end = sorted(
        data.draw(st.tuples(st.integers(0, 21), st.integers(0, 21)).filter(lambda pair: pair[0] != pair[1]))
    )
    inside, after = [place for place in ours if start <= place < end], [place for place in ours if place >= end][:1]
    places = [*[place for place in ours if place < start][-1:], *inside, *after]
    if not places:
        return
    proof = proof_of(log, places, start=at(start), end=at(end), rest=not after and places[-1] + 1 < len(rows))
    assert [entry.index for entry in check(proof).entries] == inside
    file = bytearray(bytes(proof))
    file[data.draw(st.integers(0, len(file) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        other = parse_account_proof(bytes(file))
        changed = verify_account(other, LEDGER)
    except IntegrityError:
        return
    # Only what the file says of itself can be another and hold: the range, by a digit. Then it holds of that range: all its entries are
    # there, or it says that its end is not shown, and they are the first ones.
    assert (other.entries, other.rest, other.note, other.account) == (proof.entries, proof.rest, proof.note, "acme")
    assert (other.start, other.end) != (proof.start, proof.end)
    within = [place for place in ours if is_within(place, other)]
    if changed.ending == Ending.not_shown:
        within = within[: len(changed.entries)]
    assert [entry.index for entry in changed.entries] == within


def is_within(place: int, proof: AccountProof) -> bool:
    """Whether the entry of a place was recorded in the range of a proof."""
    recorded = times.key_of(at(place))
    is_after = proof.start is None or times.key_of(proof.start) <= recorded
    return is_after and (proof.end is None or recorded < times.key_of(proof.end))


FILE: Final = bytes(proof_of(SIGNED, OURS[:3], end=at(3), unchanged="x"))
WITH_REST: Final = bytes(proof_of(SIGNED, OURS, rest=True))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"proof@v1\n", b"proof@v2\n"),
        (b"account acme\n", b""),
        (b"account acme\n", b"account \n"),
        (b"account acme\n", b"account a/b\n"),
        (b"account acme\n", b"account acme\naccount acme\n"),
        (b"to 2022", b"to 22"),
        (b"to 2022-11-28", b"to 2022-11-31"),
        (b"to ", b"from 2022-11-28T00:03:00Z\nto "),
        (b"to ", b"until "),
        (b"unchanged x\n", b"unchanged  x\n"),
        (b"entries 3\n", b"entries 2\n"),
        (b"entries 3\n", b"entries 4\n"),
        (b"entries 3\n", b"entries 03\n"),
        (b"entries 3\n", b"entries 0\n"),
        (b"entries 3\n", b"entries 3\nrest 0\n"),
        (b"entries 3\nfirst\n", b"entries 2\nrest 1\nfirst\n"),
        (b"first\n", b""),
        (b"last\n", b""),
        (b"first\n", b"first\nAAAA\n"),
        (b"last\n", b"edge\n"),
        (b"first\n", b"first\n" + b"A\n" * (1 << 15)),
        (b"\n\nledger.example", b"\n\n\nledger.example"),
        (b"\n12\n", b"\n012\n"),
        (b'\n\n{"v":1', b'\n\n\n{"v":1'),
        (b'\n{"v":1,"index":2', b'\n\n{"v":1,"index":2'),
        (b"\n\xe2\x80\x94", b"\n-"),
        (b"acme", "acm\u00e9".encode()),
    ],
)
def test_what_is_no_canonical_account_proof_is_refused(old: bytes, new: bytes) -> None:
    """There is one form of each."""
    assert old in FILE
    with pytest.raises(IntegrityError, match="not a"):
        parse_account_proof(FILE.replace(old, new, 1))


@pytest.mark.parametrize(
    "data",
    [b"", FILE[:-1], FILE + b"\n", FILE + b"x", FILE.replace(b"\n", b"\r\n"), WITH_REST.replace(b"rest 2\n", b"")],
)
def test_cut_or_extended_files_are_refused(data: bytes) -> None:
    """Nothing is missing and nothing is added."""
    with pytest.raises(IntegrityError, match="not a"):
        parse_account_proof(data)
