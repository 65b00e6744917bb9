"""Clusters as users have them, against Apache Kafka: who is let in, what a ledger goes through there, what is said to whom is not."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from ledger.broker.cluster import Cluster, Mechanism, Protocol, Secret
from ledger.broker.connection import TopicIdProbe, ping
from ledger.broker.lines import open_source
from ledger.broker.publish import Place, publish
from ledger.errors import BrokerError, UsageError
from ledger.live.sending import open_sender
from ledger.log.ledgerfile import read_ledger_file
from tests.kafka.secured import KEY_PASSWORD, PASSWORD, Secured
from tests.kafka.tokens import USER, unsecured_token
from tests.log import rig
from tests.worker.rig import Ledger

ROOT: Final = Path(__file__).parents[2]
EVENTS: Final = 150
WRONG: Final = "not-the-password"

Settings = Mapping[str, Any]


def _events(directory: Path) -> Path:
    with open_source(str(ROOT / "examples" / "real-changes.ndjson.zst")) as source:
        lines = [line.value for line, _ in zip(source.lines(), range(EVENTS), strict=False)]
    path = directory / "events.ndjson"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def _ledger(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as a process, with no settings but these."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    return subprocess.run(
        [sys.executable, "-m", "cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd=ROOT,
        env=clean | environment,
    )


def _write(path: Path, broker: Settings, **general: str) -> Path:
    """A settings file."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in general.items()]
    lines += ["[broker]", *(f"{name} = {json.dumps(value)}" for name, value in broker.items())]
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    return path


def _sasl(secured: Secured, mechanism: str) -> dict[str, Any]:
    return {
        # The first is dead: the others are asked.
        "bootstrap": f"127.0.0.1:1,{secured.secure}",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": mechanism,
        "sasl_username": USER,
        "tls_ca_file": str(secured.authority),
    }


def _settings(kind: str, secured: Secured, directory: Path) -> dict[str, Any]:
    """The [broker] table of a user of each kind, whose secrets lie in files."""
    password, key, token = (directory / name for name in ("kafka.password", "key.password", "print-token"))
    password.write_text(PASSWORD + "\n")
    key.write_text(KEY_PASSWORD)
    token.write_text(_TOKEN_PROGRAM)
    match kind:
        case "OAUTHBEARER":
            found = _sasl(secured, kind) | {"sasl_token_command": f"{sys.executable} {token}"}
            del found["sasl_username"]
            return found
        case "mutual TLS":
            return {
                "bootstrap": secured.mutual,
                "security_protocol": "SSL",
                "tls_ca_file": str(secured.authority),
                "tls_cert_file": str(secured.client),
                "tls_key_password_file": str(key),
            }
        case _:
            return _sasl(secured, kind) | {"sasl_password_file": "kafka.password"}


_TOKEN_PROGRAM: Final = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.kafka.tokens import unsecured_token
print(unsecured_token(4))
"""
"""It prints tokens that the worker outlives."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER", "mutual TLS"])
def test_a_ledger_goes_the_whole_way_on_a_secured_cluster(kind: str, secured: Secured, tmp_path: Path) -> None:
    """init, publish, worker and verify need nothing but the settings file; no password is in any output."""
    ledger = tmp_path / "audit"
    broker = _settings(kind, secured, tmp_path) | {"topic": f"t-{uuid4()}"}
    for name in ("kafka.password", "key.password"):
        (tmp_path / name).chmod(0o600)
    file = _write(tmp_path / "ledger.toml", broker, ledger="audit")
    said = ""
    for command in (
        ("init", "--shards", 2, "--make-topic"),
        ("publish", _events(tmp_path)),
        ("worker", "--until-idle", 2),
        ("verify", "--no-remember"),
    ):
        done = _ledger(*command, "--config", file)
        assert done.returncode == 0, done.stderr
        said += done.stdout + done.stderr
    status = json.loads(_ledger("status", "--json", "--ledger", ledger).stdout)
    assert status["size"] == EVENTS
    assert "warning" not in said
    assert PASSWORD not in said
    assert KEY_PASSWORD not in said


def _cluster(secured: Secured, **changed: Any) -> Cluster:
    right: dict[str, Any] = {
        "bootstrap": secured.secure,
        "security_protocol": Protocol.SASL_SSL,
        "sasl_mechanism": Mechanism.SCRAM_SHA_512,
        "sasl_username": USER,
        "sasl_password": Secret(PASSWORD),
        "tls_ca_file": str(secured.authority),
    }
    return Cluster(**(right | changed))


_PLAIN: Final = {"sasl_mechanism": None, "sasl_username": None, "sasl_password": None, "tls_ca_file": None}
_TLS: Final = {"security_protocol": Protocol.SSL, "sasl_mechanism": None, "sasl_username": None, "sasl_password": None}


