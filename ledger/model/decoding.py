"""Decoding: from the bytes of a Kafka record to a checked `Event`, or to the reason why it is refused.

Both CloudEvents 1.0 modes are read: structured (the value is the event; also where a record has no headers) and binary (the
attributes are in `ce_` headers, the value is `data`). Decoding is strict and total: nothing is dropped, guessed or raised.

Two ways lead through here, with the same result. The plain one decodes with msgspec and holds where re-encoding gives the record's
own bytes back. Whatever does not (white space, escapes, repeated names, wide numbers, anything wrong) goes the exact way. What most
events are is read in `quick`, before anybody comes here.
"""

import re
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET

from ledger.model import times
from ledger.model.aspects import ASPECTS, SECRET_TYPES, Patch, check_aspect, located
from ledger.model.binary import Headers, binary_attributes, is_plainly_structured, readable_attributes
from ledger.model.envelope import DATA, NAME, DoubtError, check_envelope, parts_around, read_actor
from ledger.model.events import MAX_EVENT_BYTES, NOTE, ChangeData, Envelope, Event, Known, NoteData, Rejected
from ledger.model.jsontext import Members, has_wide_integer, is_too_deep, parse, to_plain
from ledger.model.reasons import RefusedError, join, refuse
from ledger.model.secrecy import may_hint_at_a_secret, may_hold_a_secret, refuse_plaintext

__all__ = ["NO_HEADERS", "decode"]

NO_HEADERS: Final[tuple[tuple[str, bytes | None], ...]] = ()

_ATTRIBUTE = re.compile(r"[a-z0-9]+")
_MAX_READ_SAFELY: Final = 1024

T = TypeVar("T")
_ATTRIBUTES: Final = frozenset(Envelope.__struct_fields__)
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


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
        attributes = binary_attributes(headers) if not is_plainly_structured(headers) else None
    except RefusedError as error:
        known = _read_safely(Members(readable_attributes(headers)))
        return Rejected(reason=error.reason, known=known, keep=value is None or not may_hint_at_a_secret(value))
    if attributes is None:
        try:
            return _read_plainly(value)
        except (DoubtError, RefusedError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
    return _decode_exactly(value, attributes)


def _read_plainly(text: bytes) -> Event:
    """Decode an event that proves to be exact and has no extension attributes.

    Raises:
        RefusedError, DoubtError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError: the exact way tells why.
    """
    tree = _decode_any(text)
    if _encode(tree) != text or has_wide_integer(text) or is_too_deep(text):
        raise DoubtError
    if not isinstance(tree, dict) or not _ATTRIBUTES.issuperset(tree):
        raise DoubtError
    return _read(text, tree)


def _read(text: bytes, tree: Any) -> Event:
    """Check an event that is known to be exact, step by step, so that the first broken rule is the one that is named.

    Args:
        text: the event, compact JSON.
        tree: the same, decoded.

    Raises:
        RefusedError: a rule is broken.
    """
    envelope = _typed(Envelope, tree, "$")
    time = check_envelope(envelope)
    data: ChangeData | NoteData
    data = (
        _typed(NoteData, envelope.data, "$.data")
        if envelope.type == NOTE
        else _typed(ChangeData, envelope.data, "$.data")
    )
    actor_json = b"" if data.actor is UNSET else _encode(data.actor)
    actor = read_actor(actor_json) if actor_json else None
    if actor is None and data.interface is UNSET:
        raise refuse("missing_member", "$.data.interface", "an event says who (actor) or at least how (interface)")
    parts = _parts(text, tree, actor_json)
    names = (envelope.accountid, envelope.subject, envelope.source, envelope.id)
    if isinstance(data, NoteData):
        return Event(*names, time, actor, actor_json, {}, *parts, is_note=True)
    patches = _read_patches(data)
    return Event(
        *names,
        time,
        actor,
        actor_json,
        patches,
        *parts,
        False,
        data.activate is not False,
        None if data.base is UNSET else data.base,
        _read_operation(data),
        None if data.rollback_to is UNSET else data.rollback_to,
        data.delete is True,
    )


def _read_patches(data: ChangeData) -> dict[str, Patch]:
    patches: dict[str, Patch] = {}
    for aspect in ASPECTS:
        content = getattr(data, aspect)
        if content is UNSET:
            continue
        patch = check_aspect(aspect, content)
        if patch is not None:
            patches[aspect] = patch
            if aspect == "bindings":
                _check_plaintext(patch)
    return patches


def _typed(kind: type[T], value: Any, path: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise located(error, path) from None


def _parts(text: bytes, tree: dict[str, Any], actor_json: bytes) -> tuple[bytes, bytes, bytes]:
    """An event around its actor; see `parts_around`."""
    data = tree["data"]
    is_plain = next(reversed(tree)) == "data" and (not actor_json or next(iter(data)) == "actor")
    return parts_around(text, actor_json) if is_plain else _parts_in_any_order(tree)


def _parts_in_any_order(tree: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    """The same, members in the order received (but `data` last)."""
    event = {name: value for name, value in tree.items() if name != "data"}
    data = tree["data"]
    attributes = _encode(event)[:-1] + DATA
    if "actor" not in data:
        return attributes, _encode(data), b""
    names = list(data)
    place = names.index("actor")
    before = _encode({name: data[name] for name in names[:place]})[:-1] + (b"," if place else b"") + b'"actor":'
    rest = _encode({name: data[name] for name in names[place + 1 :]})
    return attributes, before, (b"," + rest[1:] if place + 1 < len(names) else b"}")


def _read_operation(data: ChangeData) -> dict[str, int] | None:
    """Check that an event does one thing, and read `deploy`."""
    named = (data.deploy is not UNSET) + (data.rollback_to is not UNSET) + (data.delete is not UNSET)
    if not named:
        return None
    if named > 1 or any(getattr(data, name) is not UNSET for name in (*ASPECTS, "activate", "base")):
        raise refuse("bad_value", "$.data", "aspects, deploy, rollback_to and delete exclude each other")
    if data.delete is False:
        raise refuse("bad_value", "$.data.delete", "delete is true or absent")
    return None if data.deploy is UNSET else _check_split(data.deploy)


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
    known = Known() if attributes is None else _read_safely(Members(attributes.items()))
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
        text = _encode(event)
        return _read(text, _decode_any(text))
    except RefusedError as error:
        return Rejected(reason=error.reason, known=known, keep=keep and error.reason.code != "plaintext_secret")


def _check_extensions(event: dict[str, Any]) -> None:
    for name, value in event.items():
        if name not in _ATTRIBUTES:
            if not _ATTRIBUTE.fullmatch(name):
                raise refuse("unknown_member", join("$", name), "no CloudEvents attribute has such a name")
            if isinstance(value, dict | list | float | None):
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
