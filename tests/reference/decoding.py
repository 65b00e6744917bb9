"""Strict decoding for the reference evaluator: a Kafka record to a change event, or to the reason against it.

Written from the formats document alone, with one check per rule, in the order in which reasons take precedence.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.reference.jsonvalues import Refused, duplicate_path, parse

VERSIONED = ("bindings", "code", "config")
TRIGGERS = ("crons", "domains", "queues", "routes", "settings", "subdomain")
ASPECTS = VERSIONED + TRIGGERS
NESTED = {"code": ("modules",), "config": ("secrets", "vars"), **dict.fromkeys((*TRIGGERS, "bindings"), ())}
OPERATIONS = ("deploy", "rollback_to", "delete")
REQUIRED = ("specversion", "type", "source", "id", "subject", "time", "accountid", "data")
LARGEST = 1_048_576
SECRET_MEMBERS = ("mac", "type", "algorithm", "format", "usages")
SECRET_TYPES = ("secret_text", "secret_key")

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}", re.ASCII)
_ATTRIBUTE = re.compile(r"[a-z0-9]+", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Record:
    """What Kafka holds: offset, timestamp in milliseconds, key, value and headers."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass
class Reading:
    """A record decoded: `event` where it is good, else `refusal`; `readable` holds the attributes that could be read."""

    event: dict[str, Any] = field(default_factory=dict)
    readable: dict[str, str] = field(default_factory=dict)
    refusal: Refused | None = None


def decode(record: Record) -> Reading:
    """Total: every record gives a reading."""
    reading = Reading(readable=_readable(_headers_alone(record)))
    try:
        event = _assemble(record)
        if isinstance(event, dict):
            reading.readable = _readable(event)
        _check_event(event)
        reading.event = event
    except Refused as refusal:
        reading.refusal = refusal
    return reading


def microseconds(text: str) -> int | None:
    """Microseconds since 1970 of an RFC 3339 time in UTC with `Z`; None where it is not one."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    *parts, fraction = match.groups()
    try:
        whole = datetime(*(int(part) for part in parts), tzinfo=UTC)  # type: ignore[misc, arg-type]
    except ValueError:
        return None
    return (whole - _EPOCH) // timedelta(microseconds=1) + int((fraction or "0").ljust(6, "0"))


def _assemble(record: Record) -> Any:
    """The whole event as one JSON value, whichever mode it came in."""
    if record.value is None:
        raise Refused("malformed_json")
    if len(record.value) > LARGEST:
        raise Refused("too_large")
    headers = [(name.lower(), value) for name, value in record.headers]
    content_type = dict(headers).get("content-type", b"")
    binary = any(name.startswith("ce_") for name, _ in headers)
    if not binary or (
        content_type.startswith(b"application/cloudevents") and [name for name, _ in headers].count("content-type") == 1
    ):
        return parse(record.value)
    event: dict[str, Any] = {}
    types = [value for name, value in headers if name in ("content-type", "ce_datacontenttype")]
    if len(types) > 1:
        raise Refused("duplicate_member", "$.datacontenttype")
    for name, value in headers:
        if name.startswith("ce_"):
            try:
                event[name.removeprefix("ce_")] = value.decode("utf-8")
            except UnicodeDecodeError:
                raise Refused("not_utf8", f"$.{name.removeprefix('ce_')}") from None
    if content_type:
        event["datacontenttype"] = content_type.decode("utf-8", "replace")
    return {**event, "data": parse(record.value)}


def _headers_alone(record: Record) -> dict[str, Any]:
    """The attributes of a binary event, known even where the rest can't be read; one that is given twice is not."""
    found: dict[str, Any] = {}
    for name, value in record.headers:
        name = name.lower()  # noqa: PLW2901
        if name == "content-type" and value.startswith(b"application/cloudevents"):
            return {}
        if name.startswith("ce_"):
            attribute = name.removeprefix("ce_")
            found[attribute] = None if attribute in found else value.decode("utf-8", "replace")
    return found


def _readable(event: Mapping[str, Any]) -> dict[str, str]:
    """The attributes that would be good by themselves."""
    good: dict[str, Callable[[str], bool]] = {
        "source": bool,
        "id": bool,
        "subject": lambda text: _NAME.fullmatch(text) is not None,
        "accountid": lambda text: _NAME.fullmatch(text) is not None,
        "time": lambda text: microseconds(text) is not None,
    }
    return {name: event[name] for name in good if isinstance(event.get(name), str) and good[name](event[name])}


def _check_event(event: Any) -> None:
    """Every check of the event by itself, in the order of precedence."""
    _expect(dict, event, "$")
    if where := plaintext_secret(event):
        raise Refused("plaintext_secret", where)
    if where := duplicate_path(event):
        raise Refused("duplicate_member", where)
    _check_envelope(event)
    if event["type"] == "ledger.change.v1":
        _check_change(event["data"])
    elif event["type"] == "ledger.note.v1":
        _check_note(event["data"])
    else:
        raise Refused("unsupported_type", "$.type")


