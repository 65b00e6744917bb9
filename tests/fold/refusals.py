"""The table of strict decoding: every way for a record to be wrong, with its reason code and where it says it is."""

import json
from typing import Any

from tests.fold.building import (
    Case,
    Event,
    at,
    case,
    change,
    code,
    deployed,
    does,
    given,
    merge,
    module,
    note,
    noted,
    rejected,
    replace,
    secret,
    text,
)

GOOD = {**change("e1", code=code()), "time": at(0)}
RAW = text(GOOD)
FITS = deployed("code main added", "code modules/index.js added", version=1, deployment=1)
PLAIN = "hunter2hunter2"


def _with(**attributes: Any) -> Event:
    return {**GOOD, **attributes}


def _without(name: str) -> bytes:
    return text({key: value for key, value in GOOD.items() if key != name})


def _data(**members: Any) -> Event:
    return {**GOOD, "data": {**GOOD["data"], **members}}


def _swap(old: str, new: str) -> bytes:
    assert old.encode() in RAW
    return RAW.replace(old.encode(), new.encode(), 1)


def _padded(length: int) -> bytes:
    return RAW + b" " * (length - len(RAW))


def _nested(depth: int) -> bytes:
    """An event with brackets nested that deep: the event, data, config, merge and vars, A, then arrays."""
    arrays = depth - 6
    return text(_data(config=merge(vars={"A": {"json": "DEEP"}}))).replace(b'"DEEP"', b"[" * arrays + b"]" * arrays)


def _refused(name: str, event: Event | bytes | None, reason: str, path: str | None = None, **how: Any) -> Case:
    return case(name, does(event, rejected(reason, path), **how))


def _accepted(name: str, event: Event | bytes, **how: Any) -> Case:
    return case(name, does(event, {"accepted": True}, **how))


BYTES = [
    _refused("no value at all is malformed", None, "malformed_json"),
    _refused("an empty value is malformed", b"", "malformed_json"),
    _refused("a truncated event is malformed", RAW[:-1], "malformed_json"),
    _refused("text after the event is malformed", RAW + b"{}", "malformed_json"),
    _refused("NaN is malformed", _swap('"size":1', '"size":NaN'), "malformed_json"),
    _refused("a trailing comma is malformed", RAW[:-1] + b",}", "malformed_json"),
    _refused("a raw line feed inside a string is malformed", _swap("wrangler", "wrang\nler"), "malformed_json"),
    _refused("a lone surrogate is malformed", _swap("wrangler", "\\ud800"), "malformed_json"),
    _refused("random bytes are not UTF-8", b"\xff\xfe\x00\x01", "not_utf8"),
    _refused("a byte of Latin-1 is not UTF-8", RAW.replace(b"wrangler", b"wr\xe4ngler"), "not_utf8"),
    _accepted("letters outside ASCII are fine", _data(message="für Ünïcode 🚀")),
    _refused("one byte over a mebibyte is too large", _padded(1_048_577), "too_large"),
    _accepted("a mebibyte is not too large", _padded(1_048_576)),
    _refused("size is looked at before anything else", b"\xff" * 1_048_577, "too_large"),
    _refused("nesting deeper than 64 is malformed", _nested(65), "malformed_json"),
    _accepted("nesting of 64 is fine", _nested(64)),
    _refused("absurd nesting is malformed", b"[" * 200_000, "malformed_json"),
    _refused("an array is no event", b"[]", "wrong_type", "$"),
    _refused("a string is no event", b'"event"', "wrong_type", "$"),
    case(
        "what can't be read belongs to no account, even under a known key",
        does(GOOD, {"account": "acme"}),
        does(b"{", rejected("malformed_json", account=None, account_index=None)),
    ),
    case(
        "what can be read belongs to its account where that is known",
        does(_data(colour="red"), rejected("unknown_member", account=None)),
        does(GOOD, {"account": "acme", "account_index": 0}),
        does(_data(colour="red"), rejected("unknown_member", account="acme", account_index=1)),
    ),
]

