"""`ledger accept-gap`: what it refuses, what it writes, and where the loss is said afterwards."""

import json
import stat
from pathlib import Path

import pytest

from ledger.log.ledgerfile import accept_topic
from ledger.storage import layout
from ledger.storage.local import LocalStore
from tests.cli.conftest import Run
from tests.kafka.brokers import Broker
from tests.log.rig import TOPIC_ID, Log, append, story

RECORDS = story(60)
UUID = "1f0c0a52-6b1e-4d8f-9d58-2a6c1f6f0d11"
OTHER = "6b1f0c7e-2a44-4d5b-9f0a-7d6f5f3c1e20"


class Place(Log):
    """A ledger in a directory, of a topic with a real id; its log ends at offset 19 of partition 0."""

    def __init__(self, root: Path, *, shards: int = 2) -> None:
        super().__init__(LocalStore(root), LocalStore(root / "keys"), shards=shards)
        self.root = root
        self.store.delete(layout.topic(TOPIC_ID))
        accept_topic(self.store, "topic", UUID)

    def go_on(self, start: int, end: int) -> None:
        """Append the records with these offsets."""
        append(self.open(topic_id=UUID), RECORDS[start:end])

    def gaps(self) -> list[str]:
        """What was accepted."""
        return list(self.store.list(layout.GAPS))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Where `--ledger` points to."""
    monkeypatch.setenv("LEDGER_DIR", str(tmp_path / "ledger"))
    monkeypatch.setenv("LOGNAME", "who-runs-it")
    made = Place(tmp_path / "ledger")
    made.go_on(0, 20)
    return made


def accept(run: Run, *more: str, partition: int = 0, start: int = 20, to: int = 29) -> tuple[int, str, str]:
    """Run the command."""
    return run("accept-gap", "--partition", str(partition), "--from", str(start), "--to", str(to), *more)


def test_a_gap_is_accepted_and_then_said_everywhere(run: Run, place: Place) -> None:
    """By status, verify, show and a receipt's check, in text and JSON."""
    code, out, err = accept(run, "--reason", "disk full")
    assert (code, out) == (0, "")
    assert "lost: 10 records of partition 0 of topic, offsets 20 to 29" in err
    assert "accepted by who-runs-it" in err
    code, out, err = run("verify", "--no-remember")
    assert (code, "lost records" in out) == (0, False)
    assert f"note: {place.gaps()[0]}" in err  # no record came yet
    place.go_on(30, 60)
    sentence = "10 records of partition 0, offsets 20 to 29, were lost; accepted by who-runs-it"
    assert f"{sentence} (disk full); entry 0/20 comes after them" in run("verify", "--replay", "--no-remember")[1]
    report = json.loads(run("verify", "--no-remember", "--json")[1])
    assert report["ok"]
    assert [lost["message"] for lost in report["lost"]] == [sentence]
    assert "offsets 20 to 29 of partition 0, accepted by who-runs-it" in run("status")[1]
    assert json.loads(run("status", "--json")[1])["lost"] == [
        {"partition": 0, "first_offset": 20, "last_offset": 29, "accepted_by": "who-runs-it", "entry": "0/20"}
    ]
    gap = {"from": 20, "to": 29, "accepted_by": "who-runs-it"}
    assert json.loads(run("show", "0/20", "--json")[1])["entry"]["origin"]["gap"] == gap
    receipt = place.root.parent / "receipt"
    assert run("prove", "0/20", "-o", str(receipt))[0] == 0
    proofs = [path for path in receipt.parent.rglob("*") if path.is_file() and "receipt" in path.name]
    vkey = run("key")[1].strip()
    assert any(
        "offsets 20 to 29 of partition 0 were lost" in run("check", str(path), "--vkey", vkey)[1] for path in proofs
    )


def test_a_dry_run_says_all_and_accepts_nothing(run: Run, place: Place) -> None:
    """And refuses what would be refused."""
    code, out, err = accept(run, "--dry-run")
    assert (code, out) == (0, "")
    assert "lost: 10 records" in err
    assert "20 entries, the last recorded at" in err
    assert "nothing was accepted" in err
    assert place.gaps() == []
    assert accept(run, "--dry-run", start=21)[0] == 2


def test_accepting_twice_is_no_error_and_differing_is(run: Run, place: Place) -> None:
    """What was accepted stays."""
    assert accept(run, "--by", "ana")[0] == 0
    before = place.store.get(place.gaps()[0])
    code, _, err = accept(run, "--by", "ana")
    assert (code, "nothing was written" in err) == (0, True)
    for more in (("--by", "ben"), ("--by", "ana", "--reason", "because")):
        code, _, err = accept(run, *more)
        assert (code, "was accepted by ana already" in err) == (2, True)
    assert accept(run, "--by", "ana", to=31)[0] == 2
    assert place.store.get(place.gaps()[0]) == before
    assert accept(run, "--by", "ben", start=30, to=31)[0] == 0  # what follows it is another one
    assert len(place.gaps()) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"start": 19}, "the ledger's next offset is 20"),
        ({"start": 21}, "the ledger's next offset is 20"),
        ({"to": 19}, "offsets 20 to 19"),
        ({"start": -1}, "offsets -1 to 29"),
        ({"to": 1 << 63}, "offsets 20 to 9223372036854775808"),
        ({"partition": 2}, "2 shards"),
        ({"partition": -1}, "2 shards"),
        ({"partition": 1}, "the ledger's next offset is 0"),
    ],
)
def test_nonsense_is_refused(run: Run, place: Place, options: dict[str, int], said: str) -> None:
    """A gap that does not begin where the log goes on, or cannot be; nothing is written."""
    code, out, err = accept(run, **options)
    assert (code, out) == (2, "")
    assert said in err
    assert "hint: " in err
    assert place.gaps() == []


