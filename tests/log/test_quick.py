"""The quick way for changes of code, held against the general one: the same entries, byte for byte."""

import msgspec
import pytest

from bench.load import Load
from ledger.log import batch
from ledger.log.records import Record
from ledger.model.binary import STRUCTURED
from ledger.model.quick import CodeChange, read_code_change
from ledger.storage.memory import MemoryStore
from tests.log.rig import Log

HEADERS = (("content-type", STRUCTURED.encode()),)


def test_both_ways_lead_to_the_same_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the real data, twice (so that each event comes as a duplicate too), and with garbage between."""
    sent = list(Load().events(4000))
    values = [(event.key, value) for event in sent for value in _bent(event.value, len(event.value))]
    records = [
        Record(offset, 1_700_000_000_000 + offset, key, value, HEADERS)
        for offset, (key, value) in enumerate(values + values[:1000])
    ]
    assert sum(read_code_change(value, HEADERS) is not None for _, value in values) > len(sent) // 2
    log = Log(MemoryStore(), MemoryStore())
    quick = log.twin(records, 300).lines()
    monkeypatch.setattr(batch, "read_code_change", lambda _value, _headers: None)
    assert log.twin(records, 300).lines() == quick


def _bent(value: bytes, number: int) -> list[bytes]:
    """An event, and now and then one that is like it and wrong, or said otherwise, besides."""
    if number % 7 == 0:
        return [value, value.replace(b'"sha256":"', b'"sha256":"G', 1)]
    if number % 7 == 1:
        return [value.replace(b'","', b'", "', 1)]
    if number % 7 == 2:
        return [value.replace(b'"time":"2', b'"time":"3', 1)]
    return [value]


REPLACED: dict[str, tuple[bytes, bytes]] = {
    "another CloudEvents": (b'"1.0"', b'"1.1"'),
    "a note": (b"ledger.change.v1", b"ledger.note.v1"),
    "white space": (b":", b": "),
    "main is no module": (b'"main":"index.js"', b'"main":"other.js"'),
    "a merge": (b'"replace"', b'"merge"'),
    "an upper-case digest": (b'"sha256":"0', b'"sha256":"A'),
    "a long digest": (b'"sha256":"', b'"sha256":"0'),
    "a digest of other digits": (b'"sha256":"0', '"sha256":"\u0660'.encode()),
    "an unknown member": (b'"tag"', b'"tog"'),
    "not activated": (b'"code"', b'"activate":false,"code"'),
    "no time": (b"2022", b"2o22"),
    "cut off": (b"}}}}}}", b"}}}}}"),
    "too much": (b"}}}}}}", b"}}}}}}}"),
    "not JSON": (b"application/json", b"application/xml"),
    "no account's name": (b'"acme"', b'"-acme"'),
    "an unknown actor": (b'"user"', b'"robot"'),
    "too large": (b"index.js", b"i" * (1 << 20)),
}


@pytest.mark.parametrize("what", REPLACED)
def test_what_is_not_quite_such_a_change_is_left_to_the_general_way(what: str) -> None:
    """One thing is different each time, and the quick way does not read it."""
    text = _sent()
    assert isinstance(read_code_change(text, HEADERS), CodeChange)
    bent = text.replace(*REPLACED[what])
    assert bent != text
    assert read_code_change(bent, HEADERS) is None


@pytest.mark.parametrize("headers", [(("content-type", b"application/json"),), (("ce_id", b"1"),)])
def test_only_the_plain_structured_mode_is_read(headers: tuple[tuple[str, bytes], ...]) -> None:
    """Other headers may make another event of the same value."""
    assert read_code_change(_sent(), headers) is None
    assert read_code_change(_sent(), ()) is not None


def _sent() -> bytes:
    """A change of code as producers write it."""
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "type": "ledger.change.v1",
            "source": "ci",
            "id": "e1",
            "subject": "checkout",
            "time": "2022-11-28T09:15:02Z",
            "accountid": "acme",
            "datacontenttype": "application/json",
            "data": {
                "actor": {"type": "user", "id": "u_17"},
                "interface": "wrangler",
                "tag": "v1",
                "code": {
                    "replace": {
                        "main": "index.js",
                        "modules": {"index.js": {"type": "esm", "size": 1, "sha256": "0" * 64}},
                    }
                },
            },
        }
    )
