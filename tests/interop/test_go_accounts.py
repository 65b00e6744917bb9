"""A checker of account proofs in Go, written from docs/FORMAT.md, comes to the same verdict as ours."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.errors import IntegrityError
from ledger.proof.accounts import AccountProof, parse_account_proof
from ledger.proof.completeness import verify_account
from tests.interop.conftest import verdict
from tests.proof.accountlogs import LOG, at, build, proof_of, replaced, sign_log

ROWS = [
    ("acme", "shop", "deployed"),
    ("beta", "shop", "deployed"),
    ("acme", "blog", "deployed", "shop"),
    ("acme", "shop", "duplicate"),
    ("acme", "blog", "changed"),
    ("beta", "shop", "deployed"),
    ("beta", "shop", "deployed"),
]
SIGNED = build(ROWS)
RANGE: dict[str, Any] = {"start": at(2), "end": at(4)}
SHOWN = proof_of(SIGNED, [0, 2, 3, 4], **RANGE)
WHOLE = proof_of(SIGNED, [0, 2, 3, 4], rest=True)


def other(proof: AccountProof, **members: Any) -> AccountProof:
    """The proof with other members."""
    return msgspec.structs.replace(proof, **members)


GOOD = {
    "a range": SHOWN,
    "from the first entry": proof_of(SIGNED, [0, 2, 3], end=at(3)),
    "an open end": proof_of(SIGNED, [0, 2, 3, 4]),
    "a closed end": WHOLE,
    "the log's end": proof_of(build(ROWS[:5]), [0, 2, 3, 4]),
    "one entry": proof_of(build(ROWS[:1]), [0]),
    "a script that did not change": proof_of(SIGNED, [2, 3, 4], start=at(3), end=at(4), unchanged="shop"),
    "nothing in the range": proof_of(SIGNED, [4], start=at(6), rest=True, unchanged="shop"),
}
LINES = SHOWN.entries
BAD = {
    "left out": other(SHOWN, entries=(LINES[0], *LINES[2:])),
    "left out at the start": proof_of(SIGNED, [2, 3, 4], **RANGE),
    "edited": other(SHOWN, entries=(LINES[0], replaced(LINES[1], outcome="unchanged"), *LINES[2:])),
    "edited at the end": other(SHOWN, entries=(*LINES[:3], replaced(LINES[3], outcome="unchanged"))),
    "reordered": other(SHOWN, entries=(LINES[0], LINES[2], LINES[1], LINES[3])),
    "another account's": other(SHOWN, entries=(LINES[0], SIGNED.lines[1], *LINES[1:])),
    "another account": other(SHOWN, account="beta"),
    "another end": other(SHOWN, last=SIGNED.path(3)),
    "another start": other(SHOWN, first=SIGNED.path(2)),
    "another checkpoint": other(SHOWN, note=build(ROWS[:6]).note),
    "another log": other(SHOWN, note=build([("acme", "x", "deployed"), *ROWS[1:]]).note),
    "another signature": other(SHOWN, note=SHOWN.note.replace(b"\n7\n", b"\n8\n")),
    "more than the range": proof_of(SIGNED, [0, 2, 3, 4], start=at(3), end=at(4)),
    "changed": other(SHOWN, unchanged="shop"),
    "a short rest": other(WHOLE, rest=(WHOLE.rest or ())[:1]),
    "another rest": other(WHOLE, rest=(WHOLE.rest or ())[::-1]),
    "a rest that hides one": proof_of(SIGNED, [0, 2, 3], rest=True),
    "another edge": other(WHOLE, edge=(bytes(32), *(WHOLE.edge or ())[1:])),
    "an edge too long": other(WHOLE, edge=(*(WHOLE.edge or ()), bytes(32))),
    "not the first": proof_of(sign_log([replaced(SIGNED.lines[0], account_index=1)]), [0]),
    "spaces": proof_of(sign_log([SIGNED.lines[0].replace(b'"v":1,', b'"v": 1,')]), [0]),
    "nothing shown": proof_of(SIGNED, [4], start=at(6)),
}


def test_what_must_hold_holds(goverify: Path, tmp_path: Path) -> None:
    """Every way in which a range can begin and end."""
    for name, proof in GOOD.items():
        verify_account(parse_account_proof(bytes(proof)), LOG.verifier)
        (tmp_path / "p").write_bytes(bytes(proof))
        assert verdict(goverify, "account", LOG.vkey, tmp_path / "p") == "accepted", name


def test_what_must_not_hold_does_not(goverify: Path, tmp_path: Path) -> None:
    """Every rule of the format has one that breaks it."""
    for name, proof in BAD.items():
        with pytest.raises(IntegrityError):
            verify_account(parse_account_proof(bytes(proof)), LOG.verifier)
        (tmp_path / "p").write_bytes(bytes(proof))
        assert verdict(goverify, "account", LOG.vkey, tmp_path / "p").startswith("rejected: "), name
