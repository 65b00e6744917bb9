"""Decoding: from the bytes of a Kafka record to a checked `Event`, or to the reason why it is refused.

Both CloudEvents 1.0 modes are read: structured (the value is the event; also where a record has no headers) and binary (the
attributes are in `ce_` headers, the value is `data`). Decoding is strict and total: nothing is dropped, guessed or raised.

Three ways lead through here, with the same result. Two decode with msgspec and hold where re-encoding gives the record's own
bytes back: `quick` for code alone, `_read_typed` for any change. Whatever does not (white space, escapes, repeated names, wide
numbers, anything wrong) goes the exact way.
"""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET

from ledger.model import times
from ledger.model.aspects import ASPECTS, SECRET_TYPES, Patch, check_aspect, located
from ledger.model.binary import STRUCTURED, Headers, binary_attributes
from ledger.model.envelope import NAME, DoubtError, check_envelope, parts_around, read_actor
from ledger.model.events import (
    NOTE,
    ChangeData,
    ChangeEvent,
    Envelope,
    Event,
    Known,
    NoteData,
    Rejected,
)
from ledger.model.jsontext import Members, has_wide_integer, is_too_deep, parse, to_plain
from ledger.model.quick import read_code_change
from ledger.model.reasons import RefusedError, join, refuse
from ledger.model.secrecy import may_hint_at_a_secret, may_hold_a_secret, refuse_plaintext

__all__ = ["MAX_EVENT_BYTES", "NO_HEADERS", "decode"]

MAX_EVENT_BYTES: Final = 1 << 20
NO_HEADERS: Final[tuple[tuple[str, bytes | None], ...]] = ()

_ATTRIBUTE = re.compile(r"[a-z0-9]+")
_MAX_READ_SAFELY: Final = 1024

_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_change = msgspec.json.Decoder(ChangeData).decode
_decode_change_event = msgspec.json.Decoder(ChangeEvent).decode
_decode_note = msgspec.json.Decoder(NoteData).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


_PLAINLY_STRUCTURED: Final = (("content-type", STRUCTURED.encode()),)
_AROUND_AN_ASPECT: Final = 2
"""How many objects an aspect lies in: the event and its `data`."""