# --- plaintext secrets ---------------------------------------------------------------------------------------------


def plaintext_secret(event: Mapping[str, Any]) -> str | None:
    """Where a secret's value stands in clear: another member of a secret, or a binding of a secret type."""
    for data in _all(event, "data"):
        for aspect in ("bindings", "config"):
            for modes in _all(data, aspect):
                for mode in ("replace", "merge"):
                    for names in _all(modes, mode):
                        found = _plaintext_binding(names) if aspect == "bindings" else _plaintext_config(names)
                        if found:
                            return f"$.data.{aspect}.{mode}.{found}"
    return None


def _all(value: Any, name: str) -> list[Any]:
    """Every value of a member, also where it is given twice: what a parser would drop may be a secret."""
    pairs = getattr(value, "pairs", None) or (value.items() if isinstance(value, dict) else ())
    return [item for key, item in pairs if key == name]


def _plaintext_binding(names: Any) -> str | None:
    for name in names if isinstance(names, dict) else ():
        for binding in _all(names, name):
            if any(type_ in SECRET_TYPES for type_ in _all(binding, "type") if isinstance(type_, str)):
                return str(name)
    return None


def _plaintext_config(names: Any) -> str | None:
    for secrets in _all(names, "secrets"):
        for name in secrets if isinstance(secrets, dict) else ():
            for secret in _all(secrets, name):
                if isinstance(secret, dict):
                    nested = [member for member in secret if member != "algorithm" and isinstance(secret[member], dict)]
                    if other := [member for member in secret if member not in SECRET_MEMBERS] or nested:
                        return f"secrets.{name}.{other[0]}"
                elif secret is not None:
                    return f"secrets.{name}"  # `"KEY": "the value itself"`
    return None


# --- the envelope --------------------------------------------------------------------------------------------------


def _check_envelope(event: dict[str, Any]) -> None:
    _check_attributes(event)
    if event["specversion"] != "1.0":
        raise Refused("bad_value", "$.specversion")
    for name in ("source", "id"):
        if not event[name]:
            raise Refused("bad_value", f"$.{name}")
    for name in ("subject", "accountid"):
        if not _NAME.fullmatch(event[name]):
            raise Refused("bad_value", f"$.{name}")
    if microseconds(event["time"]) is None:
        raise Refused("bad_time", "$.time")


def _check_attributes(event: dict[str, Any]) -> None:
    """All that is required is there, nothing that is no attribute, and all of the right type."""
    for name, value in event.items():
        if not _ATTRIBUTE.fullmatch(name):
            raise Refused("unknown_member", f"$.{name}")
        if name in REQUIRED and name != "data":
            _expect(str, value, f"$.{name}")
        elif name != "data" and not isinstance(value, str | int):
            raise Refused("wrong_type", f"$.{name}")  # an attribute of CloudEvents is text, an integer or a boolean
    for name in REQUIRED:
        if name not in event:
            raise Refused("missing_member", f"$.{name}")


