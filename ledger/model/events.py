"""Change events: what a record holds once it is decoded, and what is known of one that was refused."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ledger.model import times
from ledger.model.aspects import Patch
from ledger.model.reasons import Reason

__all__ = [
    "CHANGE",
    "MAX_EVENT_BYTES",
    "NAME_PATTERN",
    "NOTE",
    "Actor",
    "ChangeData",
    "Envelope",
    "Event",
    "Id",
    "Known",
    "NoteData",
    "Rejected",
]

CHANGE: Final = "ledger.change.v1"
NOTE: Final = "ledger.note.v1"

MAX_EVENT_BYTES: Final = 1 << 20

NAME_PATTERN: Final = "[A-Za-z0-9_][A-Za-z0-9._-]{0,254}"
"""Of accounts and scripts."""

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
    """The CloudEvents attributes that every event has, in the order in which producers usually write them; `data` is not checked yet."""

    specversion: str
    type: str
    source: str
    id: str
    subject: str
    time: str
    accountid: str
    datacontenttype: str | UnsetType = UNSET
    dataschema: str | UnsetType = UNSET
    data: Any


class ChangeData(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """`data` of a change event; actor, aspects and `deploy` are checked in steps of their own."""

    actor: Any = UNSET
    interface: Id | UnsetType = UNSET
    message: str | UnsetType = UNSET
    tag: str | UnsetType = UNSET
    activate: bool | UnsetType = UNSET
    base: Id | UnsetType = UNSET
    code: Any = UNSET
    bindings: Any = UNSET
    config: Any = UNSET
    routes: Any = UNSET
    domains: Any = UNSET
    crons: Any = UNSET
    queues: Any = UNSET
    subdomain: Any = UNSET
    settings: Any = UNSET
    deploy: Any = UNSET
    rollback_to: Id | UnsetType = UNSET
    delete: bool | UnsetType = UNSET


class NoteData(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """`data` of an operator's note."""

    actor: Any = UNSET
    interface: Id | UnsetType = UNSET
    action: Id
    detail: Any = UNSET


class Event(msgspec.Struct, frozen=True, gc=False):
    """A record that was decoded: a change of one script, or an operator's note."""

    account: str
    subject: str
    source: str
    id: str
    time: times.Time
    actor: Actor | None
    actor_json: bytes
    """The actor as it was sent (compact JSON), empty where there is none: what is sealed."""
    patches: Mapping[str, Patch]
    """Aspect to patch; an aspect that names nothing is absent."""
    attributes: bytes
    """The event's JSON up to and without `data`'s value."""
    before: bytes
    """The value of `data` up to and without the actor's value; `after` is the rest. Without an actor all of it."""
    after: bytes
    is_note: bool = False
    activate: bool = True
    base: str | None = None
    deploy: Mapping[str, int] | None = None
    """Version id to thousandths of a per cent."""
    rollback_to: str | None = None
    delete: bool = False


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
