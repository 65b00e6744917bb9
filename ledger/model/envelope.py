"""What every event has: checking its CloudEvents attributes and who acted. On the path of every record, so it remembers much.

Source: CloudEvents 1.0.2, sections 3 and 4; the names of accounts and scripts are this format's own.
"""

import re
from typing import Final, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from ledger.model import times
from ledger.model.aspects import located
from ledger.model.events import CHANGE, NAME_PATTERN, NOTE, Actor
from ledger.model.reasons import join, refuse

__all__ = ["ACTOR_FIRST", "DATA", "NAME", "DoubtError", "check_envelope", "parts_around", "read_actor"]

NAME: Final = re.compile(NAME_PATTERN)
DATA: Final = b',"data":'
ACTOR_FIRST: Final = b'{"actor":'
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_JSON_TYPE = re.compile(r"application/(?:[A-Za-z0-9.+-]+\+)?json(?:\s*;.*)?", re.IGNORECASE)
_REMEMBERED: Final = 65_536

_decode_actor = msgspec.json.Decoder(Actor).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_names: set[str] = set()
"""Names of scripts and accounts that were checked. The same few come again and again; likewise actors, by their bytes."""
_actors: dict[bytes, Actor] = {}


class Attributes(Protocol):
    """The attributes of an event."""

    @property
    def specversion(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def time(self) -> str: ...
    @property
    def accountid(self) -> str: ...
    @property
    def datacontenttype(self) -> str | UnsetType: ...


class DoubtError(Exception):
    """A fast way cannot vouch for this record: the exact way has to read it."""


def check_envelope(envelope: Attributes) -> times.Time:
    """Check the attributes of an event, and read its time.

    Raises:
        RefusedError: a rule is broken.
    """
    if envelope.specversion != "1.0":
        raise refuse("bad_value", "$.specversion", "the only CloudEvents version read is 1.0")
    source, identifier = envelope.source, envelope.id
    if not _is_text(source) or not _is_text(identifier):
        raise refuse(
            "bad_value", join("$", "id" if _is_text(source) else "source"), "must not be empty or hold controls"
        )
    if not (envelope.subject in _names and envelope.accountid in _names):
        _check_name("subject", envelope.subject)
        _check_name("accountid", envelope.accountid)
    content_type = envelope.datacontenttype
    if content_type is not UNSET and content_type != "application/json" and not _JSON_TYPE.fullmatch(content_type):
        raise refuse("bad_value", "$.datacontenttype", "data must be JSON")
    try:
        time = times.parse(envelope.time)
    except ValueError:
        raise refuse("bad_time", "$.time", "must be RFC 3339 in UTC with Z and at most six fractional digits") from None
    if envelope.type not in (CHANGE, NOTE):
        raise refuse("unsupported_type", "$.type", f"only {CHANGE} and {NOTE} are known")
    return time


def _is_text(text: str) -> bool:
    return text != "" and ((text.isascii() and text.isprintable()) or not _CONTROL.search(text))


def _check_name(attribute: str, text: str) -> None:
    if not NAME.fullmatch(text):
        detail = "1 to 255 of A-Z a-z 0-9 . _ - of which the first is a letter, a digit or _"
        raise refuse("bad_value", join("$", attribute), detail)
    if len(_names) >= _REMEMBERED:
        _names.clear()
    _names.add(text)


def read_actor(raw: bytes) -> Actor:
    """Read who acted.

    Raises:
        RefusedError: a rule is broken.
        DoubtError: the bytes are not exact.
    """
    actor = _actors.get(raw)
    if actor is None:
        try:
            actor = _decode_actor(raw)
        except msgspec.ValidationError as error:
            raise located(error, "$.data.actor") from None
        if _encode(_decode_any(raw)) != raw:
            raise DoubtError
        if actor.on_behalf_of is not UNSET and actor.type != "token":
            raise refuse("bad_value", "$.data.actor.on_behalf_of", "only a token acts on behalf of someone")
        if len(_actors) >= _REMEMBERED:
            _actors.clear()
        _actors[raw] = actor
    return actor


def parts_around(text: bytes, actor: bytes) -> tuple[bytes, bytes, bytes]:
    """An event around its actor (requires exact bytes: then `data` is its last member, and the actor the first of `data`).

    Returns:
        The event up to and without the value of `data`; that value up to and without the actor's; the rest of it.
    """
    place = text.index(DATA) + len(DATA)  # inside a string the quotes would be escaped
    if not actor:
        return text[:place], text[place:-1], b""
    return text[:place], ACTOR_FIRST, text[place + len(ACTOR_FIRST) + len(actor) : -1]
