"""Proofs as people make and check them: what is written holds elsewhere, and nothing else does."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from ledger.storage import layout
from tests.cli.conftest import Run
from tests.cli.proofs import LAST, change_file, write_ledger

Made = tuple[Path, str, Path]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of one shard."""
    return write_ledger(tmp_path_factory.mktemp("proofs") / "audit")


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def vkey(ledger: Path) -> str:
    """The ledger's public key."""
    return str(json.loads((ledger / layout.LEDGER_FILE).read_bytes())["vkey"])


@pytest.fixture
def receipt(run: Run, ledger: Path, tmp_path: Path) -> Path:
    """A receipt for the last entry; its bytes beside it."""
    code, _, err = run("prove", f"0/{LAST}", "--ledger", str(ledger), "-o", str(tmp_path / "last"))
    assert (code, err) == (0, "")
    return tmp_path / "last.tlog-proof"


def test_a_receipt_holds_with_nothing_but_the_key(run: Run, receipt: Path, vkey: str, tmp_path: Path) -> None:
    """The file, the entry's bytes and the key say what was deployed, where it stands, by whom and when."""
    code, out, err = run("check", str(receipt), "--vkey", vkey)
    assert (code, err) == (0, "")
    entry = json.loads((tmp_path / "last.json").read_bytes())
    for words in (
        f"deployment {entry['deployment']['id']} of acme/shop was recorded at index {LAST} of test/0000",
        f"by user {entry['event']['data']['actor']['pseudonym']} (api), at {entry['recorded_at']}",
        "message 'the",
        "rests on",
    ):
        assert words in out
    assert "\x1b" not in out
    assert "\x9b" not in out


def test_what_was_proved_is_there_as_json(run: Run, receipt: Path, vkey: str) -> None:
    """With the entry whole."""
    answer = json.loads(run("check", str(receipt), "--vkey", vkey, "--json")[1])
    assert (answer["kind"], answer["holds"], answer["log"], answer["index"]) == ("entry", True, "test/0000", LAST)
    assert answer["entry"]["deployment"]["number"] == 1


def test_the_start_of_a_deployments_id_names_its_entry(run: Run, ledger: Path, receipt: Path, tmp_path: Path) -> None:
    """Of a version's too; both lead to the same receipt."""
    entry = json.loads((tmp_path / "last.json").read_bytes())
    for kind in ("deployment", "version"):
        out = str(tmp_path / kind)
        assert run("prove", entry[kind]["id"][:13], "--ledger", str(ledger), "-o", out)[0] == 0
        assert Path(f"{out}.tlog-proof").read_bytes() == receipt.read_bytes()


def test_every_entry_has_a_receipt_under_two_kilobytes(run: Run, ledger: Path, vkey: str, tmp_path: Path) -> None:
    """Whatever its outcome: rejected and repeated ones too."""
    words = set()
    for index in range(LAST + 1):
        assert run("prove", f"0/{index}", "--ledger", str(ledger), "-o", str(tmp_path / "r"))[0] == 0
        assert (tmp_path / "r.tlog-proof").stat().st_size < 2000
        code, out, _ = run("check", str(tmp_path / "r.tlog-proof"), "--vkey", vkey)
        assert code == 0
        words.add(out.split("\n")[1].removeprefix("proved    ").split(" ")[0])
    assert {"deployment", "version", "a", "an"} <= words


