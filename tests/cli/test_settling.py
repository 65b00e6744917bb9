"""Settings of the command line: `ledger config`, and options that environment and file give."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from ledger.config.catalog import CATALOG
from ledger.config.files import read_file
from tests.cli.conftest import Run

Process = Callable[..., CompletedProcess[str]]


def _write(path: Path, text: str, mode: int = 0o600) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_config_shows_each_value_and_where_it_is_from(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of flag, environment, file with its line, and default."""
    file = _write(tmp_path / "a.toml", '[broker]\nbootstrap = "a:1"\nclient_id = "us"\n[worker]\nretries = 9\n')
    monkeypatch.setenv("LEDGER_RETRIES", "7")
    code, out, err = run("config", "--config", file, "--bootstrap", "b:2", "--set", "queued_fetches=3", "--json")
    assert code == 0
    rows = {row["setting"]: (row["value"], row["source"], row["origin"]) for row in json.loads(out)}
    assert list(rows) == [setting.name for setting in CATALOG]
    assert rows["bootstrap"] == ("b:2", "flag", "--bootstrap")
    assert rows["queued_fetches"] == (3, "flag", "--set queued_fetches")
    assert rows["retries"] == (7, "environment", "LEDGER_RETRIES")
    assert rows["client_id"] == ("us", "file", f"{file}:3")
    assert rows["batch_records"] == (1000, "default", None)
    assert err == f"settings file: {file}\n"


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_config_masks_secrets_in_every_format(form: str, run: Run, tmp_path: Path) -> None:
    """And warns of a file with one in it that others can read, and of settings that do not belong together."""
    text = '[broker]\nbootstrap = "a:1"\nsasl_password = "hunter2"\n'
    code, out, err = run("config", "--config", _write(tmp_path / "a.toml", text, 0o644), "--format", form)
    assert code == 0
    assert "hunter2" not in out + err
    assert "********" in out
    assert "holds a password, and others can read it: chmod 600" in err
    assert "sasl_password needs SASL" in err


def test_config_tells_of_variables_that_nothing_reads(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt one would have no effect, and nobody would know."""
    monkeypatch.setenv("LEDGER_SASL_PASWORD", "hunter2")
    code, out, err = run("config")
    assert code == 0
    assert "LEDGER_SASL_PASWORD is set, and no setting has this variable" in err
    assert "hunter2" not in out + err


def test_the_example_is_a_settings_file_once_its_lines_are_let_in(run: Run, tmp_path: Path) -> None:
    """Every setting is in it once, with a value that is taken."""
    code, out, _ = run("config", "--example")
    assert code == 0
    assert read_file(Path(_write(tmp_path / "a.toml", out))) == {}
    values = read_file(Path(_write(tmp_path / "b.toml", re.sub(r"^#(\w+ = )", r"\1", out, flags=re.MULTILINE))))
    assert sorted(values) == sorted(setting.name for setting in CATALOG)


def test_a_command_takes_its_options_from_the_file(
    run: Run, story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The required ones too; the environment counts before it, the command line before both."""
    file = _write(tmp_path / "a.toml", f'ledger = "{story}"\nformat = "json"\n')
    monkeypatch.setenv("LEDGER_CONFIG", file)
    assert json.loads(run("scripts")[1])
    monkeypatch.setenv("LEDGER_FORMAT", "csv")
    assert run("scripts")[1].startswith("account,")
    assert json.loads(run("scripts", "--json")[1])
    assert run("scripts", "--format", "table")[1].startswith("account ")
    monkeypatch.setenv("LEDGER_DIR", str(tmp_path / "none"))
    assert run("scripts")[0] == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("status", "--config", "/nowhere.toml"), "the settings file /nowhere.toml cannot be read"),
        (("worker", "--set", "batch_records=1", "-l", "x", "-b", "a:1"), "give it as --batch-records"),
        (("worker", "--set", "batch_recrods=1", "-l", "x", "-b", "a:1"), "did you mean batch_records?"),
        (("worker", "--set", "retries", "-l", "x", "-b", "a:1"), "--set retries: no value"),
        (("publish", "-", "--set", "sasl_password=x", "-b", "a:1"), "give sasl_password_file"),
        (("publish", "-", "--set", "security_protocol=SASL_SSL", "-b", "a:1", "--topic", "t"), "needs sasl_mechanism"),
        (("init", "--make-topic", "-l", "x"), "which broker?"),
    ],
)
def test_mistakes_are_usage_errors(arguments: tuple[str, ...], words: str, run: Run, tmp_path: Path) -> None:
    """Exit code 2, with what to do, before anything was done."""
    code, out, err = run(*(str(tmp_path / part) if part == "x" else part for part in arguments))
    assert (code, out) == (2, "")
    assert words in err


def test_help_is_shown_whatever_the_settings_file_says(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """How else would one learn about it?"""
    monkeypatch.setenv("LEDGER_CONFIG", "/nowhere.toml")
    assert run("status", "--help")[0] == 0
    assert run("--help")[0] == 0
    assert run("status", "--ledger", "x")[0] == 2


def test_init_takes_the_topic_of_the_file_and_makes_none_unasked(run: Run, tmp_path: Path) -> None:
    """A broker in environment or file does not have to be there yet; the ledger's path is relative to the file."""
    file = _write(tmp_path / "a.toml", 'ledger = "audit"\n[broker]\ntopic = "mine"\nbootstrap = "127.0.0.1:1"\n')
    assert run("init", "--config", file)[0] == 0
    assert json.loads((tmp_path / "audit" / "ledger.json").read_text())["topic"] == "mine"
