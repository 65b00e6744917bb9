"""Change events: from the bytes of a Kafka record to a checked `Event`, or to the reason why it is refused.

Both CloudEvents 1.0 modes are read: structured (the value is the event; also where a record has no headers) and binary (the
attributes are in `ce_` headers, the value is `data`). Decoding is strict and total: nothing is dropped, guessed or raised.

Two ways lead through here, with the same result. The fast one decodes with msgspec and holds where re-encoding gives the
record's own bytes back. Whatever does not (white space, escapes, repeated names, wide numbers, anything wrong) goes the exact way.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from ledger.model import times
from ledger.model.aspects import ASPECTS, SECRET_TYPES, Patch, check_aspect, is_valid_secret, located
from ledger.model.jsontext import Members, has_wide_integer, is_too_deep, parse, to_plain, walk
from ledger.model.reasons import Reason, RefusedError, join, refuse

__all__ = [
    "CHANGE",
    "MAX_EVENT_BYTES",
    "NOTE",
    "NO_HEADERS",
    "Actor",
    "ChangeData",
    "Envelope",
    "Event",
    "Headers",
    "Known",
    "NoteData",
    "Rejected",
    "decode",
]

CHANGE: Final = "ledger.change.v1"
NOTE: Final = "ledger.note.v1"
MAX_EVENT_BYTES: Final = 1 << 20
STRUCTURED: Final = "application/cloudevents+json"

Headers = Iterable[tuple[str, bytes | None]]
NO_HEADERS: Final[tuple[tuple[str, bytes | None], ...]] = ()

NAME_PATTERN: Final = "[A-Za-z0-9_][A-Za-z0-9._-]{0,254}"
"""Of accounts and scripts."""

_NAME = re.compile(NAME_PATTERN)
_ATTRIBUTE = re.compile(r"[a-z0-9]+")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_JSON_TYPE = re.compile(r"application/(?:[A-Za-z0-9.+-]+\+)?json(?:\s*;.*)?", re.IGNORECASE)
_HINTS_OF_A_SECRET = re.compile(rb"secret|\\u", re.IGNORECASE)
_MAX_READ_SAFELY: Final = 1024

Id = Annotated[str, Meta(min_length=1)]


class Actor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who did it. Everything here is personal data: entries hold it sealed."""

    type: Literal["user", "token", "system"]
    id: Id
    email: str | UnsetType = UNSET
    ip: str | UnsetType = UNSET
    user_agent: str | UnsetType = UNSET
    on_behalf_of: Id | UnsetType = UNSET


