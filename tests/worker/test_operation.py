"""A worker seen from outside: what it counts is what is in the log, and what it says is one story from its start to its end."""

import socket
import time
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consumers.health import ready
from consumers.operation import Operation, ShardFacts
from ledger.errors import StoreConflictError, StoreError
from ledger.log.report import Extent
from ledger.logs import Log
from tests.worker.probing import OPERATED, Probe
from tests.worker.rig import Ledger, Worker, check_refusal, wait_until
from tests.worker.test_failures import NO_BROKER
from tests.worker.test_partition import Rig, records, run, settings


@pytest.mark.timeout(150)
def test_what_is_counted_is_what_is_in_the_log(seen: tuple[Ledger, Worker, Probe]) -> None:
    """Entries by partition and outcome, rejections by reason, sizes and offsets agree with the segments on disk."""
    ledger, _, probe = seen
    numbers = probe.numbers()
    entries = ledger.entries()
    for shard, of_shard in entries.items():
        place = str(shard)
        for outcome in ("deployed", "changed", "duplicate", "rejected", "noted"):
            expected = sum(entry["outcome"] == outcome for entry in of_shard)
            assert numbers["ledger_entries_total", (outcome, place)] == expected, (shard, outcome)
        assert numbers["ledger_checkpoint_size", (place,)] == len(of_shard)
        assert numbers["ledger_next_offset", (place,)] == len(of_shard)
        assert numbers["ledger_entry_bytes_total", (place,)] == sum(map(len, ledger.lines()[shard]))
        written = sum(path.stat().st_size for path in (ledger.root / "log" / f"{shard:04d}").iterdir())
        assert numbers["ledger_segment_bytes_total", (place,)] == written
        assert numbers["ledger_state_accounts", (place,)] == len({entry["account"] for entry in of_shard} - {None})
        assert numbers["ledger_state_bytes", (place,)] > 0
    reasons = [entry["reason"]["code"] for entry in ledger.all_entries() if "reason" in entry]
    assert len(reasons) == 2
    for reason in set(reasons):
        assert numbers["ledger_rejected_total", (reason,)] == reasons.count(reason)
    assert numbers["ledger_batch_records_sum", ()] == OPERATED
    assert numbers["ledger_step_seconds_count", ("segment",)] == ledger.segments()
    assert numbers["ledger_assigned_partitions", ()] == 2
    assert numbers["ledger_startup_seconds", ()] > 0


@pytest.mark.timeout(150)
def test_a_worker_with_everything_is_not_behind(seen: tuple[Ledger, Worker, Probe]) -> None:
    """Lag is never negative, whatever the broker says: the embedded one's end offsets come late."""
    _, _, probe = seen
    wait_until(lambda: ("ledger_end_offset", ("0",)) in probe.numbers(), 30)
    numbers = probe.numbers()
    for place in ("0", "1"):
        assert numbers["ledger_lag_records", (place,)] == 0
        assert numbers["ledger_lag_seconds", (place,)] == 0


@pytest.mark.timeout(150)
def test_probes_answer_json(seen: tuple[Ledger, Worker, Probe]) -> None:
    """Both say 200 with the partitions; anything else is not there."""
    _, _, probe = seen
    for path in ("/healthz", "/readyz?verbose"):
        status, body = probe.json(path)
        assert (status, body["status"], body["reasons"], body["partitions"]) == (200, "ok", [], [0, 1])
    assert probe.get("/")[0] == 404


def test_a_port_that_cannot_be_had_is_said(tmp_path: Path) -> None:
    """A port in use, one beyond 65535 and an address of another machine end the worker before it joins the group."""
    ledger = Ledger.create(tmp_path / "ledger", "topic")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for host, wanted in (("127.0.0.1", port), ("127.0.0.1", "70000"), ("192.0.2.1", "0")):
            options = ["--metrics-host", host, "--metrics-port", wanted]
            with Worker(ledger.root, NO_BROKER, "group", options) as worker:
                check_refusal(worker, 5, "cannot listen at", "--metrics-port")


def lines(seen: StringIO) -> list[dict[str, Any]]:
    """What was logged as JSON."""
    return [msgspec.json.decode(line) for line in seen.getvalue().splitlines()]


@pytest.mark.timeout(60)
def test_lost_races_and_failures_of_the_store_are_told(tmp_path: Path) -> None:
    """Each with its partition and code; then that it works again."""
    said = StringIO()

    async def story() -> None:
        rig = Rig(tmp_path / "ledger")
        rig.tools.seen = Operation(Log("json", stream=said))
        rig.refusals = [StoreConflictError("object_exists", "there"), StoreError("no_space", "full")]
        await rig.partition.offer(rig.fetched(records(5)))
        await rig.partition.finish()
        await rig.partition.run()

    run(story)
    told = [(line["event"], line["level"], line.get("code"), line.get("partition")) for line in lines(said)]
    assert told == [
        ("conflict_lost", "warning", "object_exists", 0),
        ("retry", "warning", "no_space", 0),
        ("first_commit", "info", None, 0),
        ("recovered", "info", None, 0),
    ]


def test_a_worker_is_ready_once_it_has_started_and_the_broker_answers(tmp_path: Path) -> None:
    """Starting, loading, out of touch and stopping are each a reason not to be."""
    seen, its = Operation(), settings(tmp_path)
    assert ready(seen, its).reasons == ["the worker is starting"]
    seen.is_ready = True
    seen.settled()
    assert ready(seen, its).is_ok  # standing by counts
    seen.broker_answered -= 31
    assert "no broker" in ready(seen, its).reasons[0]
    seen.broker_answered = time.monotonic()
    reasons = seen.steps.run("load", 2, lambda: ready(seen, its).reasons)
    assert reasons == ["loading partition 2 for 0 s"]
    seen.stopping("told to")
    assert ready(seen, its).reasons == ["the worker is stopping"]


def test_lag_counts_from_what_waited() -> None:
    """A record that comes after an hour of nothing has not waited for an hour."""
    facts = ShardFacts(10, 10, "2020-01-01T00:00:00Z", lambda: Extent(accounts=0, scripts=0, approximate_bytes=0))
    assert (facts.lag_records, facts.lag_s) == (None, None)
    facts.reaches(12)
    assert facts.lag_records == 2
    assert facts.lag_s is not None
    assert facts.lag_s > 86_400
    facts.reaches(9)
    assert (facts.lag_records, facts.lag_s) == (0, 0.0)
    facts.reaches(11)
    assert facts.lag_s is not None
    assert facts.lag_s < 60


@pytest.mark.parametrize("output", ["text", "json"])
def test_errors_are_said_at_every_level(output: str) -> None:
    """`ready`, the end and errors are what others wait for; a stream that is gone stops nobody."""
    said = StringIO()
    log = Log(output, "error", said)
    log.tell("started", "it started")
    log.caution("retry", "again")
    log.ready()
    log.failed(StoreError("full", "no Platz für Ä", "make room"))
    if output == "text":
        assert said.getvalue() == "ready\nerror: no Platz für Ä\nhint: make room\n"
    else:
        first, last = lines(said)
        assert first["event"] == "ready"
        assert (last["code"], last["message"], last["hint"], last["exit_code"]) == (
            "full",
            "no Platz für Ä",
            "make room",
            5,
        )
    said.close()
    log.ready()
