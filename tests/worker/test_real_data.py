"""The real data through a real broker and a real worker."""

import os
from pathlib import Path

import pytest

from tests.kafka.brokers import Broker
from tests.worker.rig import Ledger, check_log, keyed, outcomes, real_events, send

AGAIN = None if os.environ.get("LEDGER_LONG") else 6000
"""How many of the events are sent twice; None: all."""
COUNTS = {"changed": 178, "deleted": 256, "deployed": 15_078, "unchanged": 1}


@pytest.mark.timeout(240)
def test_every_event_becomes_one_entry_and_once_more_a_duplicate(tmp_path: Path, quick: Broker) -> None:
    """The real data gives its known outcomes; sent twice it gives as many duplicates and nothing else; a twin gets the same bytes."""
    topic = quick.topic(4)
    ledger = Ledger.create(tmp_path / "ledger", topic)
    messages = keyed(real_events())
    send(quick, topic, messages)
    ledger.run(quick)
    assert outcomes(check_log(ledger, len(messages))) == COUNTS
    once = ledger.lines()
    registered = sorted(path.name for path in (ledger.root / "accounts").iterdir())

    again = messages[:AGAIN]
    send(quick, topic, again)
    ledger.run(quick)
    entries = check_log(ledger, len(messages) + len(again))
    assert outcomes(entries) == COUNTS | {"duplicate": len(again)}
    for shard, lines in ledger.lines().items():
        size = len(once[shard])
        assert lines[:size] == once[shard]
        assert [entry["first_index"] for entry in entries[shard][size:]] == list(range(len(entries[shard]) - size))
    assert sorted(path.name for path in (ledger.root / "accounts").iterdir()) == registered

    twin = ledger.twin(tmp_path / "twin")
    twin.run(quick, "--batch-records", "333", "--batch-bytes", "100000")
    assert twin.lines() == ledger.lines()
    assert not (ledger.root / "quarantine").exists()