DUPLICATES = [
    _refused("an attribute given twice", _swap('"id":', '"source":"x","id":'), "duplicate_member", "$.source"),
    _refused(
        "a member of data given twice",
        _swap('"interface":', '"interface":"a","interface":'),
        "duplicate_member",
        "$.data.interface",
    ),
    _refused(
        "a name in an aspect given twice, though with the same value",
        _swap('"main":', '"main":"index.js","main":'),
        "duplicate_member",
        "$.data.code.replace.main",
    ),
    _refused(
        "a member given twice under an escape",
        _swap('"interface":', '"inter\\u0066ace":"a","interface":'),
        "duplicate_member",
        "$.data.interface",
    ),
    _refused(
        "deep inside a value",
        text(_data(settings=merge(x={"y": [{"KEY": 1}]}))).replace(b'"KEY":1', b'"a":1,"a":1'),
        "duplicate_member",
    ),
    _accepted("the same name in two objects", _data(bindings=merge(type={"type": "x"}))),
    _refused(
        "a member given twice comes before other faults",
        _swap('"interface":', '"tag":"a","tag":"b","colour":'),
        "duplicate_member",
        "$.data.tag",
    ),
]

ENVELOPE = [
    *(_refused(f"no {name}", _without(name), "missing_member", f"$.{name}") for name in sorted(GOOD)),
    *(
        _refused(f"{name} of a wrong type", _with(**{name: 7}), "wrong_type", f"$.{name}")
        for name in sorted(GOOD)
        if name != "accountid"
    ),
    _refused("a null attribute", _with(subject=None), "wrong_type", "$.subject"),
    _refused("an account of a wrong type", _with(accountid=7), "wrong_type", "$.accountid", key=b"7"),
    _refused("another version of CloudEvents", _with(specversion="0.3"), "bad_value", "$.specversion"),
    _refused("a type that is not ours", _with(type="ledger.change.v2"), "unsupported_type", "$.type"),
    _refused("an empty id", _with(id=""), "bad_value", "$.id"),
    _refused("an empty source", _with(source=""), "bad_value", "$.source"),
    *(
        _refused(f"a subject that is no name: {subject[:9]!r}", _with(subject=subject), "bad_value", "$.subject")
        for subject in ("", "-a", ".a", "a b", "a/b", "ä", "a\n", "a" * 256)
    ),
    *(
        _refused(
            f"an account that is no name: {name[:9]!r}",
            _with(accountid=name),
            "bad_value",
            "$.accountid",
            key=name.encode(),
        )
        for name in ("", "-a", "a b", "a" * 256)
    ),
    *(_accepted(f"a subject that is a name: {name[:9]}", _with(subject=name)) for name in ("_", "7.a-b_c", "a" * 255)),
    *(
        _refused(f"no time: {time!r}", _with(time=time), "bad_time", "$.time")
        for time in (
            "",
            "yesterday",
            "2022-11-28",
            "2022-11-28T09:00:00",
            "2022-11-28T09:00:00+00:00",
            "2022-11-28 09:00:00Z",
            "2022-11-28T09:00:00.Z",
            "2022-11-28T09:00:00.1234567Z",
            "2022-11-31T09:00:00Z",
            "2022-11-28T24:00:00Z",
            "2022-11-28T09:60:00Z",
            "2022-11-28T09:00:61Z",
            "2022-11-28T09:00:00Z\n",
            "\u0662022-11-28T09:00:00Z",
        )
    ),
    _accepted("a time of six decimals", _with(time="2022-11-28T08:59:59.123456Z")),
    _accepted(
        "other attributes of CloudEvents", _with(traceparent="00-ab", sequence=7, sampled=True, dataschema="x:y")
    ),
    _refused("what is no attribute's name", _with(Colour="red"), "unknown_member", "$.Colour"),
    _refused("an extension that is an object", _with(colour={"r": 1}), "wrong_type", "$.colour"),
    _refused("data_base64", _with(data_base64="e30="), "unknown_member", "$.data_base64"),
]

