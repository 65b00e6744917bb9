"""Account proofs as people make and check them."""

import json
from pathlib import Path

import msgspec
import pytest

from ledger.storage import layout
from tests.cli.conftest import Run
from tests.cli.proofs import LAST, change_file, write_ledger


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty entries of two accounts, the last of them acme's."""
    return write_ledger(tmp_path_factory.mktemp("accounts") / "audit")


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def vkey(ledger: Path) -> str:
    """The ledger's public key."""
    return str(json.loads((ledger / layout.LEDGER_FILE).read_bytes())["vkey"])


def entries_of(ledger: Path, account: str) -> list[tuple[int, str]]:
    """Index and recorded time of an account's entries, read from the segments."""
    from ledger.log.segments import parse_segment

    lines = [
        line
        for path in sorted((ledger / "log" / "0000").iterdir())
        for line in parse_segment(path.read_bytes(), "x").lines
    ]
    entries = [msgspec.json.decode(line) for line in lines]
    return [(entry["index"], entry["recorded_at"]) for entry in entries if entry["account"] == account]


def made(run: Run, ledger: Path, out: Path, *arguments: str) -> tuple[int, str]:
    """Make a proof: the exit code, and what was said."""
    code, _, err = run("prove", *arguments, "--ledger", str(ledger), "-o", str(out))
    return code, err


def checked(run: Run, file: Path, vkey: str) -> dict[str, object]:
    """The verdict as JSON."""
    answer: dict[str, object] = json.loads(run("check", str(file), "--vkey", vkey, "--json")[1])
    return answer


@pytest.mark.parametrize("account", ["acme", "beta"])
def test_the_proof_of_an_account_holds_all_its_entries(
    run: Run, ledger: Path, vkey: str, tmp_path: Path, account: str
) -> None:
    """From its first to its last; where it is not the log's last, the end is said to be open."""
    code, err = made(run, ledger, tmp_path / "all", "--account", account)
    assert code == 0
    assert ("the end is open" in err) == (account == "beta")
    answer = checked(run, tmp_path / "all.account-proof", vkey)
    assert [entry["index"] for entry in answer["entries"]] == [index for index, _ in entries_of(ledger, account)]  # type: ignore[attr-defined]
    assert answer["ending"] == ("not_shown" if account == "beta" else "end_of_log")
    out = run("check", str(tmp_path / "all.account-proof"), "--vkey", vkey)[1]
    assert ("THE END IS OPEN" in out) == (account == "beta")
    assert "one chain of entries for each account" in out


def test_a_range_is_what_was_recorded_in_it(run: Run, ledger: Path, vkey: str, tmp_path: Path) -> None:
    """From a time on, and before another; closed by the entries next to it."""
    ours = entries_of(ledger, "beta")
    start, end = ours[3][1], ours[8][1]
    assert made(run, ledger, tmp_path / "some", "--account", "beta", "--from", start, "--to", end) == (0, "")
    answer = checked(run, tmp_path / "some.account-proof", vkey)
    assert [entry["index"] for entry in answer["entries"]] == [index for index, _ in ours[3:8]]  # type: ignore[attr-defined]
    assert (answer["ending"], answer["complete_until"]) == ("next_entry", end.replace(".000Z", "Z"))


def test_the_rest_of_the_log_closes_the_end(run: Run, ledger: Path, vkey: str, tmp_path: Path) -> None:
    """When it is asked for, since it shows what other accounts did."""
    assert made(run, ledger, tmp_path / "closed", "--account", "beta", "--with-rest") == (0, "")
    assert checked(run, tmp_path / "closed.account-proof", vkey)["ending"] == "end_of_log"
    assert made(run, ledger, tmp_path / "open", "--account", "beta")[0] == 0
    assert b'"account":"acme"' in (tmp_path / "closed.account-proof").read_bytes()
    assert b'"account":"acme"' not in (tmp_path / "open.account-proof").read_bytes()


def test_a_script_that_did_not_change_is_proved_so(run: Run, ledger: Path, vkey: str, tmp_path: Path) -> None:
    """Its account is found by its name; a script that did change can't be."""
    end = entries_of(ledger, "acme")[-1][1]
    assert made(run, ledger, tmp_path / "u", "--unchanged", "shop", "--to", end) == (0, "")
    assert "None of it changed shop" in run("check", str(tmp_path / "u.account-proof"), "--vkey", vkey)[1]
    code, err = made(run, ledger, tmp_path / "no", "--unchanged", "shop")
    assert (code, f"entry {LAST} changed shop" in err) == (2, True)
    assert not (tmp_path / "no.account-proof").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--account", "nobody"), 4, "there is no account nobody"),
        (("--account", "no\udcff"), 4, "no account can have the name"),
        (("--account", "a/b"), 4, "no account can have the name"),
        (("--unchanged", "nothing"), 4, "there is no script nothing"),
        (("--unchanged", "b"), 2, "2 accounts have a script b"),
        (("--account", "acme", "--from", "soon"), 2, "not a time"),
        (("--account", "acme", "--from", "2022-12-02", "--to", "2022-12-01"), 2, "ends before it begins"),
        (("--account", "beta", "--from", "2022-12-02"), 2, "nothing shows what came after it"),
        (("0/1", "--account", "acme"), 2, "say what to prove"),
        (("0/1", "--with-rest"), 2, "belong to --account"),
    ],
)
def test_a_mistake_is_explained(
    run: Run, ledger: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """What cannot be proved, and nothing is written."""
    got, err = made(run, ledger, tmp_path / "none", *arguments)
    assert (got, message in err) == (code, True), err
    assert not list(tmp_path.glob("none*"))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"account beta", b"account acme", "wrong_account"),
        (b'"outcome":"', b'"outcome":"x', "bad_proof"),
        (b"entries ", b"entries 1", "malformed_account_proof"),
        (b"\n60\n", b"\n59\n", "bad_signature"),
    ],
)
def test_a_changed_proof_does_not_hold(
    run: Run, ledger: Path, vkey: str, tmp_path: Path, old: bytes, new: bytes, code: str
) -> None:
    """Exit code 3, and the kind in JSON."""
    file = tmp_path / "p.account-proof"
    assert made(run, ledger, tmp_path / "p", "--account", "beta")[0] == 0
    change_file(file, old, new)
    assert run("check", str(file), "--vkey", vkey)[0] == 3
    answer = checked(run, file, vkey)
    assert answer["holds"] is False
    assert answer["code"] in {code, "account_chain_broken"}


def test_a_damaged_log_gives_no_proof(run: Run, ledger: Path, tmp_path: Path) -> None:
    """An entry of the account was changed in its segment."""
    import shutil

    from ledger.log.segments import encode_segment, parse_segment

    copy = tmp_path / "copy"
    shutil.copytree(ledger, copy)
    path = copy / layout.segment(0, 7)
    segment = parse_segment(path.read_bytes(), "x")
    path.unlink()
    path.write_bytes(
        encode_segment(
            [line.replace(b'"message"', b'"massage"').replace(b"2022", b"2023") for line in segment.lines], segment.note
        )
    )
    code, err = made(run, copy, tmp_path / "none", "--account", "acme")
    assert (code, "ledger verify" in err) == (3, True)
    assert not list(tmp_path.glob("none*"))
