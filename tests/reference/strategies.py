"""Hypothesis strategies: plausible histories of a shard, dense with the cases that are hard.

Few accounts, scripts, names and values, so that collisions, moves, splits, conflicts, repeats and no-ops are common.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.reference.decoding import Record
from tests.reference.evaluator import derived_id

ELSEWHERE = "gone"
"""An account at home in another shard."""
_START = datetime(2022, 11, 28, 9, tzinfo=UTC)
_Draw = Callable[[st.SearchStrategy[Any]], Any]
_Event = dict[str, Any]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """The usual value three times in four."""
    return st.sampled_from([usual] * 3 * len(others) + list(others))


_seldom = st.sampled_from([False] * 15 + [True])


def _names(values: dict[str, st.SearchStrategy[Any]], *, removing: bool, at_most: int = 3) -> st.SearchStrategy[Any]:
    """Some of the names, each with a value of its own, or null where names can be removed."""
    optional = {name: st.one_of(value, st.none()) if removing else value for name, value in values.items()}
    return st.fixed_dictionaries({}, optional=optional).filter(lambda names: len(names) <= at_most)


def _patch(values: Callable[[bool], st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    replace = values(False).map(lambda names: {"replace": names})
    merge = values(True).map(lambda names: {"merge": names})
    return st.one_of(replace, merge)


_modules = {
    name: st.sampled_from("12").map(lambda text: {"type": "esm", "size": len(text), "sha256": _digest(text)})
    for name in ("index.js", "util.js")
}
_index = _modules["index.js"]
_code = st.one_of(
    st.builds(
        lambda index, more: {"replace": {"main": "index.js", "modules": {**more, "index.js": index}}},
        _index,
        _names(_modules, removing=False),
    ),
    _names(_modules, removing=True).map(lambda modules: {"merge": {"modules": modules}}),
    st.sampled_from("12").map(lambda text: {"replace": {"assets": {"sha256": _digest(text), "count": 1}}}),
    st.just({"merge": {"main": "util.js"}}),
)
_scalars: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    "",
    "1",
    "ünï",
    0.25,
    2**60,
    -(2**53),
    1e300,
    [],
    {},
    [1, {"b": None, "a": 2}],
]
_json = st.sampled_from(_scalars)
_bindings = _patch(
    lambda removing: _names(
        {
            "KV": st.sampled_from("12").map(lambda name: {"type": "kv_namespace", "namespace_id": name}),
            "TAX": st.sampled_from(["tax", "shop"]).map(lambda name: {"service": name, "type": "service"}),
            "NEW": _json.map(lambda value: {"type": "teleport", "to": value}),
        },
        removing=removing,
    )
)
_vars = {
    "A": st.sampled_from("12").map(lambda text: {"text": text}),
    "B": _json.map(lambda value: {"json": value}),
}
_secret = st.sampled_from(
    [{"mac": _digest("1")}, {"mac": _digest("2")}, {"mac": _digest("1"), "type": "secret_key"}, {}]
)
_config = _patch(
    lambda removing: _names(
        {
            "usage_model": st.sampled_from(["bundled", "unbound"]),
            "limits": st.sampled_from([{}, {"cpu_ms": 50}]),
            "vars": _names(_vars, removing=removing),
            "secrets": _names({"K": _secret, "L": _secret}, removing=removing),
        },
        removing=removing,
    )
)
_zone = st.sampled_from([{}, {"zone": "a"}, {"zone_id": "1"}])
_versioned = {"code": _code, "bindings": _bindings, "config": _config}
_triggers = {
    "routes": _patch(lambda removing: _names({"x/*": _zone, "y/*": _zone}, removing=removing)),
    "domains": _patch(lambda removing: _names({"d.example": _zone, "e.example": _zone}, removing=removing)),
    "crons": _patch(lambda removing: _names({"* * * * *": st.just({}), "1 * * * *": st.just({})}, removing=removing)),
    "queues": _patch(
        lambda removing: _names({"q": _zone.map(lambda zone: {"type": "worker", **zone})}, removing=removing)
    ),
    "subdomain": _patch(
        lambda removing: _names({"enabled": st.booleans(), "previews_enabled": st.booleans()}, removing=removing)
    ),
    "settings": _patch(lambda removing: _names({"logpush": st.booleans(), "tags": _json}, removing=removing)),
}
_new_code = st.sampled_from("1234").map(
    lambda text: {
        "replace": {
            "main": "index.js",
            "modules": {"index.js": {"type": "esm", "size": 1, "sha256": _digest(text)}},
        }
    }
)
_uploads = st.one_of(
    st.fixed_dictionaries({"code": _new_code}, optional={**_triggers, "bindings": _bindings, "config": _config}),
    st.fixed_dictionaries({"code": _new_code}),
    st.fixed_dictionaries({}, optional=_versioned),
    st.fixed_dictionaries({}, optional=_triggers),
    st.fixed_dictionaries({}, optional={**_versioned, **_triggers}),
    st.fixed_dictionaries(
        {
            "code": _new_code,
            "bindings": st.sampled_from([{"replace": {}}, {"replace": {"KV": {"type": "kv_namespace"}}}]),
            "config": st.sampled_from([{"replace": {}}, {"replace": {"usage_model": "bundled"}}]),
        }
    ),
)
_SHARES = ([100], [100], [100], [50, 50], [90, 10], [33.333, 66.667], [99.999, 0.001], [100, 0], [20, 30, 50])


@st.composite
def _data(draw: _Draw, earlier: list[_Event]) -> _Event:
    """What an event asks for; `earlier` are events of the same script, whose versions it may name."""
    if not earlier and draw(_mostly(True, False)):
        return {"code": draw(_new_code)}
    kind = draw(st.sampled_from(["upload"] * 9 + ["deploy"] * 4 + ["restore", "restore", "delete"]))
    if kind == "delete":
        return {"delete": True}
    recent = earlier[-8:]
    if kind == "restore" and recent:
        return {"rollback_to": derived_id("deployment", draw(st.sampled_from(recent)))}
    if kind == "deploy" and recent:
        shares = draw(st.sampled_from(_SHARES))
        events = draw(
            st.lists(st.sampled_from(recent), min_size=1, max_size=len(shares), unique_by=lambda one: one["id"])
        )
        chosen = [derived_id("version", event) for event in events]
        if len(chosen) < len(shares):
            return {"deploy": {chosen[0]: draw(st.sampled_from([100, 100.0]))}}
        return {"deploy": dict(zip(chosen, shares, strict=True))}
    data: _Event = draw(_uploads)
    if recent and draw(_mostly(False, True)):
        data["base"] = derived_id("version", draw(st.sampled_from(recent)))
    if draw(_mostly(False, True)):
        data["activate"] = draw(st.booleans())
    return data


def _time(moment: datetime, draw: _Draw) -> str:
    digits = draw(st.sampled_from([f"{moment.microsecond // 1000:03}", f"{moment.microsecond // 1000:03}001"]))
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{digits}Z"


@st.composite
def _event(draw: _Draw, number: int, recorded: datetime, before: list[_Event]) -> _Event:
    """A good event, as far as its form goes, or one that came before."""
    if before and draw(_seldom):
        return dict(draw(st.sampled_from(before)))
    account = draw(st.sampled_from(["acme"] * 16 + ["beta"] * 3 + [ELSEWHERE]))
    subject = draw(st.sampled_from(["shop"] * 4 + ["tax", "cart"]))
    clock_ms = draw(st.sampled_from([0, 0, 0, -1, -1500, -3_600_000, 1, 5000]))
    event: _Event = {
        "specversion": "1.0",
        "type": "ledger.change.v1",
        "source": f"gateway/{account}",
        "id": f"e{number}",
        "subject": subject,
        "time": _time(recorded + timedelta(milliseconds=clock_ms), draw),
        "accountid": account,
    }
    actor = draw(st.sampled_from([{}, {"actor": {"type": "user", "id": "u_1", "email": "ana@acme.example"}}]))
    if draw(_seldom):
        told = {"interface": "cli", "action": "drop", "detail": draw(_json)}
        return {**event, "type": "ledger.note.v1", "subject": "quarantine-3", "data": {**actor, **told}}
    earlier = [one for one in before if (one["accountid"], one["subject"]) == (account, subject)]
    return {**event, "data": {**actor, "interface": "wrangler", **draw(_data(earlier))}}


_SPOILED: dict[str, Callable[[_Event], _Event]] = {
    "unknown member": lambda event: {**event, "data": {**event["data"], "colour": 1}},
    "unknown attribute": lambda event: {**event, "Colour": "red"},
    "missing id": lambda event: {name: value for name, value in event.items() if name != "id"},
    "wrong type": lambda event: {**event, "data": {**event["data"], "interface": 1}},
    "bad time": lambda event: {**event, "time": "2022-11-28T09:00:00+01:00"},
    "bad subject": lambda event: {**event, "subject": "a/b"},
    "bad type": lambda event: {**event, "type": "ledger.change.v9"},
    "plaintext secret": lambda event: {
        **event,
        "data": {**event["data"], "config": {"merge": {"secrets": {"K": {"text": "hunter2"}}}}},
    },
    "bad split": lambda event: {**event, "data": {"interface": "api", "deploy": {"v": 50}}},
    "two operations": lambda event: {**event, "data": {"interface": "api", "delete": True, "rollback_to": "d"}},
    "null in a replace": lambda event: {**event, "data": {"interface": "api", "crons": {"replace": {"a": None}}}},
}
_MANGLED: dict[str, Callable[[bytes], bytes | None]] = {
    "cut off": lambda raw: raw[:-1],
    "no value": lambda _: None,
    "no text": lambda raw: raw + b"\xff",
    "member twice": lambda raw: raw.replace(b'"data":{', b'"data":{"tag":"a","tag":"a",', 1),
    "too deep": lambda _: b"[" * 70 + b"]" * 70,
    "too large": lambda raw: raw + b" " * 1_048_577,
}


def _binary(event: _Event) -> tuple[bytes, list[tuple[str, bytes]]]:
    headers = [(f"ce_{name}", value.encode()) for name, value in event.items() if name != "data"]
    return json.dumps(event["data"]).encode(), headers


@st.composite
def _record(draw: _Draw, number: int, timestamp_ms: int, event: _Event) -> Record:
    """The record of an event, one time in eight spoiled in one way."""
    key = event["accountid"].encode()
    faults = [*_SPOILED, *_MANGLED, "other key"]
    fault = draw(st.sampled_from([None] * 7 * len(faults) + faults))
    if fault == "other key":
        key = draw(st.sampled_from([b"acme2", b""]))
    if fault in _SPOILED:
        event = _SPOILED[fault](event)
    elif fault is None and draw(_seldom):
        value, headers = _binary(event)
        return Record(number, timestamp_ms, key, value, headers)
    separators = draw(_mostly((",", ":"), (", ", ": ")))
    raw = json.dumps(event, ensure_ascii=draw(st.booleans()), separators=separators).encode()
    return Record(number, timestamp_ms, key, _MANGLED[fault](raw) if fault in _MANGLED else raw)


@st.composite
def histories(draw: _Draw, at_most: int = 40) -> list[Record]:
    """The records of one shard from its beginning; accounts named `ELSEWHERE` are at home in another."""
    recorded = _START
    events: list[_Event] = []
    records = []
    for number in range(draw(st.integers(1, at_most))):
        recorded += timedelta(milliseconds=draw(st.sampled_from([1000, 1000, 1, 0, -500])))
        event = draw(_event(number, recorded, events))
        events.append(event)
        records.append(draw(_record(number, round(recorded.timestamp() * 1000), event)))
    return records
