"""docs/FORMAT.md against the code: its log is folded again, byte for byte, from what stands in the document."""

import json
from base64 import b64decode
from datetime import datetime
from typing import Any

from ledger.log.ledgerfile import LedgerFile, read_ledger_file
from ledger.log.records import Record
from ledger.log.segments import parse_segment
from ledger.log.writer import open_writer
from ledger.model import ids
from ledger.model.decoding import decode
from ledger.model.entries import decode_entry
from ledger.model.events import Event
from ledger.model.fold import KINDS
from ledger.model.reasons import CODES
from ledger.proof.checkpoints import open_checkpoint
from ledger.proof.merkle import Frontier, leaf_hash
from ledger.proof.notes import Verifier
from ledger.storage import layout
from ledger.storage.keys import KeyStore, PeopleReader
from ledger.storage.memory import MemoryStore
from tests.docs.reading import cells, codes_in, column, fences, section

_DOCUMENT = "docs/FORMAT.md"
_SHARD = 3


def _compact(text: str) -> bytes:
    """JSON that was wrapped to be read, as it really is."""
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False).encode()


def _entries() -> list[bytes]:
    return [_compact(fence.text) for fence in fences(_DOCUMENT, "json entry")]


def _note() -> bytes:
    return (fences(_DOCUMENT, "text checkpoint")[0].text + "\n").encode()


def _key_store() -> MemoryStore:
    store = MemoryStore()
    for fence in fences(_DOCUMENT, "json key"):
        store.put(fence.info.split()[2], _compact(fence.text))
    return store


def _ledger() -> tuple[MemoryStore, LedgerFile]:
    store = MemoryStore()
    store.put(layout.LEDGER_FILE, _compact(fences(_DOCUMENT, "json ledger")[0].text))
    return store, read_ledger_file(store)


def _milliseconds(entry: dict[str, Any]) -> int:
    return round(datetime.fromisoformat(entry["recorded_at"]).timestamp() * 1000)


def _value(entry: dict[str, Any], entries: list[dict[str, Any]], people: PeopleReader) -> bytes:
    """The raw record of an entry: its event with the actor unsealed, or what quarantine kept."""
    if entry["outcome"] == "rejected":
        return b64decode(json.loads(fences(_DOCUMENT, "json quarantine")[0].text)["value"])
    if entry["outcome"] == "duplicate":
        return _value(entries[entry["first_index"]], entries, people)
    event = json.loads(json.dumps(entry["event"]))
    actor = event["data"]["actor"]
    identity = people.identity(entry["account"], actor["pseudonym"], actor["sealed"])
    assert identity is not None
    event["data"]["actor"] = json.loads(identity)
    return _compact(json.dumps(event))


def test_the_log_in_the_document_is_what_the_writer_makes_of_its_records() -> None:
    """Records restored from entries, quarantine and keys fold to the same entries and the same checkpoint."""
    lines = _entries()
    entries = [json.loads(line) for line in lines]
    key_store = _key_store()
    people = PeopleReader(key_store)
    records = [
        Record(entry["origin"]["offset"], _milliseconds(entry), b"acme", _value(entry, entries, people))
        for entry in entries
    ]
    store, file = _ledger()
    writer = open_writer(store, file, KeyStore.open(key_store, file.name), _SHARD, entries[0]["origin"]["topic_id"])
    draft = writer.fold(records)
    assert draft is not None
    writer.commit(draft)
    segment = parse_segment(store.get(layout.segment(_SHARD, 0)), "the document's log")
    assert segment.lines == lines
    assert segment.note == _note()


def test_the_first_record_is_the_event_that_the_document_begins_with() -> None:
    """Section 1's event decodes, and is the record behind the first entry."""
    event = _compact(fences(_DOCUMENT, "json event")[0].text)
    assert isinstance(decode(event), Event)
    first = json.loads(_entries()[0])
    assert _value(first, [first], PeopleReader(_key_store())) == event


def test_the_checkpoint_fits_the_entries_and_its_key() -> None:
    """The checkpoint is signed by the shard's key, which is the ledger's under the shard's name, for the entries' root."""
    frontier = Frontier()
    for line in _entries():
        frontier.append(leaf_hash(line))
    _, file = _ledger()
    verifier = Verifier.from_vkey(fences(_DOCUMENT, "text vkey")[0].text)
    assert verifier.vkey == file.verifier(_SHARD).vkey
    checkpoint = open_checkpoint(_note(), verifier)
    assert (checkpoint.size, checkpoint.root) == (frontier.size, frontier.root())


def test_the_ids_in_the_log_are_derived_from_its_events() -> None:
    """Versions and deployments have the ids that section 3 says."""
    for line in _entries():
        entry = decode_entry(line)
        names = (entry.account or "", entry.event.subject or "", entry.event.source or "", entry.event.id or "")
        assert entry.version is None or entry.version.id == ids.version_id(*names)
        assert entry.deployment is None or entry.deployment.id == ids.deployment_id(*names)


def test_the_registration_and_the_quarantined_record_are_what_the_writer_leaves() -> None:
    """The other objects shown are the bytes that folding the log makes."""
    line = _entries()[-1]
    store, file = _ledger()
    keys = KeyStore.open(_key_store(), file.name)
    registration = fences(_DOCUMENT, "json registration")[0].text
    first = _value(json.loads(_entries()[0]), [], PeopleReader(_key_store()))
    writer = open_writer(store, file, keys, _SHARD, "any")
    kept = json.loads(fences(_DOCUMENT, "json quarantine")[0].text)
    headers = [(name, None if value is None else b64decode(value)) for name, value in kept["headers"]]
    second = Record(kept["offset"], kept["timestamp"], b64decode(kept["key"]), b64decode(kept["value"]), headers)
    draft = writer.fold([Record(0, 0, b"acme", first), second])
    assert draft is not None
    writer.commit(draft)
    assert store.get(layout.account("acme")).decode() == registration + "\n"
    assert json.loads(store.get(layout.quarantine(_SHARD, 1))) == kept
    assert json.loads(line)["origin"]["offset"] == kept["offset"]


def test_every_reason_code_is_explained_once() -> None:
    """The table of reasons has every code, and no other, each with a path and a meaning."""
    rows = cells(section(_DOCUMENT, "Strictness"))
    assert sorted(row[0].strip("`") for row in rows) == sorted(CODES)
    assert all(codes_in(path)[0].startswith("$") and meaning for _, path, meaning in rows)


def test_every_outcome_is_explained() -> None:
    """Section 2 says what each outcome means."""
    assert set(KINDS) <= set(column(section(_DOCUMENT, "2. Entry")))


def test_the_members_of_an_entry_stand_in_the_documented_order() -> None:
    """Every member of the log's entries is in the table, in its order."""
    table = [name for cell in column(section(_DOCUMENT, "2. Entry")) for name in cell.split(", ")]
    for line in _entries():
        places = [table.index(name) for name in json.loads(line)]
        assert places == sorted(places)