WHO = [
    _refused("an unknown member of data", _data(colour="red"), "unknown_member", "$.data.colour"),
    _refused("data that is an array", _with(data=[]), "wrong_type", "$.data"),
    *(
        _refused(f"{name} of a wrong type", _data(**{name: value}), "wrong_type", f"$.data.{name}")
        for name, value in (
            ("interface", 1),
            ("message", ["a"]),
            ("tag", None),
            ("activate", "false"),
            ("base", 1),
            ("actor", "ana"),
        )
    ),
    _refused("neither actor nor interface", _with(data={"code": code()}), "missing_member", "$.data.interface"),
    _accepted("an interface alone", _with(data={"interface": "dash", "code": code()})),
    _accepted("an actor alone", _with(data={"actor": {"type": "system", "id": "cron"}, "code": code()})),
    _accepted("a token for a user", _data(actor={"type": "token", "id": "t1", "on_behalf_of": "u_17"})),
    _refused("an actor without id", _data(actor={"type": "user"}), "missing_member", "$.data.actor.id"),
    _refused("an actor without type", _data(actor={"id": "u"}), "missing_member", "$.data.actor.type"),
    _refused("an unknown type of actor", _data(actor={"type": "bot", "id": "u"}), "bad_value", "$.data.actor.type"),
    _refused(
        "an unknown member of actor",
        _data(actor={"type": "user", "id": "u", "phone": "1"}),
        "unknown_member",
        "$.data.actor.phone",
    ),
    _refused(
        "an id of an actor that is a number", _data(actor={"type": "user", "id": 7}), "wrong_type", "$.data.actor.id"
    ),
    case("a note", does(note("n1"), noted())),
    _refused(
        "a note whose action is null", _with(**note("n1", action=None), time=at(0)), "wrong_type", "$.data.action"
    ),
    _refused("a note with code", _with(**note("n1", code=code()), time=at(0)), "unknown_member", "$.data.code"),
]

_MODULE = module("1")


def _module(**changes: Any) -> Event:
    found = {name: value for name, value in {**_MODULE, **changes}.items() if value is not ...}
    return _data(code=replace(main="index.js", modules={"index.js": found}))


ASPECTS = [
    _refused("an aspect that is an array", _data(routes=[]), "wrong_type", "$.data.routes"),
    _refused("an aspect that is null", _data(routes=None), "wrong_type", "$.data.routes"),
    _refused("an aspect with another verb", _data(routes={"set": {}}), "unknown_member", "$.data.routes.set"),
    _refused("an aspect with both verbs", _data(routes={"replace": {}, "merge": {}}), "bad_value", "$.data.routes"),
    _refused("a replace that is an array", _data(routes={"replace": []}), "wrong_type", "$.data.routes.replace"),
    _refused("a merge that is null", _data(routes={"merge": None}), "wrong_type", "$.data.routes.merge"),
    _refused("an aspect that is none", _data(triggers=merge()), "unknown_member", "$.data.triggers"),
    _refused(
        "main that is no module",
        _data(code=replace(main="a", modules={"b": _MODULE})),
        "bad_value",
        "$.data.code.replace.main",
    ),
    _refused("main without modules", _data(code=replace(main="a")), "bad_value", "$.data.code.replace.main"),
    _refused("modules without main", _data(code=replace(modules={"a": _MODULE})), "…", "$.data.code.replace…"),
    _refused("main that is a number", _data(code=replace(main=1)), "wrong_type", "$.data.code.replace.main"),
    _refused("code of nothing", _data(code=replace()), "bad_value", "$.data.code.replace…"),
    _refused("modules that are an array", _data(code=replace(modules=[])), "wrong_type", "$.data.code.replace.modules"),
    _refused("a module without size", _module(size=...), "missing_member", "$.data.code.replace.modules…"),
    _refused("a module with its content", _module(content="1"), "unknown_member", "$.data.code.replace.modules…"),
    _refused("a module of size 1.5", _module(size=1.5), "wrong_type", "$.data.code.replace.modules…"),
    _refused("a module of size true", _module(size=True), "wrong_type", "$.data.code.replace.modules…"),
    _refused("a module of size -1", _module(size=-1), "bad_value", "$.data.code.replace.modules…"),
    _refused("a digest that is short", _module(sha256="9f86d0"), "bad_value", "$.data.code.replace.modules…"),
    _refused("a digest in capitals", _module(sha256="A" * 64), "bad_value", "$.data.code.replace.modules…"),
    _accepted("a module of a type not listed", _module(type="cobol")),
    *(
        _refused(f"a {word} that is text", _data(**{aspect: merge(X="t")}), "wrong_type", f"$.data.{aspect}.merge.X")
        for word, aspect in (("binding", "bindings"), ("route", "routes"), ("domain", "domains"), ("queue", "queues"))
    ),
    _refused("a binding without type", _data(bindings=merge(X={})), "missing_member", "$.data.bindings.merge.X.type"),
    _refused("a binding of type 1", _data(bindings=merge(X={"type": 1})), "wrong_type", "$.data.bindings.merge.X.type"),
    _refused(
        "a route with more", _data(routes=merge(X={"script": "a"})), "unknown_member", "$.data.routes.merge.X.script"
    ),
    _refused("a zone that is a number", _data(routes=merge(X={"zone": 1})), "wrong_type", "$.data.routes.merge.X.zone"),
    _accepted("a domain with more", _data(domains=merge(X={"zone": "a", "certificate": {"id": 1}}))),
    _refused("a queue without type", _data(queues=merge(X={})), "missing_member", "$.data.queues.merge.X.type"),
    _refused("a cron that is true", _data(crons=merge(X=True)), "wrong_type", "$.data.crons.merge.X"),
    _refused("a cron with a member", _data(crons=merge(X={"a": 1})), "…", "$.data.crons.merge.X…"),
    _refused("a subdomain's other name", _data(subdomain=merge(X=True)), "unknown_member", "$.data.subdomain.merge.X"),
    _refused("subdomain 1", _data(subdomain=merge(enabled=1)), "wrong_type", "$.data.subdomain.merge.enabled"),
    _refused("vars that are text", _data(config=merge(vars="A=1")), "wrong_type", "$.data.config.merge.vars"),
    _refused("a var that is text", _data(config=merge(vars={"A": "1"})), "wrong_type", "$.data.config.merge.vars.A"),
    _refused(
        "a var whose text is a number",
        _data(config=merge(vars={"A": {"text": 1}})),
        "wrong_type",
        "$.data.config.merge.vars.A.text",
    ),
    _refused(
        "a var of both kinds",
        _data(config=merge(vars={"A": {"text": "1", "json": 1}})),
        "bad_value",
        "$.data.config.merge.vars.A",
    ),
    _refused(
        "a var of another kind",
        _data(config=merge(vars={"A": {"text": "1", "x": 1}})),
        "unknown_member",
        "$.data.config.merge.vars.A.x",
    ),
    _accepted(
        "settings and config are open", _data(settings=merge(x=[1, {"y": None}]), config=merge(z=False, limits="5"))
    ),
    _refused(
        "a MAC that is short", _data(config=merge(secrets={"K": {"mac": "ab"}})), "…", "$.data.config.merge.secrets.K…"
    ),
    _accepted(
        "a secret key with what is known of it",
        _data(
            config=merge(
                secrets={
                    "K": {
                        **secret("a"),
                        "type": "secret_key",
                        "algorithm": {"name": "HMAC"},
                        "format": "raw",
                        "usages": ["sign"],
                    }
                }
            )
        ),
    ),
]