def test_default_names_say_which_entry(run: Run, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the current directory, and stdout says them."""
    monkeypatch.chdir(tmp_path)
    answer = json.loads(run("prove", "0/3", "--ledger", str(ledger), "--json")[1])
    assert (answer["proof"], answer["entry"]) == ("test-0000-3.tlog-proof", "test-0000-3.json")
    assert Path(answer["proof"]).stat().st_size == answer["bytes"]


@pytest.mark.parametrize("form", ["ledger", "log", "file", "file without line feed"])
def test_the_key_is_the_ledgers_or_the_logs_itself_or_in_a_file(
    run: Run, ledger: Path, receipt: Path, tmp_path: Path, form: str
) -> None:
    """What `ledger key` prints, with or without --shard, and kept in a file."""
    shard = ("--shard", "0") if form == "log" else ()
    key = run("key", "--ledger", str(ledger), *shard)[1]
    (tmp_path / "vkey").write_text(key if form == "file" else key.strip())
    given = str(tmp_path / "vkey") if form.startswith("file") else key.strip()
    assert run("check", str(receipt), "--vkey", given)[0] == 0


@pytest.mark.parametrize(
    ("name", "old", "new", "code"),
    [
        ("last.json", b"acme", b"acmf", "bad_proof"),
        ("last.json", b"}", b"}\n", "bad_proof"),
        ("last.tlog-proof", b"index 59", b"index 58", "bad_proof"),
        ("last.tlog-proof", b"index 59", b"index 60", "malformed_proof"),
        ("last.tlog-proof", b"\n60\n", b"\n61\n", "bad_signature"),
        ("last.tlog-proof", b"test/0000\n", b"test/0001\n", "wrong_key"),
        ("last.tlog-proof", b"index 59", b"index 059", "malformed_receipt"),
        ("last.tlog-proof", b"c2sp.org", b"c2sp.net", "entry_unneeded"),
    ],
)
def test_a_changed_receipt_or_entry_does_not_hold(
    run: Run, receipt: Path, vkey: str, tmp_path: Path, name: str, old: bytes, new: bytes, code: str
) -> None:
    """Exit code 3, and the kind in JSON."""
    change_file(tmp_path / name, old, new)
    entry = ("--entry", str(tmp_path / "last.json"))
    got, out, err = run("check", str(receipt), "--vkey", vkey, *entry)
    if code == "entry_unneeded":  # no longer told as a receipt
        assert got == 2
        got, out, err = run("check", str(receipt), "--vkey", vkey)
        code = "unknown_proof"
    assert (got, out) == (3, "")
    assert "does not hold" in err
    extra = () if code == "unknown_proof" else entry
    answer = json.loads(run("check", str(receipt), "--vkey", vkey, *extra, "--json")[1])
    assert (answer["holds"], answer["code"]) == (False, code)


def test_a_receipt_of_another_ledger_is_refused(run: Run, receipt: Path, tmp_path: Path) -> None:
    """Another name is another ledger; the same name with another key is none either."""
    other = run("init", "--ledger", str(tmp_path / "other"), "--name", "other")[1].strip()
    same = run("init", "--ledger", str(tmp_path / "same"), "--name", "test")[1].strip()
    for key, words in ((other, "the key is that of 'other'"), (same, "not by test/0000+")):
        code, _, err = run("check", str(receipt), "--vkey", key)
        assert code == 3
        assert words in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("prove",), 2, "say what to prove"),
        (("prove", "0/1", "--consistent", "7", "14"), 2, "say what to prove"),
        (("prove", "0/60"), 4, "there is no entry 0/60"),
        (("prove", "7/0"), 4, "there is no shard 7"),
        (("prove", "ffffffffff"), 4, "begins with ffffffffff"),
        (("prove", "zzz"), 2, "not an id"),
        (("prove", "0/1", "-o", "missing/x"), 5, "cannot write missing/x.json"),
        (("prove", "--consistent", "7", "15"), 4, "sizes near it that have one: 7, 14, 21, 28"),
        (("prove", "--consistent", "14", "7"), 2, "swap them"),
        (("prove", "--consistent", "missing", "7"), 4, "no file missing"),
        (("checkpoint", "--at", "8"), 4, "no segment of shard 0 ended at 8 entries"),
        (("checkpoint", "--shard", "1"), 4, "there is no shard 1"),
        (("key", "--shard", "1"), 4, "there is no shard 1"),
    ],
)
def test_a_mistake_is_explained(
    run: Run,
    ledger: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What cannot be proved, and what to ask for instead."""
    monkeypatch.chdir(tmp_path)
    got, out, err = run(*arguments, "--ledger", str(ledger))
    assert (got, out) == (code, "")
    assert message in err
    assert [path for path in tmp_path.iterdir() if path.name != "cache"] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "nonsense is no key"),
        ("test+00000000+AAAA", "is no key"),
        ("missing.vkey", "is no key"),
        ("a\0b", "is no key"),
        ("a\udcff+00000000+AAAA", "is no key"),
        ("\udcff", "is no key"),
    ],
)
def test_a_key_that_is_none_is_a_mistake_not_a_verdict(run: Run, receipt: Path, text: str, message: str) -> None:
    """Exit code 2."""
    code, out, err = run("check", str(receipt), "--vkey", text)
    assert (code, out) == (2, "")
    assert message in err


def test_without_the_entry_a_receipt_says_what_is_missing(run: Run, receipt: Path, vkey: str, tmp_path: Path) -> None:
    """The file that is looked for, and the option."""
    (tmp_path / "last.json").unlink()
    code, _, err = run("check", str(receipt), "--vkey", vkey)
    assert code == 4
    assert "last.json" in err
    assert "--entry" in err


def test_a_checkpoint_of_each_segments_end_can_be_had(run: Run, ledger: Path) -> None:
    """The newest, or that of a size; the note's exact bytes."""
    newest = run("checkpoint", "--ledger", str(ledger))[1]
    assert newest.split("\n")[:2] == ["test/0000", "60"]
    assert run("checkpoint", "--ledger", str(ledger), "--at", "60")[1] == newest
    assert run("checkpoint", "--ledger", str(ledger), "--at", "7")[1].split("\n")[1] == "7"


