"""Proofs in checkpoints that witnesses have cosigned: preferred where they exist, asked for where somebody wants them."""

import json
from pathlib import Path

import pytest

from ledger.proof.checkpoints import read_unverified
from ledger.proof.cosignatures import WitnessSigner
from ledger.proof.notes import add_signatures, parse_note
from ledger.query.opened import open_ledger
from ledger.query.proofs import checkpoint_at
from ledger.storage import layout
from ledger.storage.local import LocalStore
from tests.cli.conftest import Run
from tests.cli.proofs import LAST, write_ledger

FIRST = WitnessSigner("witness.example/w1", bytes([9]) * 32)
SECOND = WitnessSigner("witness.example/w2", bytes([10]) * 32)
TIME = 1_700_000_000
OLDER = 49
"""Entries in a checkpoint before the newest: segments have seven."""


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger of one shard."""
    return write_ledger(tmp_path / "audit")


@pytest.fixture
def vkey(ledger: Path) -> str:
    """Its public key."""
    return str(json.loads((ledger / layout.LEDGER_FILE).read_bytes())["vkey"])


def cosign(ledger: Path, size: int, *witnesses: WitnessSigner) -> None:
    """Store what witnesses have cosigned of the checkpoint of a size."""
    with open_ledger(str(ledger)) as opened:
        note = checkpoint_at(opened, 0, size)
    for witness in witnesses:
        line = witness.sign(parse_note(note).text, TIME)
        name = layout.witnessed(0, size, line.key_id.hex())
        LocalStore(ledger).put(name, add_signatures(note, [line]))


def prove(run: Run, ledger: Path, index: int, out: Path) -> Path:
    """A receipt of an entry."""
    assert run("prove", f"0/{index}", "--ledger", str(ledger), "-o", str(out))[0] == 0
    return out.with_suffix(".tlog-proof")


def test_a_receipt_is_made_in_the_newest_checkpoint_that_is_cosigned(
    run: Run, ledger: Path, vkey: str, tmp_path: Path
) -> None:
    """Where that reaches the entry; a newer entry is proved in what the log alone has signed."""
    cosign(ledger, OLDER, FIRST)
    for index, size in ((3, OLDER), (LAST, LAST + 1)):
        receipt = prove(run, ledger, index, tmp_path / str(index))
        assert read_unverified(receipt.read_bytes().partition(b"\n\n")[2]).size == size
        assert run("check", str(receipt), "--vkey", vkey)[0] == 0


def test_who_has_cosigned_is_said_with_the_time(run: Run, ledger: Path, vkey: str, tmp_path: Path) -> None:
    """In the table and in JSON; a witness that was not asked about is left out."""
    cosign(ledger, OLDER, FIRST, SECOND)
    receipt = str(prove(run, ledger, 3, tmp_path / "r"))
    code, out, _ = run("check", receipt, "--vkey", vkey, "--witness", FIRST.vkey)
    assert code == 0
    assert "witnessed witness.example/w1 at 2023-11-14 22:13:20Z: 1 asked for" in out
    both = ("--witness", FIRST.vkey, "--witness", SECOND.vkey, "--witnesses", "1")
    answer = json.loads(run("check", receipt, "--vkey", vkey, *both, "--json")[1])
    assert answer["witnessed"] == {
        "asked": 1,
        "by": ["witness.example/w1", "witness.example/w2"],
        "times": [TIME, TIME],
    }
    assert json.loads(run("check", receipt, "--vkey", vkey, "--json")[1])["witnessed"] is None


def test_too_few_cosignatures_do_not_pass_where_they_are_asked_for(
    run: Run, ledger: Path, vkey: str, tmp_path: Path
) -> None:
    """Exit code 3 and a verdict of its own; without the question the same receipt holds."""
    cosign(ledger, OLDER, FIRST)
    receipt = str(prove(run, ledger, 3, tmp_path / "r"))
    both = ("--witness", FIRST.vkey, "--witness", SECOND.vkey)
    assert run("check", receipt, "--vkey", vkey, *both, "--witnesses", "1")[0] == 0
    code, out, err = run("check", receipt, "--vkey", vkey, *both)
    assert (code, out) == (3, "")
    assert "of 2 cosignatures that are asked for its checkpoint has 1" in err
    code, out, _ = run("check", receipt, "--vkey", vkey, *both, "--json")
    assert (code, json.loads(out)["code"]) == (3, "unwitnessed")
    assert run("check", receipt, "--vkey", vkey)[0] == 0


def test_a_key_file_of_a_witness_is_read(run: Run, ledger: Path, vkey: str, tmp_path: Path) -> None:
    """As `--vkey` reads one; what is no witness's key is a usage error, the log's own one too."""
    cosign(ledger, OLDER, FIRST)
    receipt = str(prove(run, ledger, 3, tmp_path / "r"))
    (tmp_path / "w1.vkey").write_text(FIRST.vkey + "\n")
    assert run("check", receipt, "--vkey", vkey, "--witness", str(tmp_path / "w1.vkey"))[0] == 0
    for wrong in (("--witness", vkey), ("--witness", "nobody"), ("--witnesses", "1")):
        assert run("check", receipt, "--vkey", vkey, *wrong)[0] == 2


def test_checkpoints_and_tiles_carry_the_cosignatures(run: Run, ledger: Path, tmp_path: Path) -> None:
    """Also those that come after the tiles were written."""
    tiles = ("tiles", str(tmp_path / "tiles"), "--ledger", str(ledger))
    assert run(*tiles)[0] == 0
    served = tmp_path / "tiles" / "0000" / "checkpoint"
    assert "witness.example" not in served.read_text()
    cosign(ledger, LAST + 1, FIRST)
    assert run(*tiles)[0] == 0
    assert served.read_text() == run("checkpoint", "--ledger", str(ledger))[1]
    assert "— witness.example/w1 " in served.read_text()
    before = served.stat().st_mtime_ns
    assert run(*tiles)[0] == 0
    assert served.stat().st_mtime_ns == before


def test_verify_asks_for_witnesses_and_holds_the_log_against_what_they_cosigned(
    run: Run, ledger: Path, tmp_path: Path
) -> None:
    """Enough cosignatures are named in the report; too few are a problem of their own; another history is a fork."""
    ask = (
        "verify",
        "--ledger",
        str(ledger),
        "--no-remember",
        "--json",
        "--witness",
        FIRST.vkey,
        "--witness",
        SECOND.vkey,
    )
    code, out, _ = run(*ask)
    assert code == 3
    assert [(found["kind"], found["expected"], found["found"]) for found in json.loads(out)["problems"]] == [
        ("unwitnessed", "2", "0")
    ]
    cosign(ledger, OLDER, FIRST)
    assert run(*ask)[0] == 3
    code, out, _ = run(*ask, "--witnesses", "1")
    report = json.loads(out)
    assert (code, report["problems"]) == (0, [])
    assert report["witnessed"] == [f"test/0000 {OLDER} by witness.example/w1"]
    assert report["extends"] == [f"test/0000 {OLDER}"]
    assert "witnessed  test/0000" in run(*(part for part in ask if part != "--json"), "--witnesses", "1")[1]


def test_verify_finds_a_history_that_witnesses_did_not_see(run: Run, ledger: Path, tmp_path: Path) -> None:
    """The log of another ledger with the same keys, put beside cosigned checkpoints of this one."""
    cosign(ledger, LAST + 1, FIRST)
    for path in sorted((ledger / "log" / "0000").iterdir())[5:]:
        path.unlink()
    code, out, _ = run("verify", "--ledger", str(ledger), "--no-remember", "--json", "--witness", FIRST.vkey)
    assert code == 3
    assert [found["kind"] for found in json.loads(out)["problems"]] == ["truncated"]


def test_a_cosigned_checkpoint_that_is_damaged_is_found(run: Run, ledger: Path) -> None:
    """Its signature, or the log's under it."""
    cosign(ledger, OLDER, FIRST)
    [note] = (ledger / "witnessed" / "0000").iterdir()
    note.write_bytes(note.read_bytes().replace(f"\n{OLDER}\n".encode(), f"\n{OLDER + 1}\n".encode(), 1))
    code, out, _ = run("verify", "--ledger", str(ledger), "--no-remember", "--json", "--witness", FIRST.vkey)
    assert code == 3
    assert [found["kind"] for found in json.loads(out)["problems"]] == ["bad_signature"]