_OPERATION = {"interface": "wrangler"}
_VERSION = "00000000-0000-8000-8000-000000000000"
OPERATIONS = [
    *(
        _refused(f"{first} with {second}", _with(data={**_OPERATION, **one, **other}), "bad_value", "$.data…")
        for first, one in (
            ("deploy", {"deploy": {_VERSION: 100}}),
            ("rollback_to", {"rollback_to": _VERSION}),
            ("delete", {"delete": True}),
        )
        for second, other in (
            ("code", {"code": code()}),
            ("routes", {"routes": merge({"a/*": {}})}),
            ("base", {"base": _VERSION}),
            ("activate", {"activate": False}),
        )
    ),
    _refused(
        "deploy with rollback_to",
        _with(data={**_OPERATION, "deploy": {_VERSION: 100}, "rollback_to": _VERSION}),
        "bad_value",
        "$.data…",
    ),
    _refused("delete false", _with(data={**_OPERATION, "delete": False}), "bad_value", "$.data.delete"),
    _refused("delete 1", _with(data={**_OPERATION, "delete": 1}), "wrong_type", "$.data.delete"),
    _refused("rollback_to a number", _with(data={**_OPERATION, "rollback_to": 3}), "wrong_type", "$.data.rollback_to"),
    _refused("deploy a list", _with(data={**_OPERATION, "deploy": [_VERSION]}), "wrong_type", "$.data.deploy"),
    _refused(
        "a share that is text", _with(data={**_OPERATION, "deploy": {_VERSION: "100"}}), "wrong_type", "$.data.deploy…"
    ),
    _refused(
        "shares of 99.999", _with(data={**_OPERATION, "deploy": {_VERSION: 99.999}}), "bad_split", "$.data.deploy…"
    ),
]

