"""`ledger sql --bind` and `ledger check` of what it writes, as somebody meets them."""

import json
from pathlib import Path

import pytest

from ledger.storage import layout
from ledger.storage.local import LocalStore
from tests.cli.conftest import Run
from tests.log.rig import Log, append, story

SQL = "SELECT script, count(*) AS n FROM deployments WHERE account = $a GROUP BY ALL"


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """A ledger on disk with its keys."""
    root = tmp_path_factory.mktemp("audit") / "ledger"
    log = Log(LocalStore(root), LocalStore(root / "keys"))
    append(log.open(), story(30))
    return log


@pytest.fixture
def root(audit: Log) -> str:
    """Its directory."""
    assert isinstance(audit.store, LocalStore)
    return str(audit.store.root)


def test_an_answer_is_bound_and_checked(
    run: Run, audit: Log, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Printed as ever; the file is checked alone, says then that nothing was asked again, and with the ledger."""
    file = tmp_path / "é.answer"
    code, out, err = run("sql", SQL, "-p", "a=acme", "-l", root, "-f", "csv", "--bind", str(file))
    assert (code, out.splitlines()[0]) == (0, "script,n")
    assert err.splitlines()[0] == (
        f"bound {len(out.splitlines()) - 1} rows in {file}; people are pseudonyms in it, and the order of rows is not bound"
    )
    monkeypatch.setenv("LEDGER_DIR", root)  # evidence is checked by itself, whatever the environment says
    code, out, _ = run("check", str(file), "--vkey", audit.file.vkey)
    assert (code, out.splitlines()[0]) == (0, "holds")
    assert "THE ROWS WERE NOT ASKED FOR AGAIN" in out
    assert f"query     {SQL}\nwith      a = acme\n" in out
    code, out, _ = run("check", str(file), "--vkey", audit.file.vkey, "--ledger", root)
    assert (code, "proved    asked again of the log cut at 1 checkpoint of 30 entries" in out) == (0, True)
    assert "taken from the ledger itself" not in out
    code, out, _ = run("check", str(file), "--ledger", root, "--json")
    checked = json.loads(out)
    assert (checked["kind"], checked["holds"], checked["reproduced"]) == ("answer", True, True)
    assert "taken from the ledger itself" in checked["rests_on"]
    assert checked["checkpoints"][0]["log"] == "test/0000"


def test_rows_go_to_a_file_beside_it(run: Run, root: str, tmp_path: Path) -> None:
    """Both are whole or absent; what exists is left as it is."""
    rows, file = tmp_path / "rows.json", tmp_path / "rows.answer"
    sql = ("sql", "SELECT 1 AS n", "-l", root, "-o", str(rows), "--bind", str(file))
    assert run(*sql)[:2] == (0, "")
    assert json.loads(rows.read_text()) == [{"n": 1}]
    rows.unlink()
    code, _, err = run(*sql)
    assert (code, f"{file} exists" in err, rows.exists()) == (2, True, False)
    assert run(*sql, "--force")[0] == 0


def test_what_does_not_hold_is_exit_3_with_its_kind(run: Run, audit: Log, root: str, tmp_path: Path) -> None:
    """A changed byte without the ledger; a log that was cut off with it."""
    file = tmp_path / "a.answer"
    assert run("sql", "SELECT count(*) AS n FROM entries", "-l", root, "--bind", str(file))[0] == 0
    changed = tmp_path / "b.answer"
    changed.write_bytes(file.read_bytes().replace(b"rows 1", b"rows 2"))
    code, out, err = run("check", str(changed), "--vkey", audit.file.vkey, "--json")
    assert (code, json.loads(out)["code"], "does not hold" in err) == (3, "bad_signature", True)
    cut = tmp_path / "cut"
    for name in audit.store.list(""):
        if name != layout.segment(0, 28):
            LocalStore(cut).put(name, audit.store.get(name))
    code, out, err = run("check", str(file), "--vkey", audit.file.vkey, "--ledger", str(cut), "--json")
    assert (code, json.loads(out)["code"]) == (3, "rollback")
    assert "30 entries were there before, now there are 28" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sql", "SELECT now()", "--bind", "x"), "asks the clock (now)"),
        (("sql", "--views", "--bind", "x"), "no answer that could be bound"),
        (("sql", "SELECT 1", "--bind", "x", "-o", "x.parquet"), "is written as text"),
        (("sql", "SELECT 1", "--bind", "nowhere/x"), "cannot write nowhere/x"),
        (("sql", "SELECT 1", "--bind", "x", "--keys", "."), "no signing key"),
    ],
)
def test_what_cannot_be_bound_is_said(
    run: Run, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    """With the documented exit code, and nothing left behind, nor printed."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    code, out, err = run(*arguments, "-l", root)
    assert (code in {2, 4, 5}, out, message in err) == (True, "", True)
    assert not list(here.iterdir())


def test_options_of_check_that_do_not_fit_are_said(run: Run, audit: Log, root: str, tmp_path: Path) -> None:
    """A key is needed without a ledger; a receipt needs no ledger; a bound answer has no entry and no witnesses."""
    file, receipt = tmp_path / "a.answer", tmp_path / "r"
    assert run("sql", "SELECT 1", "-l", root, "--bind", str(file))[0] == 0
    assert run("prove", "0/3", "-l", root, "-o", str(receipt))[0] == 0
    for arguments, message in (
        ((str(file),), "give --vkey"),
        ((f"{receipt}.tlog-proof", "--ledger", root), "only a bound answer is checked with the ledger"),
        ((str(file), "--ledger", root, "--entry", "x"), "leave them out"),
        ((str(file), "--ledger", root, "--witnesses", "1"), "leave them out"),
        ((str(file), "--vkey", audit.file.vkey, "--entry", f"{receipt}.json"), "only a receipt"),
    ):
        code, out, err = run("check", *arguments)
        assert (code, out, message in err) == (2, "", True), err
    assert run("check", f"{receipt}.tlog-proof", "--vkey", audit.file.vkey)[0] == 0
    assert run("check", str(file), "--ledger", str(tmp_path / "nowhere"))[0] == 4
