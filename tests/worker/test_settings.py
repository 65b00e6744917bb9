"""What a worker process makes of arguments, environment and file."""

from pathlib import Path

import pytest

from consumers.__main__ import _settings, main
from consumers.credentials import faust_credentials
from ledger.broker.cluster import Cluster, Mechanism, Protocol, Secret

ARGUMENTS = ["--ledger", "a", "--keys", "k", "--bootstrap", "h:1", "--group", "g"]


def test_each_setting_can_come_from_argument_environment_or_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this order of precedence; what is said nowhere is the default."""
    file = tmp_path / "ledger.toml"
    file.write_text("[worker]\nretries = 1\nqueued_fetches = 1\nbatch_records = 1\ncache = 'snapshots'\n")
    monkeypatch.setenv("LEDGER_QUEUED_FETCHES", "2")
    monkeypatch.setenv("LEDGER_BATCH_RECORDS", "2")
    settings = _settings([*ARGUMENTS, "--config", str(file), "--batch-records", "3", "--set", "topic_check_s=4"])
    assert (settings.retries, settings.queued_fetches, settings.batch_records) == (1, 2, 3)
    assert (settings.topic_check_s, settings.commit_interval_s) == (4.0, 1.0)
    assert settings.cache == tmp_path / "snapshots"
    assert settings.cluster == Cluster(bootstrap="h:1")


@pytest.mark.parametrize(("ledger", "cache"), [("a", Path("a/cache")), ("s3://b/a", None)])
def test_snapshots_lie_in_a_local_ledger(ledger: str, cache: Path | None) -> None:
    """An object store has none, unless it is told where."""
    assert _settings(["--ledger", ledger, *ARGUMENTS[2:]]).cache == cache


def test_an_embedded_broker_has_neither_tls_nor_sasl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says of another."""
    monkeypatch.setenv("LEDGER_SECURITY_PROTOCOL", "SSL")
    assert _settings([*ARGUMENTS]).cluster.security_protocol is Protocol.SSL
    assert _settings([*ARGUMENTS, "--embedded"]).cluster.security_protocol is Protocol.PLAINTEXT


def test_heartbeats_come_more_often_than_the_session_ends(capsys: pytest.CaptureFixture[str]) -> None:
    """Else the group would give the partitions of a worker that is well to others, again and again."""
    assert main([*ARGUMENTS, "--session-timeout", "2"]) == 2
    assert "heartbeat_s (2) must be less than session_timeout_s (2)" in capsys.readouterr().err


def test_faust_is_told_what_the_cluster_wants() -> None:
    """Its credentials carry protocol and mechanism, and print no password."""
    assert faust_credentials(Cluster(bootstrap="h:1")) is None
    tls = faust_credentials(Cluster(bootstrap="h:1", security_protocol=Protocol.SSL))
    assert tls is not None
    assert tls.protocol.value == "SSL"
    for protocol in (Protocol.SASL_SSL, Protocol.SASL_PLAINTEXT):
        for mechanism in Mechanism:
            found = faust_credentials(
                Cluster(
                    bootstrap="h:1",
                    security_protocol=protocol,
                    sasl_mechanism=mechanism,
                    sasl_username="u",
                    sasl_password=Secret("hunter2"),
                    sasl_token_file="t",
                )
            )
            assert found is not None
            assert (found.protocol.value, found.mechanism.value) == (protocol.value, mechanism.value)
            assert "hunter2" not in repr(found)