class Envelope(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """The CloudEvents attributes that every event has, in the order in which producers usually write them."""

    specversion: str
    type: str
    source: str
    id: str
    subject: str
    time: str
    accountid: str
    datacontenttype: str | UnsetType = UNSET
    dataschema: str | UnsetType = UNSET
    data: Raw


class ChangeData(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """`data` of a change event; aspects are parsed only where present."""

    actor: Raw | UnsetType = UNSET
    interface: Id | UnsetType = UNSET
    message: str | UnsetType = UNSET
    tag: str | UnsetType = UNSET
    activate: bool | UnsetType = UNSET
    base: Id | UnsetType = UNSET
    code: Raw | UnsetType = UNSET
    bindings: Raw | UnsetType = UNSET
    config: Raw | UnsetType = UNSET
    routes: Raw | UnsetType = UNSET
    domains: Raw | UnsetType = UNSET
    crons: Raw | UnsetType = UNSET
    queues: Raw | UnsetType = UNSET
    subdomain: Raw | UnsetType = UNSET
    settings: Raw | UnsetType = UNSET
    deploy: Raw | UnsetType = UNSET
    rollback_to: Id | UnsetType = UNSET
    delete: bool | UnsetType = UNSET


class NoteData(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """`data` of an operator's note."""

    actor: Raw | UnsetType = UNSET
    interface: Id | UnsetType = UNSET
    action: Id
    detail: Raw | UnsetType = UNSET


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record that was decoded: a change of one script, or an operator's note."""

    account: str
    subject: str
    source: str
    id: str
    time: times.Time
    is_note: bool
    actor: Actor | None
    actor_json: bytes
    """The actor as it was sent (compact JSON), empty where there is none: what is sealed."""
    patches: Mapping[str, Patch]
    """Aspect to patch; an aspect that names nothing is absent."""
    activate: bool
    base: str | None
    deploy: Mapping[str, int] | None
    """Version id to thousandths of a per cent."""
    rollback_to: str | None
    delete: bool
    encode: Callable[[bytes], tuple[bytes, bytes]]
    """With the sealed actor's JSON: (the event's JSON up to and without `data`'s value, the value of `data`)."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What could be read safely of a rejected record; None where it could not."""

    source: str | None = None
    id: str | None = None
    subject: str | None = None
    time: str | None = None
    account: str | None = None


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A record that was refused."""

    reason: Reason
    known: Known = Known()
    keep: bool
    """Whether the raw bytes may be kept in quarantine: never where they may hold a secret's value."""


_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_change = msgspec.json.Decoder(ChangeData).decode
_decode_note = msgspec.json.Decoder(NoteData).decode
_decode_actor = msgspec.json.Decoder(Actor).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class _DoubtError(Exception):
    """The fast way cannot vouch for this record."""


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
        attributes = _binary_attributes(headers) if headers else None
    except RefusedError as error:
        return Rejected(reason=error.reason, keep=value is None or not _HINTS_OF_A_SECRET.search(value))
    if attributes is None:
        try:
            return _read(value, exact=False)
        except (_DoubtError, RefusedError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass
    return _decode_exactly(value, attributes)


def _read(text: bytes, *, exact: bool) -> Event:
    """Decode compact JSON; with `exact` false it must prove to be exact on the way.

    Raises:
        RefusedError: a rule is broken.
        _DoubtError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError: only with `exact` false.
    """
    envelope = _typed(_decode_envelope, text, "$") if exact else _decode_envelope(text)
    if not exact and (_encode(envelope) != text or is_too_deep(text)):
        raise _DoubtError
    time = _check_envelope(envelope)
    raw = bytes(envelope.data)
    if envelope.type == NOTE:
        note = _typed(_decode_note, raw, "$.data") if exact else _decode_note(raw)
        _prove(note, raw, [note.detail] if note.detail is not UNSET else [], exact=exact)
        return _event(text, envelope, note, time, {}, exact=exact)
    data = _typed(_decode_change, raw, "$.data") if exact else _decode_change(raw)
    patches = {}
    if not exact and _encode(data) != raw:
        raise _DoubtError
    for aspect in ASPECTS:
        content = getattr(data, aspect)
        if content is not UNSET:
            patch = check_aspect(aspect, _open(bytes(content), aspect, exact=exact))
            if patch is not None:
                patches[aspect] = patch
    _check_plaintext(patches)
    return _event(text, envelope, data, time, patches, exact=exact)


def _open(raw: bytes, aspect: str, *, exact: bool) -> Any:
    value = _decode_any(raw)
    if not exact and (_encode(value) != raw or (aspect != "code" and has_wide_integer(raw))):
        raise _DoubtError
    return value


def _prove(data: msgspec.Struct, raw: bytes, open_parts: list[Any], *, exact: bool) -> None:
    if not exact and (
        _encode(data) != raw
        or any(_encode(_decode_any(part)) != part or has_wide_integer(part) for part in map(bytes, open_parts))
    ):
        raise _DoubtError


def _typed(decoder: Callable[[bytes], Any], text: bytes, path: str) -> Any:
    try:
        return decoder(text)
    except msgspec.ValidationError as error:
        raise located(error, path) from None


def _event(
    text: bytes,
    envelope: Envelope,
    data: Any,
    time: times.Time,
    patches: dict[str, Patch],
    *,
    exact: bool,
) -> Event:
    actor, actor_json = _check_actor(data, exact=exact)
    if actor is None and data.interface is UNSET:
        raise refuse("missing_member", "$.data.interface", "an event says who (actor) or at least how (interface)")
    is_note = isinstance(data, NoteData)
    deploy = None if is_note else _check_operation(data, exact=exact)
    if (
        not is_note
        and (deploy is not None or data.rollback_to is not UNSET or data.delete is not UNSET)
        and _has_aspects(data)
    ):
        raise refuse("bad_value", "$.data", "aspects, deploy, rollback_to and delete exclude each other")
    return Event(
        account=envelope.accountid,
        subject=envelope.subject,
        source=envelope.source,
        id=envelope.id,
        time=time,
        is_note=is_note,
        actor=actor,
        actor_json=actor_json,
        patches=patches,
        activate=is_note or data.activate is not False,
        base=None if is_note or data.base is UNSET else data.base,
        deploy=deploy,
        rollback_to=None if is_note or data.rollback_to is UNSET else data.rollback_to,
        delete=not is_note and data.delete is True,
        encode=_Generic(text) if exact else _Typed(envelope, data),
    )


class _Typed:
    """Encodes an event that came the fast way: its own bytes, only the actor replaced."""

    __slots__ = ("data", "envelope")

    def __init__(self, envelope: Envelope, data: Any) -> None:
        self.envelope = envelope
        self.data = data

    def __call__(self, actor: bytes) -> tuple[bytes, bytes]:
        data = bytes(self.envelope.data)
        if actor:
            self.data.actor = Raw(actor)
            data = _encode(self.data)
        return _encode(self.envelope)[: -len(self.envelope.data) - 1], data


class _Generic:
    """Encodes an event that came the exact way: members in the order received."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text = text

    def __call__(self, actor: bytes) -> tuple[bytes, bytes]:
        event = _decode_any(self.text)
        data = event.pop("data")
        if actor:
            data["actor"] = Raw(actor)
        return _encode(event)[:-1] + b',"data":', _encode(data)


def _has_aspects(data: ChangeData) -> bool:
    return any(getattr(data, name) is not UNSET for name in (*ASPECTS, "activate", "base"))


def _check_envelope(envelope: Envelope) -> times.Time:
    if envelope.specversion != "1.0":
        raise refuse("bad_value", "$.specversion", "the only CloudEvents version read is 1.0")
    for name in ("source", "id"):
        text = getattr(envelope, name)
        if not text or _CONTROL.search(text):
            raise refuse("bad_value", join("$", name), "must not be empty or hold control characters")
    for name in ("subject", "accountid"):
        if not _NAME.fullmatch(getattr(envelope, name)):
            raise refuse(
                "bad_value",
                join("$", name),
                "1 to 255 of A-Z a-z 0-9 . _ - of which the first is a letter, a digit or _",
            )
    if envelope.datacontenttype is not UNSET and not _JSON_TYPE.fullmatch(envelope.datacontenttype):
        raise refuse("bad_value", "$.datacontenttype", "data must be JSON")
    try:
        time = times.parse(envelope.time)
    except ValueError:
        raise refuse("bad_time", "$.time", "must be RFC 3339 in UTC with Z and at most six fractional digits") from None
    if envelope.type not in (CHANGE, NOTE):
        raise refuse("unsupported_type", "$.type", f"only {CHANGE} and {NOTE} are known")
    return time


def _check_actor(data: Any, *, exact: bool) -> tuple[Actor | None, bytes]:
    if data.actor is UNSET:
        return None, b""
    raw = bytes(data.actor)
    actor: Actor = _typed(_decode_actor, raw, "$.data.actor")
    if not exact and _encode(_decode_any(raw)) != raw:
        raise _DoubtError
    if actor.on_behalf_of is not UNSET and actor.type != "token":
        raise refuse("bad_value", "$.data.actor.on_behalf_of", "only a token acts on behalf of someone")
    return actor, raw


def _check_operation(data: ChangeData, *, exact: bool) -> dict[str, int] | None:
    named = [name for name in ("deploy", "rollback_to", "delete") if getattr(data, name) is not UNSET]
    if len(named) > 1:
        raise refuse("bad_value", "$.data", "deploy, rollback_to and delete exclude each other")
    if data.delete is False:
        raise refuse("bad_value", "$.data.delete", "delete is true or absent")
    if data.deploy is UNSET:
        return None
    return _check_split(_open(bytes(data.deploy), "deploy", exact=exact))


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


def _check_plaintext(patches: dict[str, Patch]) -> None:
    """On the fast way: a binding of a secret type (other plaintext secrets fail their type's check already)."""
    if "bindings" in patches:
        for name, value in patches["bindings"].names.items():
            if value is not None and value["type"] in SECRET_TYPES:
                raise refuse("plaintext_secret", f"$.data.bindings.{name}", "")


# --- the exact way ---------------------------------------------------------------------------------------------------------------


def _decode_exactly(value: bytes, attributes: dict[str, str] | None) -> Event | Rejected:
    known = Known()
    keep = not _HINTS_OF_A_SECRET.search(value)
    try:
        tree = parse(value)
        if attributes is not None:
            tree = Members([*attributes.items(), ("data", tree)])
        known = _read_safely(tree)
        keep = not _may_hold_a_secret(tree)
        _refuse_plaintext(tree)
        event = to_plain(tree)
        if not isinstance(event, dict):
            raise refuse("wrong_type", "$", "an event is an object")
        _check_extensions(event)
        return _read(_encode(event), exact=True)
    except RefusedError as error:
        return Rejected(reason=error.reason, known=known, keep=keep and error.reason.code != "plaintext_secret")


def _binary_attributes(headers: Headers) -> dict[str, str] | None:
    """The attributes of an event in binary mode, in canonical order; None where the mode is structured.

    Raises:
        RefusedError: an attribute occurs twice or is not UTF-8, or the content type is not one that is read.
    """
    found: dict[str, str] = {}
    content_type = None
    for name, value in headers:
        lower = name.lower()
        if lower == "content-type":
            content_type = (value or b"").decode("latin-1").strip()
        elif lower.startswith("ce_"):
            attribute = lower[3:]
            if attribute in found:
                raise refuse("duplicate_member", join("$", attribute), "the attribute's header occurs twice")
            try:
                found[attribute] = (value or b"").decode()
            except UnicodeDecodeError:
                raise refuse("not_utf8", join("$", attribute), "the attribute's header is not UTF-8") from None
    if content_type is not None and content_type.lower().startswith("application/cloudevents"):
        if content_type.partition(";")[0].strip().lower() != STRUCTURED:
            raise refuse("bad_value", "$", f"of the structured modes only {STRUCTURED} is read")
        return None
    if not found:
        return None
    if content_type is not None:
        found["datacontenttype"] = content_type
    first = [name for name in Envelope.__struct_fields__ if name in found]
    return {name: found[name] for name in (*first, *sorted(set(found) - set(first)))}


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
        subject=subject if subject and _NAME.fullmatch(subject) else None,
        time=_readable_time(text("time")),
        account=account if account and _NAME.fullmatch(account) else None,
    )


def _readable_time(text: str | None) -> str | None:
    try:
        return times.parse(text).text if text else None
    except ValueError:
        return None


def _refuse_plaintext(tree: Any) -> None:
    """Refuse an event that holds a secret's value where the format has secrets, repeated members included."""
    for data in _all(tree, "data"):
        for verb in ("replace", "merge"):
            for bindings in _each(data, "bindings", verb):
                _refuse_plaintext_bindings(bindings, f"$.data.bindings.{verb}")
            for config in _each(data, "config", verb):
                _refuse_plaintext_config(config, f"$.data.config.{verb}")


def _refuse_plaintext_bindings(bindings: Members, path: str) -> None:
    for name, binding in bindings:
        if any(kind in SECRET_TYPES for kind in _all(binding, "type") if isinstance(kind, str)):
            raise refuse("plaintext_secret", join(path, name), "a secret belongs under config.secrets, as a MAC")


def _refuse_plaintext_config(config: Members, path: str) -> None:
    for secrets in _all(config, "secrets"):
        for name, secret in secrets if isinstance(secrets, Members) else ():
            if secret is not None and not _is_secret_shaped(secret):
                place = join(join(path, "secrets"), name)
                raise refuse("plaintext_secret", place, "a secret is sent as a MAC of its value, and as nothing else")


def _is_secret_shaped(secret: Any) -> bool:
    allowed = {"mac", "type", "algorithm", "format", "usages"}
    return isinstance(secret, Members) and all(name in allowed for name, _ in secret)


def _may_hold_a_secret(tree: Any) -> bool:
    """Whether anything, anywhere, could be a secret's value: then the bytes are not kept. Errs on the side of yes."""
    if isinstance(tree, str | None):
        return tree is not None
    for _, name, value in walk(tree):
        folded = name.lower()
        if folded == "type" and isinstance(value, str) and value in SECRET_TYPES:
            return True
        if "secret" in folded and not _is_harmless(value):
            return True
    return False


def _is_harmless(secrets: Any) -> bool:
    """Whether a member named like secrets holds valid ones only."""
    if not isinstance(secrets, Members):
        return secrets is None
    names = [name for name, _ in secrets]
    return len(set(names)) == len(names) and all(
        value is None
        or (isinstance(value, Members) and len(dict(value)) == len(value) and is_valid_secret(dict(value)))
        for _, value in secrets
    )


def _all(tree: Any, name: str) -> list[Any]:
    return [value for member, value in tree if member == name] if isinstance(tree, Members) else []


def _each(data: Any, aspect: str, verb: str) -> list[Members]:
    return [inner for part in _all(data, aspect) for inner in _all(part, verb) if isinstance(inner, Members)]