def _expect(kind: type, value: Any, path: str) -> None:
    """Of the JSON type `kind`; true is no integer."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Refused("wrong_type", path)


def _object(value: Any, path: str, known: Sequence[str] | None = None, required: Sequence[str] = ()) -> None:
    """An object with the required members and, where `known` is given, no other than these."""
    _expect(dict, value, path)
    for name in value:
        if known is not None and name not in known:
            raise Refused("unknown_member", f"{path}.{name}")
    for name in required:
        if name not in value:
            raise Refused("missing_member", f"{path}.{name}")


def _digest(value: Any, path: str) -> None:
    _expect(str, value, path)
    if not _DIGEST.fullmatch(value):
        raise Refused("bad_value", path)


# --- data ----------------------------------------------------------------------------------------------------------


def _check_note(data: Any) -> None:
    _object(data, "$.data", ("actor", "interface", "action", "detail"), ("action",))
    _check_who(data)
    _expect(str, data["action"], "$.data.action")


def _check_change(data: Any) -> None:
    known = ("actor", "interface", "message", "tag", *ASPECTS, "activate", "base", *OPERATIONS)
    _object(data, "$.data", known)
    _check_who(data)
    kinds = {"message": str, "tag": str, "activate": bool, "base": str, "rollback_to": str, "delete": bool}
    for name, kind in kinds.items():
        if name in data:
            _expect(kind, data[name], f"$.data.{name}")
    for aspect in ASPECTS:
        if aspect in data:
            _check_aspect(aspect, data[aspect], f"$.data.{aspect}")
    operations = [name for name in OPERATIONS if name in data]
    if operations:
        beside = [name for name in ("activate", "base", *operations[1:]) if name in data]
        if beside or any(data.get(aspect) for aspect in ASPECTS):
            raise Refused("bad_value", "$.data")
        if data.get("delete") is False:
            raise Refused("bad_value", "$.data.delete")
        if "deploy" in data:
            _check_split(data["deploy"])


def _check_who(data: dict[str, Any]) -> None:
    if "interface" in data:
        _expect(str, data["interface"], "$.data.interface")
    elif "actor" not in data:
        raise Refused("missing_member", "$.data.interface")
    if "actor" in data:
        actor = data["actor"]
        _object(actor, "$.data.actor", ("type", "id", "email", "ip", "user_agent", "on_behalf_of"), ("type", "id"))
        for name, value in actor.items():
            _expect(str, value, f"$.data.actor.{name}")
        if actor["type"] not in ("user", "token", "system"):
            raise Refused("bad_value", "$.data.actor.type")
        if "on_behalf_of" in actor and actor["type"] != "token":
            raise Refused("bad_value", "$.data.actor.on_behalf_of")


def _check_split(split: Any) -> None:
    """Percentages from 0 to 100 with at most three decimals, whose sum is exactly 100 in thousandths."""
    _expect(dict, split, "$.data.deploy")
    thousandths = []
    for name, share in split.items():
        if isinstance(share, bool) or not isinstance(share, int | float):
            raise Refused("wrong_type", f"$.data.deploy.{name}")
        thousandths.append(Decimal(repr(share)) * 1000)
        if thousandths[-1] % 1 or not 0 <= share <= 100:
            raise Refused("bad_split", f"$.data.deploy.{name}")
    if sum(thousandths) != 100_000:
        raise Refused("bad_split", "$.data.deploy")


# --- aspects -------------------------------------------------------------------------------------------------------


def _check_aspect(aspect: str, modes: Any, path: str) -> None:
    _object(modes, path, ("replace", "merge"))
    if len(modes) > 1:
        raise Refused("bad_value", path)
    for mode, names in modes.items():
        here = f"{path}.{mode}"
        _expect(dict, names, here)
        for name, value in names.items():
            if _is_removal(mode, value, f"{here}.{name}"):
                continue
            if name in NESTED[aspect]:
                _expect(dict, value, f"{here}.{name}")
                for inner, item in value.items():
                    if not _is_removal(mode, item, f"{here}.{name}.{inner}"):
                        _NESTED_CHECKS[name](item, f"{here}.{name}.{inner}")
            else:
                _check_named(aspect, name, value, f"{here}.{name}")
        if aspect == "code" and mode == "replace":
            check_code(names, here)


def _is_removal(mode: str, value: Any, path: str) -> bool:
    """Whether null removes the name; a `replace` has nothing to remove."""
    if value is None and mode == "replace":
        raise Refused("bad_value", path)
    return value is None


def _check_named(aspect: str, name: str, value: Any, path: str) -> None:
    """The value of one name of an aspect."""
    match aspect:
        case "code" if name == "main":
            _expect(str, value, path)
        case "bindings" | "queues":
            _object(value, path, None, ("type",))
            _expect(str, value["type"], f"{path}.type")
        case "routes":
            _object(value, path, ("zone", "zone_id"))
            for member, text in value.items():
                _expect(str, text, f"{path}.{member}")
        case "domains":
            _object(value, path)
        case "crons":
            _object(value, path, ())
        case "subdomain":
            if name not in ("enabled", "previews_enabled"):
                raise Refused("unknown_member", path)
            _expect(bool, value, path)
        case _:  # code's other members, config, settings: open
            pass


def _check_module(module: Any, path: str) -> None:
    _object(module, path, ("type", "size", "sha256"), ("type", "size", "sha256"))
    _expect(str, module["type"], f"{path}.type")
    _expect(int, module["size"], f"{path}.size")
    if module["size"] < 0:
        raise Refused("bad_value", f"{path}.size")
    _digest(module["sha256"], f"{path}.sha256")


def _check_var(var: Any, path: str) -> None:
    _object(var, path, ("text", "json"))
    if len(var) != 1:
        raise Refused("bad_value" if var else "missing_member", path)
    if "text" in var:
        _expect(str, var["text"], f"{path}.text")


def _check_secret(secret: Any, path: str) -> None:
    if "mac" in secret:
        _digest(secret["mac"], f"{path}.mac")
    if "type" in secret:
        _expect(str, secret["type"], f"{path}.type")
        if secret["type"] not in SECRET_TYPES:
            raise Refused("bad_value", f"{path}.type")


_NESTED_CHECKS: dict[str, Callable[[Any, str], None]] = {
    "modules": _check_module,
    "vars": _check_var,
    "secrets": _check_secret,
}


def check_code(code: Mapping[str, Any], path: str) -> None:
    """Code as it would be stored: not empty, and `main` is one of the modules, absent where there are none."""
    if not code:
        raise Refused("bad_value", path)
    modules = code.get("modules") or {}
    if modules and "main" not in code:
        raise Refused("missing_member", f"{path}.main")
    if "main" in code and code["main"] not in modules:
        raise Refused("bad_value", f"{path}.main")
