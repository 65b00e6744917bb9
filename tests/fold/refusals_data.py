"""Refusals: what data holds, plaintext secrets, and the two modes of CloudEvents."""

import json
from typing import Any

from tests.fold.building import (
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
from tests.fold.refusing import FITS, GOOD, RAW, accepted, refused, with_attributes, with_data

NOTE = "ledger.note.v1"
PLAIN = "hunter2hunter2"

WHO = [
    refused("an unknown member of data", with_data(colour="red"), "unknown_member", "$.data.colour"),
    refused("data that is an array", with_attributes(data=[]), "wrong_type", "$.data"),
    *(
        refused(f"{name} of a wrong type", with_data(**{name: value}), "wrong_type", f"$.data.{name}")
        for name, value in (
            ("interface", 1),
            ("message", ["a"]),
            ("tag", None),
            ("activate", "false"),
            ("base", 1),
            ("actor", "ana"),
        )
    ),
    refused(
        "neither actor nor interface", with_attributes(data={"code": code()}), "missing_member", "$.data.interface"
    ),
    accepted("an interface alone", with_attributes(data={"interface": "dash", "code": code()})),
    accepted("an actor alone", with_attributes(data={"actor": {"type": "system", "id": "cron"}, "code": code()})),
    accepted("a token for a user", with_data(actor={"type": "token", "id": "t1", "on_behalf_of": "u_17"})),
    refused("an actor without id", with_data(actor={"type": "user"}), "missing_member", "$.data.actor.id"),
    refused("an actor without type", with_data(actor={"id": "u"}), "missing_member", "$.data.actor.type"),
    refused("an unknown type of actor", with_data(actor={"type": "bot", "id": "u"}), "bad_value", "$.data.actor.type"),
    refused(
        "an unknown member of actor",
        with_data(actor={"type": "user", "id": "u", "phone": "1"}),
        "unknown_member",
        "$.data.actor.phone",
    ),
    refused(
        "an id of an actor that is a number",
        with_data(actor={"type": "user", "id": 7}),
        "wrong_type",
        "$.data.actor.id",
    ),
    case("a note", does(note("n1"), noted())),
    refused(
        "a note whose action is null",
        with_attributes(**note("n1", action=None), time=at(0)),
        "wrong_type",
        "$.data.action",
    ),
    refused(
        "a note with code", with_attributes(**note("n1", code=code()), time=at(0)), "unknown_member", "$.data.code"
    ),
    refused("a note that is a change but for its type", with_attributes(type=NOTE), "unknown_member", "$.data.code"),
    refused(
        "a note that deletes",
        with_attributes(type=NOTE, data={"interface": "cli", "delete": True}),
        "unknown_member",
        "$.data.delete",
    ),
    refused(
        "a note without an action",
        with_attributes(type=NOTE, data={"interface": "cli"}),
        "missing_member",
        "$.data.action",
    ),
]

_MODULE = module("1")


def _module(**changes: Any) -> Event:
    found = {name: value for name, value in {**_MODULE, **changes}.items() if value is not ...}
    return with_data(code=replace(main="index.js", modules={"index.js": found}))


ASPECTS = [
    refused("an aspect that is an array", with_data(routes=[]), "wrong_type", "$.data.routes"),
    refused("an aspect that is null", with_data(routes=None), "wrong_type", "$.data.routes"),
    refused("an aspect with another verb", with_data(routes={"set": {}}), "unknown_member", "$.data.routes.set"),
    refused("an aspect with both verbs", with_data(routes={"replace": {}, "merge": {}}), "bad_value", "$.data.routes"),
    refused("a replace that is an array", with_data(routes={"replace": []}), "wrong_type", "$.data.routes.replace"),
    refused("a merge that is null", with_data(routes={"merge": None}), "wrong_type", "$.data.routes.merge"),
    refused("an aspect that is none", with_data(triggers=merge()), "unknown_member", "$.data.triggers"),
    refused(
        "main that is no module",
        with_data(code=replace(main="a", modules={"b": _MODULE})),
        "bad_value",
        "$.data.code.replace.main",
    ),
    refused("main without modules", with_data(code=replace(main="a")), "bad_value", "$.data.code.replace.main"),
    refused(
        "modules without main",
        with_data(code=replace(modules={"a": _MODULE})),
        "missing_member",
        "$.data.code.replace.main",
    ),
    refused("main that is a number", with_data(code=replace(main=1)), "wrong_type", "$.data.code.replace.main"),
    refused("code of nothing", with_data(code=replace()), "bad_value", "$.data.code.replace…"),
    refused(
        "modules that are an array", with_data(code=replace(modules=[])), "wrong_type", "$.data.code.replace.modules"
    ),
    refused("a module without size", _module(size=...), "missing_member", "$.data.code.replace.modules…"),
    refused("a module with its content", _module(content="1"), "unknown_member", "$.data.code.replace.modules…"),
    refused("a module of size 1.5", _module(size=1.5), "wrong_type", "$.data.code.replace.modules…"),
    refused("a module of size true", _module(size=True), "wrong_type", "$.data.code.replace.modules…"),
    refused("a module of size -1", _module(size=-1), "bad_value", "$.data.code.replace.modules…"),
    refused("a digest that is short", _module(sha256="9f86d0"), "bad_value", "$.data.code.replace.modules…"),
    refused("a digest in capitals", _module(sha256="A" * 64), "bad_value", "$.data.code.replace.modules…"),
    accepted("a module of a type not listed", _module(type="cobol")),
    *(
        refused(f"a {word} that is text", with_data(**{aspect: merge(X="t")}), "wrong_type", f"$.data.{aspect}.merge.X")
        for word, aspect in (("binding", "bindings"), ("route", "routes"), ("domain", "domains"), ("queue", "queues"))
    ),
    refused(
        "a binding without type", with_data(bindings=merge(X={})), "missing_member", "$.data.bindings.merge.X.type"
    ),
    refused(
        "a binding of type 1", with_data(bindings=merge(X={"type": 1})), "wrong_type", "$.data.bindings.merge.X.type"
    ),
    refused(
        "a route with more",
        with_data(routes=merge(X={"script": "a"})),
        "unknown_member",
        "$.data.routes.merge.X.script",
    ),
    refused(
        "a zone that is a number", with_data(routes=merge(X={"zone": 1})), "wrong_type", "$.data.routes.merge.X.zone"
    ),
    accepted("a domain with more", with_data(domains=merge(X={"zone": "a", "certificate": {"id": 1}}))),
    refused("a queue without type", with_data(queues=merge(X={})), "missing_member", "$.data.queues.merge.X.type"),
    refused("a cron that is true", with_data(crons=merge(X=True)), "wrong_type", "$.data.crons.merge.X"),
    refused("a cron with a member", with_data(crons=merge(X={"a": 1})), "…", "$.data.crons.merge.X…"),
    refused(
        "a subdomain's other name", with_data(subdomain=merge(X=True)), "unknown_member", "$.data.subdomain.merge.X"
    ),
    refused("subdomain 1", with_data(subdomain=merge(enabled=1)), "wrong_type", "$.data.subdomain.merge.enabled"),
    refused("vars that are text", with_data(config=merge(vars="A=1")), "wrong_type", "$.data.config.merge.vars"),
    refused("a var that is text", with_data(config=merge(vars={"A": "1"})), "wrong_type", "$.data.config.merge.vars.A"),
    refused(
        "a var whose text is a number",
        with_data(config=merge(vars={"A": {"text": 1}})),
        "wrong_type",
        "$.data.config.merge.vars.A.text",
    ),
    refused(
        "a var of both kinds",
        with_data(config=merge(vars={"A": {"text": "1", "json": 1}})),
        "bad_value",
        "$.data.config.merge.vars.A",
    ),
    refused(
        "a var of another kind",
        with_data(config=merge(vars={"A": {"text": "1", "x": 1}})),
        "unknown_member",
        "$.data.config.merge.vars.A.x",
    ),
    accepted(
        "settings and config are open", with_data(settings=merge(x=[1, {"y": None}]), config=merge(z=False, limits="5"))
    ),
    refused(
        "a MAC that is short",
        with_data(config=merge(secrets={"K": {"mac": "ab"}})),
        "…",
        "$.data.config.merge.secrets.K…",
    ),
    accepted(
        "a secret key with what is known of it",
        with_data(
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
        refused(f"{first} with {second}", with_attributes(data={**_OPERATION, **one, **other}), "bad_value", "$.data…")
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
    refused(
        "deploy with rollback_to",
        with_attributes(data={**_OPERATION, "deploy": {_VERSION: 100}, "rollback_to": _VERSION}),
        "bad_value",
        "$.data…",
    ),
    refused("delete false", with_attributes(data={**_OPERATION, "delete": False}), "bad_value", "$.data.delete"),
    refused("delete 1", with_attributes(data={**_OPERATION, "delete": 1}), "wrong_type", "$.data.delete"),
    refused(
        "rollback_to a number",
        with_attributes(data={**_OPERATION, "rollback_to": 3}),
        "wrong_type",
        "$.data.rollback_to",
    ),
    refused("deploy a list", with_attributes(data={**_OPERATION, "deploy": [_VERSION]}), "wrong_type", "$.data.deploy"),
    refused(
        "a share that is text",
        with_attributes(data={**_OPERATION, "deploy": {_VERSION: "100"}}),
        "wrong_type",
        "$.data.deploy…",
    ),
    refused(
        "shares of 99.999",
        with_attributes(data={**_OPERATION, "deploy": {_VERSION: 99.999}}),
        "bad_split",
        "$.data.deploy…",
    ),
]

_TEXT_BINDING = {"type": "secret_text", "text": PLAIN}
SECRETS = [
    *(
        refused(f"a plaintext secret: {name}", event, "plaintext_secret", path)
        for name, event, path in (
            ("its text", with_data(config=merge(secrets={"K": {"text": PLAIN}})), "$.data.config.merge.secrets.K…"),
            (
                "its value beside the MAC",
                with_data(config=merge(secrets={"K": {**secret("a"), "value": PLAIN}})),
                "$.data.config.merge.secrets.K…",
            ),
            ("the value itself", with_data(config=replace(secrets={"K": PLAIN})), "$.data.config.replace.secrets.K…"),
            (
                "names in place of the MAC",
                with_data(config=merge(secrets={"K": {"mac": {PLAIN: 1}}})),
                "$.data.config.merge.secrets.K…",
            ),
            (
                "the same name twice in place of the MAC",
                text(with_data(config=merge(secrets={"K": {"mac": {PLAIN: 1, "-": 1}}}))).replace(
                    b'"-"', f'"{PLAIN}"'.encode()
                ),
                "$.data.config.merge.secrets.K…",
            ),
            ("a key", with_data(config=merge(secrets={"K": {"type": "secret_key", "key_jwk": {"k": PLAIN}}})), None),
            ("a binding of a secret type", with_data(bindings=merge(K=_TEXT_BINDING)), "$.data.bindings.merge.K…"),
            (
                "a binding of type secret_key",
                with_data(bindings=replace(K={"type": "secret_key", "key_base64": PLAIN})),
                None,
            ),
            ("a binding without its text", with_data(bindings=merge(K={"type": "secret_text"})), None),
            ("with an unknown member", {**with_data(bindings=merge(K=_TEXT_BINDING), colour=1)}, None),
            ("with a type not ours", {**with_data(bindings=merge(K=_TEXT_BINDING)), "type": "x"}, None),
            ("with a bad time", {**with_data(bindings=merge(K=_TEXT_BINDING)), "time": "now"}, None),
            ("with both verbs", with_data(bindings={**merge(K=_TEXT_BINDING), "replace": {}}), None),
        )
    ),
    refused(
        "a plaintext secret in a record of another key",
        with_data(bindings=merge(K=_TEXT_BINDING)),
        "plaintext_secret",
        key=b"beta",
    ),
    refused(
        "a plaintext secret that another member of the same name hides",
        text(with_data(bindings={})).replace(
            b'"data":{', b'"data":{"bindings":' + text(merge(K=_TEXT_BINDING)) + b",", 1
        ),
        "plaintext_secret",
    ),
    accepted("a variable may say secret_text", with_data(config=merge(vars={"A": {"json": {"type": "secret_text"}}}))),
    accepted("a secret without a MAC", with_data(config=merge(secrets={"K": {}, "L": {"type": "secret_text"}}))),
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
    refused("a binary event without an id", _BODY, "missing_member", "$.id", headers=_binary(_NO_ID)),
    refused(
        "a binary event whose data is unknown",
        b'{"interface":"a","x":1}',
        "unknown_member",
        "$.data.x",
        headers=_binary(_ATTRIBUTES),
    ),
    refused(
        "a binary event with a plaintext secret",
        json.dumps({"interface": "a", "bindings": merge(K=_TEXT_BINDING)}).encode(),
        "plaintext_secret",
        headers=_binary(_ATTRIBUTES),
    ),
    *(
        refused(
            f"a content type in two headers: {second}",
            _BODY,
            "duplicate_member",
            "$.datacontenttype",
            headers=[*_binary(_ATTRIBUTES), (second, value)],
        )
        for second, value in (
            ("ce_datacontenttype", b"application/json"),
            ("content-type", b"application/json"),
            ("Content-Type", b"application/cloudevents+json"),
        )
    ),
    *(
        case(
            f"a binary event that cannot be read is known by its headers: {name}",
            given(GOOD),
            does(
                value,
                rejected(reason, account="acme", account_index=1, effective_at=at(0)),
                headers=[*_binary(_ATTRIBUTES), *more],
            ),
        )
        for name, value, reason, more in (
            ("no data", None, "malformed_json", []),
            ("malformed", b"{", "malformed_json", []),
            ("not UTF-8", b"\xff", "not_utf8", []),
            ("too large", b" " * 1_048_577, "too_large", []),
            ("another header that is not UTF-8", _BODY, "not_utf8", [("ce_sequence", b"\xff")]),
        )
    ),
    case(
        "the headers of a structured event are not the event's",
        given(GOOD),
        does(
            b"{",
            rejected("malformed_json", account=None, effective_at=at(1)),
            headers=[*_binary(_ATTRIBUTES)[:-1], ("content-type", b"application/cloudevents+json")],
        ),
    ),
    refused("a binary event of another key", _BODY, "key_mismatch", headers=_binary(_ATTRIBUTES), key=b"beta"),
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
