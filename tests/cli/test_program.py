"""The program itself: help, speed of its start, init, verify, schema, names of people."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from subprocess import run as run_process

import pytest

import ledger
from ledger.broker.connection import describe_topic
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore
from tests.cli.conftest import ROOT, Run
from tests.kafka.brokers import Broker
from tests.query.build import deployment, entry, version, write_ledger

Process = Callable[..., CompletedProcess[str]]

COMMANDS = (
    "init", "schema", "accept-topic", "accept-gap", "config", "verify", "compact", "broker", "worker", "up", "lag", "publish", "serve",
    "status", "scripts", "deployments", "versions", "show", "history", "rejected", "at", "blame", "who", "explain", "skew", "diff",
    "reach", "exposure", "during", "schedule", "stats", "watch", "sql", "shell", "prove", "checkpoint", "key", "check", "tiles", "erase", "demo",
    "tokens", "secret", "witness", "quarantine", "note",
)  # fmt: skip


def test_help_lists_every_command_and_the_exit_codes(run: Run) -> None:
    """One line each, none cut short."""
    code, out, _ = run("--help")
    assert code == 0
    assert [line.split()[0] for line in out.split("Commands:")[1].splitlines() if line.startswith("  ")][
        : len(COMMANDS)
    ] == list(COMMANDS)
    assert "..." not in out.split("Commands:")[1]
    assert "70 internal error" in out


def test_without_a_command_the_help_is_shown(run: Run) -> None:
    """As it stands, not as an error."""
    assert run() == run("--help")
    assert run()[2] == ""


def test_the_program_says_its_version(run: Run) -> None:
    """On one line, for reports of what went wrong."""
    code, out, _ = run("--version")
    assert (code, out) == (0, f"ledger {ledger.__version__}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(run: Run, command: str) -> None:
    """And the examples begin with the program's name, as typed."""
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "ledger " in out.split("Examples:")[1]


