"""Records rebuilt from entries, so that the real fold can be run on them again.

What an entry does not hold is who acted and the record's MAC, both under keys. The fold needs neither: an entry's sealed actor stands in
for the actor, and comes out again where the writer would seal one.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ledger.log.gaps import AcceptedGap
from ledger.model.entries import Gap
from ledger.model.envelope import ACTOR_FIRST, DATA
from ledger.model.events import Known
from ledger.model.reasons import Reason
from ledger.storage.blobs import BlobStore

__all__ = ["Form", "Rebuilt", "StandInKeys", "accepted_with", "decode_form", "quarantined", "rebuild", "refused"]

_NO_DATA: Final = b'{"interface":"-"}'
"""Of a duplicate, whose data was not kept; only what identifies it counts."""


class Value(bytes):
    """A record's value that knows the MAC of the one it stands for."""

    mac: str = ""


class Rebuilt(NamedTuple):
    """A record, as the writer takes it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: Value | None
    headers: Sequence[tuple[str, bytes | None]] = ()


class _Kept(msgspec.Struct, frozen=True):
    """A record in quarantine."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    headers: list[tuple[str, bytes | None]]
    value: bytes | None


class _Origin(msgspec.Struct, frozen=True, gc=False):
    offset: int
    mac: str
    topic_id: str | UnsetType = UNSET
    skipped: int = 0
    gap: Gap | None = None


class Form(msgspec.Struct, frozen=True, gc=False):
    """What is needed of an entry to fold it again."""

    index: int
    account: str | None
    recorded_at: str
    origin: _Origin
    event: Raw
    outcome: str
    reason: Reason | None = None


class _Actor(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    type: str
    pseudonym: str
    sealed: str


class _Data(msgspec.Struct, frozen=True, gc=False):
    actor: Raw | UnsetType = UNSET


class _Event(msgspec.Struct, frozen=True, gc=False):
    data: Raw | UnsetType = UNSET
    data_sha256: str | UnsetType = UNSET


decode_form = msgspec.json.Decoder(Form).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_data = msgspec.json.Decoder(_Data).decode
_decode_actor = msgspec.json.Decoder(_Actor).decode
_decode_known = msgspec.json.Decoder(Known).decode
_decode_kept = msgspec.json.Decoder(_Kept).decode
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class _StandIn:
    """A person as the writer asks for one."""

    __slots__ = ("pseudonym", "sealed")

    def __init__(self, pseudonym: str, sealed: str) -> None:
        self.pseudonym = pseudonym
        self.sealed = sealed

    @staticmethod
    def mac(value: bytes) -> str:
        """The MAC that the entry has."""
        return value.mac if isinstance(value, Value) else ""

    def seal(self, _: bytes) -> str:
        """The identity as the entry has it."""
        return self.sealed


class StandInKeys:
    """What the fold is given for keys: it hands out what entries hold."""

    def __init__(self) -> None:
        self._people: dict[str, _StandIn] = {}
        self._stand_ins: dict[bytes, bytes] = {}
        self._made = 0
        self.mac_of_none = ""
        """The MAC of the next record that has no value."""

    def ledger(self, value: bytes) -> str:
        """The MAC of a record without an actor."""
        return value.mac if isinstance(value, Value) else self.mac_of_none

    def person(self, _account: str, actor_id: str) -> _StandIn:
        """The person that an actor's id stands for; nobody where a refused record turns out to be none."""
        return self._people.get(actor_id) or _StandIn("", "")

    def stand_in(self, sealed: bytes) -> bytes:
        """An actor to fold with, in the place of one that is sealed in an entry."""
        found = self._stand_ins.get(sealed)
        if found is None:
            actor = _decode_actor(sealed)
            if len(self._stand_ins) >= _REMEMBERED:
                self._stand_ins.clear()  # but not the people: the writer remembers them too, by these ids
            self._made += 1
            identifier = f"{self._made}"
            self._people[identifier] = _StandIn(actor.pseudonym, actor.sealed)
            found = self._stand_ins[sealed] = _encode({"type": actor.type, "id": identifier})
        return found


_REMEMBERED: Final = 65_536


def rebuild(form: Form, keys: StandInKeys, blobs: BlobStore) -> Rebuilt:
    """The record of an entry that is not a refusal.

    Raises:
        msgspec.MsgspecError, LedgerError: the entry, or a blob that it refers to, cannot be read.
    """
    raw = bytes(form.event)
    place = raw.find(DATA) + len(DATA)
    if form.outcome == "duplicate":
        text = raw[:-1] + DATA + _NO_DATA + b"}"
    elif raw.startswith(ACTOR_FIRST, place):  # where there is no data, it is another place, and not this
        text = _around_actor(raw, place, keys)
    else:
        text = _slowly(raw, keys, blobs)
    return Rebuilt(form.origin.offset, _milliseconds(form.recorded_at), _key(form), _value(text, form.origin.mac))


def accepted_with(form: Form, shard: int) -> dict[int, AcceptedGap]:
    """What was accepted, by what an entry says: whether it was is another check."""
    gap = form.origin.gap
    if gap is None:
        return {}
    return {
        gap.from_: AcceptedGap(
            topic_id=str(form.origin.topic_id), partition=shard, from_=gap.from_, to=gap.to, accepted_by=gap.accepted_by
        )
    }


def refused(form: Form) -> tuple[Rebuilt, Known, Reason]:
    """What is left of a record that was refused."""
    known = msgspec.structs.replace(_decode_known(form.event), account=form.account)
    record = Rebuilt(form.origin.offset, _milliseconds(form.recorded_at), _key(form), _value(b"-", form.origin.mac))
    return record, known, form.reason or Reason("", "", "")


def quarantined(form: Form, raw: bytes, keys: StandInKeys) -> Rebuilt | None:
    """The record of a refusal as it was kept, or None where what was kept is not of this entry."""
    try:
        kept = _decode_kept(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if kept.offset != form.origin.offset:
        return None
    keys.mac_of_none = form.origin.mac
    value = None if kept.value is None else _value(kept.value, form.origin.mac)
    return Rebuilt(kept.offset, _milliseconds(form.recorded_at), kept.key, value, kept.headers)


def _around_actor(raw: bytes, place: int, keys: StandInKeys) -> bytes:
    """The event with a stand-in for the actor, who comes first in the data."""
    start = place + len(ACTOR_FIRST)
    end = raw.index(b"}", start) + 1  # a sealed actor holds no object, and neither base64 nor hex has this character
    return b"".join((raw[:start], keys.stand_in(raw[start:end]), raw[end:]))


def _slowly(raw: bytes, keys: StandInKeys, blobs: BlobStore) -> bytes:
    """The same for events of which the data was moved, or that are written in another order."""
    parts = _decode_event(raw)
    event = _decode(raw)
    data = bytes(parts.data) if parts.data is not UNSET else blobs.get(str(parts.data_sha256))
    actor = _decode_data(data).actor
    if actor is not UNSET:
        members = _decode(data)
        members["actor"] = _decode(keys.stand_in(bytes(actor)))
        data = _encode(members)
    event.pop("data_sha256", None)
    return _encode(event | {"data": Raw(data)})


def _value(text: bytes, mac: str) -> Value:
    value = Value(text)
    value.mac = mac
    return value


def _key(form: Form) -> bytes | None:
    return None if form.account is None else form.account.encode()


def _milliseconds(recorded_at: str) -> int:
    return _seconds(recorded_at[:19]) * 1000 + int(recorded_at[20:23])


@lru_cache(maxsize=1024)
def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}+00:00").timestamp())
