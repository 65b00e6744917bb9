"""Garbage in a good stream: one rejected entry each, the good ones untouched, and no secret on disk."""

import base64
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.kafka.brokers import Broker
from tests.worker.rig import Ledger, Message, check_log, keyed, real_events, send

START_MS = 1_800_000_000_000
SECRET = "hunter2-Zk3f8Qp1"
ACCOUNT = "denoland"
Garbage = tuple[str, str | None, Message]
"""What it is, the reason code it must get (None: any), and the record."""


def event(**members: Any) -> dict[str, Any]:
    """A good event, with members changed or added; None takes one away."""
    whole = {
        "specversion": "1.0",
        "type": "ledger.change.v1",
        "source": "garbage",
        "id": "g",
        "subject": "worker",
        "time": "2019-10-22T05:53:24Z",
        "accountid": ACCOUNT,
        "data": {"actor": {"type": "user", "id": "u_1"}, "interface": "api", "settings": {"merge": {"logpush": True}}},
    } | members
    return {name: value for name, value in whole.items() if value is not None}


def data(**members: Any) -> bytes:
    """A good event's bytes, with members of `data` changed or added."""
    return text(event(data={"interface": "api", **members}))


def text(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def record(value: bytes | None, key: bytes | None = ACCOUNT.encode(), **more: Any) -> Message:
    """A record with the right key."""
    return Message(value=value, key=key, **more)


def garbage() -> Iterator[Garbage]:
    """Every way to be wrong that comes to mind, without a secret in it."""
    noise = random.Random(7)
    yield "random bytes", "not_utf8", record(b"\xff" + noise.randbytes(900))
    yield "empty", "malformed_json", record(b"")
    yield "no value", "malformed_json", record(None)
    yield "no key", "key_mismatch", record(data(), key=None)
    yield "wrong key", "key_mismatch", record(data(), key=b"somebody-else")
    yield "key with a zero byte", "key_mismatch", record(data(), key=ACCOUNT.encode() + b"\0")
    yield "truncated", "malformed_json", record(text(event())[:-40])
    yield "five megabytes", "too_large", record(data(message="x" * 5_000_000))
    yield "five megabytes of noise", "too_large", record(noise.randbytes(5_000_000))
    yield "very deep", "malformed_json", record(b"[" * 200_000)
    yield "too deep", "malformed_json", record(data(settings={"merge": {"a": json.loads("[" * 70 + "]" * 70)}}))
    yield "repeated member", "duplicate_member", record(text(event())[:-1] + b',"id":"h"}')
    yield (
        "repeated member inside",
        "duplicate_member",
        record(text(event()).replace(b'"logpush":true', b'"logpush":true,"logpush":false')),
    )
    yield "escaped repeated member", "duplicate_member", record(text(event())[:-1] + b',"\\u0069d":"h"}')
    yield "unknown member", "unknown_member", record(data(surprise=1))
    yield "missing member", "missing_member", record(text(event(id=None)))
    yield "wrong type", "wrong_type", record(data(message=1))
    yield "bad time", "bad_time", record(text(event(time="2019-10-22 05:53:24")))
    yield "bad value", "bad_value", record(text(event(specversion="0.3")))
    yield "unsupported type", "unsupported_type", record(text(event(type="other")))
    yield "surrogate in UTF-8", "not_utf8", record(data(message="?").replace(b"?", b"\xed\xa0\x80"))
    yield "lone surrogate", "malformed_json", record(data(message="?").replace(b"?", b"\\ud800"))
    yield "lone surrogate in a name", "malformed_json", record(data(q="").replace(b'"q"', b'"\\ud800"'))
    yield "not a number", "malformed_json", record(data(settings={"merge": {"n": float("nan")}}))
    yield "beyond doubles", "bad_value", record(data(settings={"merge": {"n": 5}}).replace(b":5}", b":1e999}"))
    yield "byte order mark", "malformed_json", record(b"\xef\xbb\xbf" + text(event()))
    yield "UTF-16", "not_utf8", record(text(event()).decode().encode("utf-16"))
    yield "two events", "malformed_json", record(text(event()) * 2)
    yield "an array", "wrong_type", record(b"[]")
    yield "a null", "wrong_type", record(b"null")
    yield "control character", "malformed_json", record(data(message="?").replace(b"?", b"\x01"))
    yield (
        "no such script",
        "script_absent",
        record(text(event(subject="nobody", data={"interface": "api", "delete": True}))),
    )
    headers = (("ce_id", b"1"), ("ce_id", b"2"))
    yield "repeated header", "duplicate_member", record(b"{}", headers=headers)


def plaintext() -> Iterator[Garbage]:
    """A secret's value, in every place and disguise."""
    config = data(config={"merge": {"secrets": {"KEY": {"text": SECRET}}}})
    binding = data(bindings={"merge": {"KEY": {"type": "secret_text", "text": SECRET}}})
    late = data(bindings={"merge": {"KEY": {"text": SECRET, "type": "secret_text"}}})
    escaped = SECRET.encode().replace(b"h", b"\\u0068")
    yield "under secrets", "plaintext_secret", record(config)
    yield (
        "beside a MAC",
        "plaintext_secret",
        record(data(config={"merge": {"secrets": {"KEY": {"mac": "a" * 64, "text": SECRET}}}})),
    )
    yield "instead of an object", "plaintext_secret", record(data(config={"merge": {"secrets": {"KEY": SECRET}}}))
    yield "as the secrets themselves", None, record(data(config={"merge": {"secrets": SECRET}}))
    yield "in a list of secrets", None, record(data(config={"replace": {"secrets": [{"name": "KEY", "text": SECRET}]}}))
    yield "as the MAC", None, record(data(config={"merge": {"secrets": {"KEY": {"mac": SECRET}}}}))
    yield "binding", "plaintext_secret", record(binding)
    yield "binding, type last", "plaintext_secret", record(late)
    yield "key binding", "plaintext_secret", record(binding.replace(b"secret_text", b"secret_key"))
    yield "escaped type", "plaintext_secret", record(binding.replace(b"secret_text", b"\\u0073ecret_text"))
    yield "escaped member", "plaintext_secret", record(config.replace(b'"secrets"', b'"s\\u0065crets"'))
    yield "escaped value", "plaintext_secret", record(config.replace(SECRET.encode(), escaped))
    yield "wrong key", "plaintext_secret", record(config, key=b"somebody-else")
    yield "no key", "plaintext_secret", record(config, key=None)
    yield "unknown member", "unknown_member", record(data(secret_value=SECRET))
    yield "unknown member, escaped", "unknown_member", record(data(q=SECRET).replace(b'"q"', b'"\\u0073ecret"'))
    yield "outside data", None, record(text(event(secrets={"KEY": SECRET})))
    yield "hidden by a repeated member", None, record(config.replace(b'"merge":{', b'"merge":{"secrets":{},'))
    yield "repeated data", None, record(config[:-1] + b',"data":{"interface":"api"}}')
    yield (
        "five megabytes",
        "too_large",
        record(data(message="x" * 5_000_000, config={"merge": {"secrets": {"K": SECRET}}})),
    )
    yield "not UTF-8", "not_utf8", record(config[:-1] + b"\xff}")
    yield "byte order mark", "malformed_json", record(b"\xef\xbb\xbf" + config)
    yield "too deep", "malformed_json", record(config[:-2] + b',"settings":' + b"[" * 70 + b"]" * 70 + b"}}")
    yield "UTF-16", "not_utf8", record(config.decode().encode("utf-16"))
    headers = tuple((f"ce_{name}", value.encode()) for name, value in event().items() if name != "data")
    in_data = text({"interface": "api", "config": {"merge": {"secrets": {"KEY": {"text": SECRET}}}}})
    yield "binary mode", "plaintext_secret", record(in_data, headers=headers)
    yield "binary mode, repeated header", "duplicate_member", record(in_data, headers=(*headers, ("ce_id", b"2")))
    yield "binary mode, encoded twice", "wrong_type", record(text(in_data.decode()), headers=headers)
    once = {"config": {"merge": {"secrets": {"KEY": {"text": SECRET}}}}}
    yield "data encoded twice", "wrong_type", record(text(event(data=text(once).decode())))
    yield "data encoded three times", "wrong_type", record(text(event(data=text(text(once).decode()).decode())))
    encoded = base64.b64encode(text(once)).decode()
    yield "data_base64", "unknown_member", record(text(event(data=None, data_base64=encoded)))
    yield "data in base64", "wrong_type", record(text(event(data=encoded)))
    yield "config encoded twice", "wrong_type", record(data(config=text(once["config"]).decode()))
    late_binding = {"KEY": {"type": "secret_text", "text": SECRET}}
    yield "bindings encoded twice", "wrong_type", record(data(bindings=text(late_binding).decode()))
    yield "a type in a list", "wrong_type", record(binding.replace(b'"secret_text"', b'["secret_text"]'))
    for name, whole in {"config": config, "binding": binding, "late": late}.items():
        cut = whole.index(SECRET.encode()) + len(SECRET)
        for more in (0, 1, 4):
            yield f"cut {more} bytes after the value ({name})", "malformed_json", record(whole[: cut + more])
    hidden = config.replace(b'"secrets"', b'"s\\u0065crets"')
    yield "cut and escaped", "malformed_json", record(hidden[: hidden.index(SECRET.encode()) + len(SECRET)])


def found_in(path: Path) -> list[bytes]:
    """The forms in which the secret can be read in a file: raw, escaped, UTF-16, base64; segments are decompressed."""
    needles = {SECRET.encode(), SECRET.encode("utf-16-le"), SECRET.encode().replace(b"h", b"\\u0068")}
    for shift in range(3):
        needles.add(base64.b64encode(bytes(shift) + SECRET.encode())[4 if shift else 0 : -4])
    raw = path.read_bytes()
    if path.suffix == ".zst":
        raw += zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    for _ in range(2):  # quarantine holds base64, which may hold some itself
        for encoded in re.findall(rb'"([A-Za-z0-9+/]{16,}={0,2})"', raw):
            raw += base64.b64decode(encoded + b"==")
    return [needle for needle in needles if needle in raw]


def test_the_search_for_secrets_finds_them(tmp_path: Path) -> None:
    """A secret that lies in a file is found however it is written."""
    ways = {
        "raw": f"a{SECRET}b".encode(),
        "utf-16": SECRET.encode("utf-16-le"),
        "segment.zst": zstandard.compress(f"aaa{SECRET}".encode()),
        "quarantine.json": text({"value": base64.b64encode(f"x{SECRET}".encode()).decode()}),
        "escaped": SECRET.replace("h", "\\u0068").encode(),
        "base64": b"value=" + base64.b64encode(f"ab{SECRET} and more".encode()),
    }
    for name, raw in ways.items():
        (tmp_path / name).write_bytes(raw)
    assert [name for name in ways if not found_in(tmp_path / name)] == []


def essence(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry without its place in the log."""
    placed = ("index", "account_index", "account_prev", "origin", "first_index")
    return {name: value for name, value in entry.items() if name not in placed} | {"mac": entry["origin"]["mac"]}


@pytest.mark.timeout(180)
def test_garbage_becomes_rejected_entries_and_nothing_else(tmp_path: Path, tansu: Broker) -> None:
    """Each piece of garbage gets one entry with its reason, the good events are folded as ever, no secret is on disk."""
    good = keyed(real_events(400), START_MS)
    bad = [*garbage(), *plaintext()]
    places = random.Random(11).sample(range(1, len(good)), len(bad))
    mixed: list[Message] = []
    expected: dict[int, Garbage] = {}
    inserted = dict(zip(places, bad, strict=True))
    for number, message in enumerate(good):
        if number in inserted:
            expected[len(mixed)] = inserted[number]
            late = Message(
                value=inserted[number][2].value,
                key=inserted[number][2].key,
                headers=inserted[number][2].headers,
                timestamp_ms=message.timestamp_ms,
            )
            mixed.append(late)
        mixed.append(message)

    topic = tansu.topic(1)
    ledger = Ledger.create(tmp_path / "ledger" / "root", topic, shards=1)
    send(tansu, topic, mixed)
    worker = ledger.run(tansu)
    entries = check_log(ledger, len(mixed))[0]
    found = {offset: entry["reason"]["code"] for offset, entry in enumerate(entries) if entry["outcome"] == "rejected"}
    assert set(found) == set(expected)
    wrong = {expected[offset][0]: code for offset, code in found.items() if expected[offset][1] not in (None, code)}
    assert wrong == {}
    assert SECRET not in worker.stderr()
    kept = {int(path.stem): path for path in (ledger.root / "quarantine" / "0000").iterdir()}
    for offset in kept:
        stored = json.loads((ledger.root / f"quarantine/0000/{offset:016d}.json").read_bytes())
        value = expected[offset][2].value
        assert stored["value"] == (None if value is None else base64.b64encode(value).decode())

    clean = tansu.topic(1)
    send(tansu, clean, good)
    twin = ledger.twin(tmp_path / "twin", topic=clean)
    twin.run(tansu)
    undisturbed = check_log(twin, len(good))[0]
    accepted = [entry for entry in entries if entry["outcome"] != "rejected"]
    assert [essence(entry) for entry in accepted] == [essence(entry) for entry in undisturbed]
    assert [expected[offset][0] for offset, path in kept.items() if found_in(path)] == []
    assert [str(path) for path in (tmp_path / "ledger").rglob("*") if path.is_file() and found_in(path)] == []