_TEXT_BINDING = {"type": "secret_text", "text": PLAIN}
SECRETS = [
    *(
        _refused(f"a plaintext secret: {name}", event, "plaintext_secret", path)
        for name, event, path in (
            ("its text", _data(config=merge(secrets={"K": {"text": PLAIN}})), "$.data.config.merge.secrets.K…"),
            (
                "its value beside the MAC",
                _data(config=merge(secrets={"K": {**secret("a"), "value": PLAIN}})),
                "$.data.config.merge.secrets.K…",
            ),
            ("the value itself", _data(config=replace(secrets={"K": PLAIN})), "$.data.config.replace.secrets.K…"),
            ("a key", _data(config=merge(secrets={"K": {"type": "secret_key", "key_jwk": {"k": PLAIN}}})), None),
            ("a binding of a secret type", _data(bindings=merge(K=_TEXT_BINDING)), "$.data.bindings.merge.K…"),
            (
                "a binding of type secret_key",
                _data(bindings=replace(K={"type": "secret_key", "key_base64": PLAIN})),
                None,
            ),
            ("a binding without its text", _data(bindings=merge(K={"type": "secret_text"})), None),
            ("with an unknown member", {**_data(bindings=merge(K=_TEXT_BINDING), colour=1)}, None),
            ("with a type not ours", {**_data(bindings=merge(K=_TEXT_BINDING)), "type": "x"}, None),
            ("with a bad time", {**_data(bindings=merge(K=_TEXT_BINDING)), "time": "now"}, None),
            ("with both verbs", _data(bindings={**merge(K=_TEXT_BINDING), "replace": {}}), None),
        )
    ),
    _refused(
        "a plaintext secret in a record of another key",
        _data(bindings=merge(K=_TEXT_BINDING)),
        "plaintext_secret",
        key=b"beta",
    ),
    _refused(
        "a plaintext secret that another member of the same name hides",
        text(_data(bindings={})).replace(b'"data":{', b'"data":{"bindings":' + text(merge(K=_TEXT_BINDING)) + b",", 1),
        "plaintext_secret",
    ),
    _accepted("a variable may say secret_text", _data(config=merge(vars={"A": {"json": {"type": "secret_text"}}}))),
    _accepted("a secret without a MAC", _data(config=merge(secrets={"K": {}, "L": {"type": "secret_text"}}))),
]


def _binary(attributes: dict[str, str], **more: bytes) -> list[tuple[str, bytes]]:
    return [
        *((f"ce_{name}", value.encode()) for name, value in attributes.items()),
        ("content-type", b"application/json"),
        *more.items(),
    ]


_ATTRIBUTES = {name: str(value) for name, value in GOOD.items() if name != "data"}
_BODY = json.dumps(GOOD["data"]).encode()
_NO_ID = {name: value for name, value in _ATTRIBUTES.items() if name != "id"}
MODES = [
    case("an event without headers is structured", does(RAW, FITS)),
    case("a structured event", does(RAW, FITS, headers=[("content-type", b"application/cloudevents+json")])),
    case(
        "a structured event whose content type names a character set",
        does(RAW, FITS, headers=[("content-type", b"application/cloudevents+json; charset=UTF-8")]),
    ),
    case("a binary event", does(_BODY, FITS, headers=_binary(_ATTRIBUTES))),
    case(
        "a binary and a structured event of one id are the same event",
        does(_BODY, FITS, headers=_binary(_ATTRIBUTES)),
        does(RAW, {"outcome": "duplicate", "first_index": 0}),
    ),
    _refused("a binary event without an id", _BODY, "missing_member", "$.id", headers=_binary(_NO_ID)),
    _refused(
        "a binary event whose data is unknown",
        b'{"interface":"a","x":1}',
        "unknown_member",
        "$.data.x",
        headers=_binary(_ATTRIBUTES),
    ),
    _refused(
        "a binary event with a plaintext secret",
        json.dumps({"interface": "a", "bindings": merge(K=_TEXT_BINDING)}).encode(),
        "plaintext_secret",
        headers=_binary(_ATTRIBUTES),
    ),
    _refused("a binary event of another key", _BODY, "key_mismatch", headers=_binary(_ATTRIBUTES), key=b"beta"),
    case(
        "good events are unaffected by bad ones between them",
        given(change("v1", code=code("1"))),
        does(b"\x00", rejected("malformed_json")),
        does(change("v1", code={"replace": 5}), rejected("wrong_type", "$.data.code.replace", account="acme")),
        does(
            change("v2", code=code("2")),
            deployed("code modules/index.js changed", version=2, deployment=2, account_index=2),
        ),
    ),
]

CASES: list[Case] = [*BYTES, *DUPLICATES, *ENVELOPE, *WHO, *ASPECTS, *OPERATIONS, *SECRETS, *MODES]