@pytest.mark.parametrize(
    "more", [("--by", ""), ("--by", "a\nb"), ("--by", "x" * 101), ("--reason", " "), ("--by", "\udcff")]
)
def test_who_and_why_are_one_line_each(run: Run, place: Place, more: tuple[str, str]) -> None:
    """They are shown in tables and stand in the log for good."""
    assert accept(run, *more)[0] == 2
    assert place.gaps() == []


def test_what_people_are_called_stays_as_it_is(run: Run, place: Place) -> None:
    """Whatever their script, and quotes too."""
    name = 'Zoë "Z" 李\\'
    assert accept(run, "--by", name)[0] == 0
    place.go_on(30, 40)
    report = json.loads(run("verify", "--no-remember", "--replay", "--json")[1])
    assert report["problems"] == []
    assert report["lost"][0]["accepted_by"] == name


@pytest.mark.parametrize("topic_id", [OTHER, "changes", ""])
def test_a_topic_that_is_not_accepted_has_no_gaps(run: Run, place: Place, topic_id: str) -> None:
    """Its records are no loss of this ledger's."""
    code, _, err = accept(run, "--topic-id", topic_id)
    assert code == 2
    assert "topic id" in err or "does not accept" in err
    assert place.gaps() == []


def test_of_several_topics_one_has_to_be_named(run: Run, place: Place) -> None:
    """A new one's gaps begin at 0, whatever the old one's log ended at; the old one has none once the log has left it."""
    assert run("accept-topic", OTHER)[0] == 0
    assert "2 topic ids" in accept(run)[2]
    assert accept(run, "--topic-id", OTHER)[0] == 2
    assert accept(run, "--topic-id", OTHER, start=0)[0] == 0
    append(place.open(topic_id=OTHER), RECORDS[30:40])
    code, _, err = accept(run, "--topic-id", UUID)
    assert (code, "gone on to the topic" in err) == (2, True)
    report = json.loads(run("verify", "--no-remember", "--replay", "--json")[1])
    assert report["problems"] == []
    assert [(lost["topic_id"], lost["first_offset"], lost["last_offset"]) for lost in report["lost"]] == [
        (OTHER, 0, 29)
    ]


def test_an_empty_shard_may_have_lost_its_first_records(run: Run, place: Place) -> None:
    """Everything expired before a worker came for the first time."""
    assert accept(run, partition=1, start=0, to=9)[0] == 0
    append(place.open(topic_id=UUID, shard=1), RECORDS[10:20])
    assert json.loads(run("verify", "--no-remember", "--json")[1])["lost"][0]["shard"] == 1


def test_a_ledger_that_never_met_its_topic_has_lost_nothing(run: Run, tmp_path: Path) -> None:
    """And one that does not exist is not found."""
    assert run("init", "--ledger", str(tmp_path / "new"))[0] == 0
    code, _, err = accept(run, "--ledger", str(tmp_path / "new"), start=0)
    assert (code, "has not met its topic" in err) == (2, True)
    assert accept(run, "--ledger", str(tmp_path / "none"))[0] == 4


def test_a_broker_that_is_asked_has_its_say(run: Run, tmp_path: Path, tansu: Broker, kafka: Broker) -> None:
    """What it still has is not lost, another topic's gap is none of this one's; without an answer nothing is accepted."""
    for broker in (tansu, kafka):
        topic, root = broker.topic(1), tmp_path / broker.name
        assert (
            run("init", "--ledger", str(root), "--topic", topic, "--shards", "1", "--bootstrap", broker.bootstrap)[0]
            == 0
        )
        place = ("--ledger", str(root), "--bootstrap")
        code, _, err = accept(run, *place, broker.bootstrap, start=0, to=0)
        assert (code, "nothing is lost" in err) == (2, True), err
        assert accept(run, *place, "127.0.0.1:1", start=0, to=0)[0] == 5
        accept_topic(LocalStore(root), topic, OTHER)
        assert "the broker's topic has the id" in accept(run, *place, broker.bootstrap, "--topic-id", OTHER, start=0)[2]
        assert not (root / "gaps").exists()


def test_a_damaged_log_is_exit_3(run: Run, place: Place) -> None:
    """Where it ends cannot be told, and so nothing is accepted."""
    last = max((place.root / "log" / "0000").iterdir())
    last.chmod(last.stat().st_mode | stat.S_IWUSR)
    last.write_bytes(last.read_bytes()[:-5])
    assert accept(run)[0] == 3
    assert place.gaps() == []