def decode(value: bytes | None, headers: Headers = NO_HEADERS) -> Event | Rejected:
    """Decode one Kafka record.

    Args:
        value: the record's value; None where the record has none.
        headers: the record's headers.
    """
    try:
        if value is None:
            raise refuse("malformed_json", "$", "the record has no value")
        if len(value) > MAX_EVENT_BYTES:
            raise refuse("too_large", "$", f"an event has at most {MAX_EVENT_BYTES} bytes")
        attributes = binary_attributes(headers) if headers and headers != _PLAINLY_STRUCTURED else None
    except RefusedError as error:
        return Rejected(reason=error.reason, keep=value is None or not may_hint_at_a_secret(value))
    if attributes is None:
        try:
            return read_code_change(value) or _read_typed(value)
        except (DoubtError, RefusedError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
    return _decode_exactly(value, attributes)


def _read_typed(text: bytes) -> Event:
    """Decode a change event in one go; it must prove to be exact.

    Raises:
        RefusedError, DoubtError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError: the exact way tells why.
    """
    envelope = _decode_change_event(text)
    if _encode(envelope) != text:
        raise DoubtError
    time = check_envelope(envelope)
    data = envelope.data
    actor_json = b"" if data.actor is UNSET else bytes(data.actor)
    return _event(envelope, time, data, actor_json, parts_around(text, actor_json), exact=False)


def _read_exactly(text: bytes) -> Event:
    """Decode compact JSON that is known to be exact, step by step, so that the first broken rule is the one that is named.

    Raises:
        RefusedError: a rule is broken.
    """
    envelope = _typed(_decode_envelope, text, "$")
    time = check_envelope(envelope)
    raw = bytes(envelope.data)
    data: ChangeData | NoteData
    data = _typed(_decode_note, raw, "$.data") if envelope.type == NOTE else _typed(_decode_change, raw, "$.data")
    actor_json = b"" if data.actor is UNSET else bytes(data.actor)
    return _event(envelope, time, data, actor_json, _generic_parts(text), exact=True)


def _event(
    envelope: Envelope | ChangeEvent,
    time: times.Time,
    data: ChangeData | NoteData,
    actor_json: bytes,
    parts: tuple[bytes, bytes, bytes],
    *,
    exact: bool,
) -> Event:
    actor = read_actor(actor_json) if actor_json else None
    if actor is None and data.interface is UNSET:
        raise refuse("missing_member", "$.data.interface", "an event says who (actor) or at least how (interface)")
    account, subject = envelope.accountid, envelope.subject
    if isinstance(data, NoteData):
        return Event(account, subject, envelope.source, envelope.id, time, actor, actor_json, {}, *parts, is_note=True)
    patches = _read_patches(data, exact=exact)
    return Event(
        account,
        subject,
        envelope.source,
        envelope.id,
        time,
        actor,
        actor_json,
        patches,
        *parts,
        False,
        data.activate is not False,
        None if data.base is UNSET else data.base,
        _read_operation(data, exact=exact),
        None if data.rollback_to is UNSET else data.rollback_to,
        data.delete is True,
    )


def _read_patches(data: ChangeData, *, exact: bool) -> dict[str, Patch]:
    patches: dict[str, Patch] = {}
    for aspect in ASPECTS:
        content = getattr(data, aspect)
        if content is UNSET:
            continue
        raw = bytes(content)
        patch = check_aspect(aspect, _open(raw, exact=exact))
        if patch is not None:
            patches[aspect] = patch
            if aspect == "bindings":
                _check_plaintext(patch)
    return patches


def _open(raw: bytes, *, exact: bool) -> Any:
    """Decode an open part of an event; it must be exact."""
    value = _decode_any(raw)
    if not exact and (_encode(value) != raw or has_wide_integer(raw) or is_too_deep(raw, _AROUND_AN_ASPECT)):
        raise DoubtError
    return value


def _typed(decoder: Callable[[bytes], Any], text: bytes, path: str) -> Any:
    try:
        return decoder(text)
    except msgspec.ValidationError as error:
        raise located(error, path) from None


def _generic_parts(text: bytes) -> tuple[bytes, bytes, bytes]:
    """An event around its actor, members in the order received (but `data` last)."""
    event = _decode_any(text)
    data = event.pop("data")
    attributes = _encode(event)[:-1] + b',"data":'
    if "actor" not in data:
        return attributes, _encode(data), b""
    names = list(data)
    place = names.index("actor")
    before = _encode({name: data[name] for name in names[:place]})[:-1] + (b"," if place else b"") + b'"actor":'
    rest = _encode({name: data[name] for name in names[place + 1 :]})
    return attributes, before, (b"," + rest[1:] if place + 1 < len(names) else b"}")


def _read_operation(data: ChangeData, *, exact: bool) -> dict[str, int] | None:
    """Check that an event does one thing, and read `deploy`."""
    named = (data.deploy is not UNSET) + (data.rollback_to is not UNSET) + (data.delete is not UNSET)
    if not named:
        return None
    if named > 1 or any(getattr(data, name) is not UNSET for name in (*ASPECTS, "activate", "base")):
        raise refuse("bad_value", "$.data", "aspects, deploy, rollback_to and delete exclude each other")
    if data.delete is False:
        raise refuse("bad_value", "$.data.delete", "delete is true or absent")
    return None if data.deploy is UNSET else _check_split(_open(bytes(data.deploy), exact=exact))


def _check_split(split: Any) -> dict[str, int]:
    path = "$.data.deploy"
    if not isinstance(split, dict):
        raise refuse("wrong_type", path, "the value is of the wrong type")
    thousandths = {}
    for version, share in split.items():
        if isinstance(share, bool) or not isinstance(share, int | float):
            raise refuse("wrong_type", join(path, version), "a percentage is a number")
        if not 0 <= share <= 100:
            raise refuse("bad_split", join(path, version), "a percentage lies between 0 and 100")
        thousandths[version] = round(share * 1000)
        if thousandths[version] / 1000 != share:
            raise refuse("bad_split", join(path, version), "a percentage has at most three decimals")
    if sum(thousandths.values()) != 100_000:
        raise refuse("bad_split", path, "the percentages must add up to exactly 100")
    return thousandths


def _check_plaintext(patch: Patch) -> None:
    """On the fast way: a binding of a secret type (other plaintext secrets fail their type's check already)."""
    for name, value in patch.names.items():
        if value is not None and value["type"] in SECRET_TYPES:
            raise refuse(
                "plaintext_secret", join("$.data.bindings", name), "a secret belongs under config.secrets, as a MAC"
            )


# --- the exact way ---------------------------------------------------------------------------------------------------------------


def _decode_exactly(value: bytes, attributes: dict[str, str] | None) -> Event | Rejected:
    known = Known()
    keep = not may_hint_at_a_secret(value)
    try:
        tree = parse(value)
        if attributes is not None:
            tree = Members([*attributes.items(), ("data", tree)])
        known = _read_safely(tree)
        keep = not may_hold_a_secret(tree)
        refuse_plaintext(tree)
        event = to_plain(tree)
        if not isinstance(event, dict):
            raise refuse("wrong_type", "$", "an event is an object")
        _check_extensions(event)
        return _read_exactly(_encode(event))
    except RefusedError as error:
        return Rejected(reason=error.reason, known=known, keep=keep and error.reason.code != "plaintext_secret")


def _check_extensions(event: dict[str, Any]) -> None:
    for name, value in event.items():
        if name not in Envelope.__struct_fields__:
            if not _ATTRIBUTE.fullmatch(name):
                raise refuse("unknown_member", join("$", name), "no CloudEvents attribute has such a name")
            if isinstance(value, dict | list | float):
                raise refuse("wrong_type", join("$", name), "an attribute is a string, an integer or a boolean")


def _read_safely(tree: Any) -> Known:
    names = [name for name, _ in tree] if isinstance(tree, Members) else []

    def text(name: str) -> str | None:
        value = dict(tree)[name] if names.count(name) == 1 else None
        return value if isinstance(value, str) and 0 < len(value) <= _MAX_READ_SAFELY else None

    account, subject = text("accountid"), text("subject")
    return Known(
        source=text("source"),
        id=text("id"),
        subject=subject if subject and NAME.fullmatch(subject) else None,
        time=_readable_time(text("time")),
        account=account if account and NAME.fullmatch(account) else None,
    )


def _readable_time(text: str | None) -> str | None:
    try:
        return times.parse(text).text if text else None
    except ValueError:
        return None