def test_help_loads_nothing_heavy() -> None:
    """What makes a start slow is loaded by the commands that need it."""
    script = "import sys, cli.main; print(sorted({'duckdb', 'faust', 'kafka', 'numpy', 'rich', 'cryptography', 'zstandard'} & set(sys.modules)))"
    done = run_process([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_help_appears_at_once(process: Process) -> None:
    """Within 0.3 s of processor time (the clock depends on what else runs)."""
    before = os.times()
    assert process("--help").returncode == 0
    after = os.times()
    assert after.children_user - before.children_user + after.children_system - before.children_system < 0.3


def test_init_makes_a_ledger_that_verifies_and_answers(run: Run, tmp_path: Path) -> None:
    """The public key is printed; the ledger is empty and sound."""
    place = str(tmp_path / "audit")
    code, vkey, err = run("init", "--ledger", place, "--name", "audit.example", "--shards", "3", "--topic", "t")
    assert code == 0
    assert vkey.startswith("audit.example+")
    assert "3 shards of the topic t" in err
    assert run("verify", "--ledger", place, "--vkey", vkey.strip())[0] == 0
    assert json.loads(run("status", "--json", "--ledger", place)[1])["size"] == 0
    assert (tmp_path / "audit" / "keys" / "signing.json").stat().st_mode & 0o077 == 0


def test_init_refuses_what_is_not_empty(run: Run, tmp_path: Path) -> None:
    """Twice in the same place, or beside other files."""
    place = str(tmp_path / "audit")
    assert run("init", "--ledger", place)[0] == 0
    code, out, err = run("init", "--ledger", place)
    assert (code, out) == (2, "")
    assert "not an empty directory" in err


@pytest.mark.parametrize("arguments", [("--name", "a b"), ("--shards", "0"), ("--shards", "10001"), ("--topic", "a/b")])
def test_init_refuses_what_cannot_be(run: Run, tmp_path: Path, arguments: tuple[str, str]) -> None:
    """Names and numbers out of bounds; nothing is left behind that hinders a second try."""
    place = str(tmp_path / "audit")
    assert run("init", "--ledger", place, *arguments)[0] == 2
    assert run("init", "--ledger", place)[0] == 0


def test_verify_of_a_tampered_ledger_is_exit_3(run: Run, tmp_path: Path) -> None:
    """The story's checkpoints are not signed: the first problem of each shard is named."""
    place = tmp_path / "ledger"
    write_ledger(place, [[entry(0, "changed")]])
    code, out, err = run("verify", "--ledger", str(place), "--json")
    assert code == 3
    assert json.loads(out)["ok"] is False
    assert "is not what was written" in err


@pytest.mark.parametrize(
    "given",
    ["1f0c0a52-6b1e-4d8f-9d58-2a6c1f6f0d11", "1F0C0A52-6B1E-4D8F-9D58-2A6C1F6F0D11", "HwwKUmseTY-dWCpsH28NEQ"],
)
def test_a_topic_is_accepted_by_its_id_in_any_form(run: Run, tmp_path: Path, given: str) -> None:
    """As the worker says it, or as Kafka's tools do: accepting another spelling would let no worker go on."""
    place = str(tmp_path / "audit")
    assert run("init", "--ledger", place)[0] == 0
    assert run("accept-topic", given, "--ledger", place)[0] == 0
    assert [path.name for path in (tmp_path / "audit" / "topics").iterdir()] == [
        "1f0c0a52-6b1e-4d8f-9d58-2a6c1f6f0d11.json"
    ]


def test_a_topic_may_be_accepted_twice(run: Run, tmp_path: Path) -> None:
    """The second time says so; what says that it was accepted is believed only as it was written."""
    place, topic_id = tmp_path / "audit", "1f0c0a52-6b1e-4d8f-9d58-2a6c1f6f0d11"
    assert run("init", "--ledger", str(place))[0] == 0
    assert "accepted: " in run("accept-topic", topic_id, "--ledger", str(place))[2]
    assert "accepted before" in run("accept-topic", topic_id, "--ledger", str(place))[2]
    file = place / "topics" / f"{topic_id}.json"
    file.unlink()
    file.write_bytes(b"{}")
    code, _, err = run("accept-topic", topic_id, "--ledger", str(place))
    assert (code, "does not say that a topic is accepted" in err) == (3, True)


def test_a_broker_that_is_asked_names_its_topic(run: Run, tmp_path: Path, tansu: Broker) -> None:
    """Another id than its topic's is not accepted, nor one that cannot be asked about."""
    place, topic = str(tmp_path / "audit"), tansu.topic(4)
    assert run("init", "--ledger", place, "--topic", topic)[0] == 0
    wrong, asked = "1f0c0a52-6b1e-4d8f-9d58-2a6c1f6f0d11", ("--ledger", place, "--bootstrap")
    right = describe_topic(tansu.bootstrap, topic).topic_id
    code, _, err = run("accept-topic", wrong, *asked, tansu.bootstrap)
    assert (code, right in err) == (2, True)
    assert run("accept-topic", right, *asked, "127.0.0.1:1")[0] == 5
    assert not (tmp_path / "audit" / "topics").exists()
    assert run("accept-topic", right, *asked, tansu.bootstrap)[0] == 0


@pytest.mark.parametrize("given", ["", "ledger.changes", "1f0c0a52", "é" * 22, "HwwKUmseTY-dWCpsH28N*Q"])
def test_what_is_no_topic_id_is_not_accepted(run: Run, tmp_path: Path, given: str) -> None:
    """It would be said to be accepted, for good, and mean nothing."""
    place = str(tmp_path / "audit")
    assert run("init", "--ledger", place)[0] == 0
    code, _, err = run("accept-topic", given, "--ledger", place)
    assert code == 2
    assert "is no topic id" in err


@pytest.mark.parametrize("vkey", ["", "x", "audit.example+00000000+AAAA"])
def test_verify_with_what_is_no_key_is_a_mistake(run: Run, tmp_path: Path, vkey: str) -> None:
    """An empty one too, out of a variable that nobody set: the key beside the log does not stand in for it."""
    assert run("init", "--ledger", str(tmp_path / "audit"))[0] == 0
    code, out, err = run("verify", "--ledger", str(tmp_path / "audit"), "--vkey", vkey)
    assert (code, out) == (2, "")
    assert "key" in err.splitlines()[0]


def test_schema_is_a_json_schema(run: Run) -> None:
    """It validates as one."""
    from jsonschema import Draft202012Validator

    code, out, _ = run("schema")
    assert code == 0
    Draft202012Validator.check_schema(json.loads(out))


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """A ledger with one deployment by ana@acme.example, and the keys to say so."""
    keys = KeyStore.create(LocalStore(tmp_path / "keys", file_mode=0o600), "test")
    person = keys.person("acme", "u_17")
    sealed = person.seal(b'{"type":"user","id":"u_17","email":"ana@acme.example"}')
    keys.keep(keys.take_staged())
    actor = {"type": "user", "pseudonym": person.pseudonym, "sealed": sealed}
    write_ledger(
        tmp_path, [[entry(0, "deployed", actor=actor, version=version(1), deployment=deployment(1, {1: 100}))]]
    )
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("deployments", "shop"),
        ("versions", "shop"),
        ("history", "shop"),
        ("scripts",),
        ("sql", "SELECT author FROM changes RIGHT JOIN deployments USING (author)"),
        ("sql", "SELECT author FROM entries"),
    ],
)
def test_people_are_named_where_the_keys_are(run: Run, named: Path, arguments: tuple[str, ...]) -> None:
    """By e-mail address; without the keys by their pseudonym."""
    _, out, _ = run(*arguments, "--json", "--ledger", str(named))
    assert json.loads(out)[0]["author"] == "ana@acme.example"
    (named / "keys").rename(named / "elsewhere")
    _, out, _ = run(*arguments, "--json", "--ledger", str(named))
    assert len(json.loads(out)[0]["author"]) == 32
    _, out, _ = run(*arguments, "--json", "--ledger", str(named), "--keys", str(named / "elsewhere"))
    assert json.loads(out)[0]["author"] == "ana@acme.example"


def test_an_erased_person_is_a_pseudonym(run: Run, named: Path) -> None:
    """Deleting the key is forgetting the name, and nothing else."""
    KeyStore.open(LocalStore(named / "keys"), "test").erase("acme", "u_17")
    _, out, _ = run("deployments", "shop", "--json", "--ledger", str(named))
    assert len(json.loads(out)[0]["author"]) == 32


def test_two_hundred_segments_are_opened_quickly(run: Run, tmp_path: Path) -> None:
    """Finding the prefix reads the ends of segments only."""
    write_ledger(tmp_path, [[entry(minute, "changed") for minute in range(200)]], segment_entries=1)
    started = time.monotonic()
    assert json.loads(run("status", "--json", "--ledger", str(tmp_path))[1])["size"] == 200
    assert time.monotonic() - started < 10