def _mistakes(secured: Secured) -> dict[str, tuple[Cluster, str, str]]:
    """What users get wrong: the settings, the error's code, and what it must say."""
    other = {"tls_ca_file": str(secured.other_authority)}
    stranger = {"tls_cert_file": str(secured.stranger)}
    open_port, host = secured.broker.bootstrap, secured.secure.replace("127.0.0.1", "localhost")
    clear = {"security_protocol": Protocol.PLAINTEXT, **_PLAIN}
    sasl_clear = {"security_protocol": Protocol.SASL_PLAINTEXT, "tls_ca_file": None}
    return {
        "wrong password": (_cluster(secured, sasl_password=Secret(WRONG)), "sasl_failed", "or the password"),
        "wrong password, PLAIN": (
            _cluster(secured, sasl_password=Secret(WRONG), sasl_mechanism=Mechanism.PLAIN),
            "sasl_failed",
            "or the password",
        ),
        "wrong CA": (_cluster(secured, **other), "tls_failed", "signed by nobody that is trusted"),
        "another host": (_cluster(secured, bootstrap=host), "tls_failed", "not one for localhost"),
        "expired certificate": (_cluster(secured, bootstrap=secured.expired, **_TLS), "tls_failed", "has expired"),
        "TLS to a plain port": (_cluster(secured, bootstrap=open_port), "tls_failed", "does not speak TLS"),
        "plain to a TLS port": (_cluster(secured, **clear), "tls_failed", "speaks TLS"),
        "no SASL to a port that wants it": (
            _cluster(secured, bootstrap=secured.clear, **clear),
            "broker_unreachable",
            "closes the connection",
        ),
        "SASL to a port without": (
            _cluster(secured, bootstrap=open_port, **sasl_clear),
            "sasl_failed",
            "does not use SASL",
        ),
        "a mechanism that is not offered": (
            _cluster(secured, bootstrap=secured.clear, sasl_mechanism=Mechanism.PLAIN, **sasl_clear),
            "sasl_failed",
            "does not take sasl_mechanism PLAIN",
        ),
        "no certificate": (
            _cluster(secured, bootstrap=secured.mutual, **_TLS),
            "tls_failed",
            "wants to see a certificate",
        ),
        "a stranger's certificate": (
            _cluster(secured, bootstrap=secured.mutual, **_TLS, **stranger),
            "tls_failed",
            "refuses the certificate",
        ),
    }


def test_each_mistake_is_one_error_that_names_it(secured: Secured) -> None:
    """Probe and publish say the same, at once, with what to change; neither says the password."""
    for name, (cluster, code, words) in _mistakes(secured).items():
        with open_source(os.devnull) as source:
            for ask in (
                lambda at=cluster: ping(at, 10),
                lambda at=cluster, lines=source: publish(lines, at, "any", timeout_s=10),
            ):
                started = time.monotonic()
                with pytest.raises(BrokerError) as caught:
                    ask()
                assert time.monotonic() - started < 9, name  # it is an answer, not the time-out
                assert (caught.value.code, caught.value.exit_code) == (code, 5), name
                assert words in caught.value.message, name
                assert caught.value.hint, name
                assert WRONG not in caught.value.message + caught.value.hint


def test_scram_with_sha_256_is_let_in_too(secured: Secured) -> None:
    """And a user name may hold what SCRAM's messages are made of: the broker then knows no such user, and says so."""
    ping(_cluster(secured, sasl_mechanism=Mechanism.SCRAM_SHA_256), 10)
    with pytest.raises(BrokerError, match="refuses the user"):
        ping(_cluster(secured, sasl_username="a=b,c"), 10)


def test_a_refusal_tells_more_than_that_another_broker_is_dead(secured: Secured) -> None:
    """Of several brokers the one that answered is the one to speak of."""
    cluster = _cluster(secured, bootstrap=f"{secured.secure},127.0.0.1:1", sasl_password=Secret(WRONG))
    with pytest.raises(BrokerError) as caught:
        ping(cluster, 10)
    assert caught.value.code == "sasl_failed"


def test_the_host_name_need_not_fit_where_that_is_asked_for(secured: Secured) -> None:
    """`tls_check_hostname = false` leaves the signature to be checked."""
    other = secured.secure.replace("127.0.0.1", "localhost")
    ping(_cluster(secured, bootstrap=other, tls_check_hostname=False), 10)
    with pytest.raises(BrokerError):
        ping(_cluster(secured, bootstrap=other, tls_check_hostname=False, tls_ca_file=str(secured.other_authority)), 10)