def test_a_ledger_of_several_shards_asks_which(run: Run, tmp_path: Path) -> None:
    """An empty shard has no checkpoint."""
    root = str(write_ledger(tmp_path / "audit", shards=3))
    code, _, err = run("checkpoint", "--ledger", root)
    assert (code, "--shard, 0 to 2" in err) == (2, True)
    assert run("checkpoint", "--ledger", root, "--shard", "0")[1].startswith("test/0000\n60\n")
    assert run("checkpoint", "--ledger", root, "--shard", "1")[0] == 4
    assert run("key", "--ledger", root)[1].startswith("test+")


def test_growth_between_two_checkpoints_holds(run: Run, ledger: Path, vkey: str, tmp_path: Path) -> None:
    """From sizes or from files that were kept; the file holds both checkpoints."""
    (tmp_path / "old").write_text(run("checkpoint", "--ledger", str(ledger), "--at", "7")[1])
    out = str(tmp_path / "grown")
    for old in ("7", str(tmp_path / "old")):
        assert run("prove", "--consistent", old, "60", "--ledger", str(ledger), "-o", out)[0] == 0
        code, shown, _ = run("check", f"{out}.growth-proof", "--vkey", vkey)
        assert code == 0
        assert "test/0000 with 60 entries begins with all 7 that it had before, unchanged" in shown
    change_file(tmp_path / "grown.growth-proof", b"\n7\n", b"\n6\n")
    code, _, err = run("check", f"{out}.growth-proof", "--vkey", vkey)
    assert (code, "does not hold" in err) == (3, True)


def test_a_log_that_was_cut_off_or_forked_does_not_extend(run: Run, ledger: Path, tmp_path: Path) -> None:
    """The kept checkpoint is of more entries, or of others."""
    (tmp_path / "kept").write_text(run("checkpoint", "--ledger", str(ledger))[1])
    cut = tmp_path / "cut"
    shutil.copytree(ledger, cut)
    (cut / layout.segment(0, 56)).unlink()
    code, _, err = run("prove", "--consistent", "7", str(tmp_path / "kept"), "--ledger", str(cut))
    assert (code, "the log was cut off" in err) == (3, True)
    (tmp_path / "bad").write_bytes((tmp_path / "kept").read_bytes().replace(b"\n60\n", b"\n59\n"))
    assert run("prove", "--consistent", "7", str(tmp_path / "bad"), "--ledger", str(ledger))[0] == 3


def test_a_log_whose_entry_was_changed_gives_no_receipt(run: Run, ledger: Path, tmp_path: Path) -> None:
    """What is proved is what was signed, whatever lies in the segment now."""
    from ledger.log.segments import encode_segment, parse_segment

    copy = tmp_path / "copy"
    shutil.copytree(ledger, copy)
    assert run("prove", "0/1", "--ledger", str(copy), "-o", str(tmp_path / "before"))[0] == 0  # fills the cache
    path = copy / layout.segment(0, 0)
    segment = parse_segment(path.read_bytes(), "x")
    lines = [segment.lines[0], msgspec.json.encode({"forged": True}), *segment.lines[2:]]
    path.unlink()
    path.write_bytes(encode_segment(lines, segment.note))
    code, _, err = run("prove", "0/1", "--ledger", str(copy), "-o", str(tmp_path / "after"))
    assert code == 3
    assert "not the one that was signed" in err
    assert not list(tmp_path.glob("after*"))


def test_nothing_is_written_into_the_ledger(run: Run, ledger: Path, receipt: Path) -> None:
    """The cache is the user's."""
    assert not (ledger / "cache").exists()
    assert {path.name for path in ledger.iterdir()} <= {
        "ledger.json",
        "log",
        "topics",
        "keys",
        "accounts",
        "blobs",
        "quarantine",
    }


def test_a_receipt_can_be_had_in_an_older_checkpoint(ledger: Path) -> None:
    """For those that witnesses have cosigned; one that does not reach the entry, or is another log's, is refused."""
    from ledger.errors import LedgerError
    from ledger.proof.checkpoints import read_unverified
    from ledger.query import proofs
    from ledger.query.lookup import EntryId
    from ledger.query.opened import open_ledger

    with open_ledger(str(ledger)) as found:
        tree, note = proofs.tree_of(found, 0), proofs.checkpoint_at(found, 0, 14)
        made = proofs.make_receipt(found, EntryId(0, 13), tree, note)
        assert (made.size, read_unverified(made.receipt.note).size) == (14, 14)
        for entry, signed, code in (
            (14, note, "entry_too_new"),
            (1, note.replace(b"\n14\n", b"\n15\n"), "bad_signature"),
        ):
            with pytest.raises(LedgerError) as error:
                proofs.make_receipt(found, EntryId(0, entry), tree, signed)
            assert error.value.code == code