def test_a_key_that_cannot_be_opened_is_the_users_error(secured: Secured) -> None:
    """Nobody is asked on the terminal for the password of a key."""
    mutual = {"bootstrap": secured.mutual, "tls_cert_file": str(secured.client), **_TLS}
    for password, words in ((None, "needs tls_key_password"), (Secret(WRONG), "does not open it")):
        with pytest.raises(UsageError, match=words):
            ping(_cluster(secured, **mutual, tls_key_password=password), 10)


def test_a_token_that_ends_is_got_anew(secured: Secured, tmp_path: Path) -> None:
    """The broker ends a session with its token: the probe comes back with another, from file and from command."""
    file = tmp_path / "token"
    file.write_text(unsecured_token(0.5))
    oauth = {"sasl_mechanism": Mechanism.OAUTHBEARER, "sasl_username": None, "sasl_password": None}
    topic = secured.broker.topic(1)
    with TopicIdProbe(_cluster(secured, **oauth, sasl_token_file=str(file)), topic) as probe:
        first = probe.topic_id()
        file.write_text(unsecured_token(60))
        time.sleep(2)  # longer than the session
        assert probe.topic_id() == first
    file.write_text("not.a.token")
    with pytest.raises(BrokerError, match="refuses the token") as caught:
        ping(_cluster(secured, **oauth, sasl_token_file=str(file)), 10)
    assert "not.a.token" not in caught.value.message


@pytest.mark.slow
def test_a_worker_that_is_not_let_in_says_so_and_ends(secured: Secured, tmp_path: Path) -> None:
    """One line and a hint, exit code 5; the password is neither there nor in the arguments of the process."""
    ledger = tmp_path / "audit"
    topic = secured.broker.topic(2)
    assert _ledger("init", "--ledger", ledger, "--shards", 2, "--topic", topic).returncode == 0
    right = _sasl(secured, "SCRAM-SHA-512")
    clear = {"bootstrap": secured.secure}
    cases = (
        (right, "refuses the user"),
        (right | {"tls_ca_file": str(secured.other_authority)}, "nobody that is trusted"),
        (right | {"bootstrap": secured.expired}, "has expired"),
        (right | {"bootstrap": secured.broker.bootstrap}, "does not speak TLS"),
        (clear, "speaks TLS"),
    )
    for number, (settings, words) in enumerate(cases):
        file = _write(tmp_path / f"{number}.toml", settings, ledger=str(ledger))
        secret = {} if settings is clear else {"LEDGER_SASL_PASSWORD": WRONG}
        done = _ledger("worker", "--config", file, "--log-format", "text", "--log-level", "error", **secret)
        assert done.returncode == 5, done.stderr
        error, hint = done.stderr.strip().split("\n")
        assert error.startswith("error: ")
        assert words in error
        assert hint.startswith("hint: ")
        assert WRONG not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_workers_password_is_not_in_its_arguments(secured: Secured, tmp_path: Path) -> None:
    """What `ps` shows of a worker that is in has no secret in it."""
    ledger = tmp_path / "audit"
    assert _ledger("init", "--ledger", ledger, "--topic", secured.broker.topic(4)).returncode == 0
    file = _write(tmp_path / "ledger.toml", _sasl(secured, "SCRAM-SHA-512"), ledger=str(ledger))
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "worker", "--config", file, "--log-format", "text", "--log-level", "error"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"LEDGER_SASL_PASSWORD": PASSWORD},
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        arguments = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
        assert "consumers" in arguments
        assert not any(PASSWORD in argument for argument in arguments)
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("password", [PASSWORD, WRONG])
def test_a_server_sends_to_a_secured_cluster_or_says_why_not(password: str, secured: Secured, tmp_path: Path) -> None:
    """With the same settings as everything else; who is not let in is told so before anything is sent."""
    topic = secured.broker.topic(1)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
    cluster = Cluster(
        bootstrap=secured.secure,
        security_protocol=Protocol.SASL_SSL,
        sasl_mechanism=Mechanism.SCRAM_SHA_512,
        sasl_username=USER,
        sasl_password=Secret(password),
        tls_ca_file=str(secured.authority),
    )
    with open_sender(ledger.store, read_ledger_file(ledger.store), cluster) as sender:
        if password == PASSWORD:
            places = [asyncio.run(sender.send(rig.event(name, code=rig.code(1)), "acme")) for name in ("a", "b")]
            assert places == [Place(0, 0), Place(0, 1)]
            return
        with pytest.raises(BrokerError) as caught:
            asyncio.run(sender.send(rig.event("a", code=rig.code(1)), "acme"))
        assert caught.value.code == "sasl_failed"
        assert WRONG not in caught.value.message + caught.value.hint
