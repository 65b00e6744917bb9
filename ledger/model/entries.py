"""Entries: one line of the log for every record consumed. What is encoded here is what is hashed and stored.

The members, their order and what each means are in `docs/FORMAT.md`. Encoding joins bytes that exist already (the event's own, a
script's stored aspects); decoding is typed and strict.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ledger.model.events import Event, Known
from ledger.model.fold import KINDS, Lost, Outcome
from ledger.model.reasons import Reason
from ledger.model.state import Account, Change, Deployment, Version, manifest_json, manifest_sha256, triggers_json

__all__ = [
    "FORMAT",
    "MAX_ENTRY_BYTES",
    "Entry",
    "Gap",
    "Line",
    "Origin",
    "decode_entry",
    "encode_deployed",
    "encode_duplicate",
    "encode_folded",
    "encode_head",
    "encode_rejected",
    "percentage",
    "sealed_actor",
]

FORMAT: Final = 1
MAX_ENTRY_BYTES: Final = 65_535

_encode = msgspec.json.Encoder().encode


class Gap(msgspec.Struct, frozen=True):
    """Records that had expired before they were read, and who accepted the loss; both offsets inclusive."""

    from_: int = msgspec.field(name="from")
    to: int
    accepted_by: str


class Origin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The Kafka record that an entry is about."""

    topic: str
    topic_id: str | UnsetType = UNSET
    """In the shard's first entry and wherever it differs from the entry before."""
    partition: int
    offset: int
    skipped: int | UnsetType = UNSET
    """How many offsets before this one Kafka holds no record for."""
    gap: Gap | UnsetType = UNSET
    mac: str
    """HMAC-SHA256 of the record's raw value, hex."""


class Line(msgspec.Struct, frozen=True, gc=False):
    """An encoded entry, and what had to move to the blob store to keep it within `MAX_ENTRY_BYTES`."""

    entry: bytes
    blobs: tuple[tuple[str, bytes], ...] = ()
    """SHA-256 (hex) and content."""


# --- decoding ------------------------------------------------------------------------------------------------------------------------


class EventPart(msgspec.Struct, frozen=True, kw_only=True):
    """The event in an entry; extension attributes are not decoded."""

    source: str | None = None
    id: str | None = None
    subject: str | None = None
    time: str | None = None
    data: Raw | UnsetType = UNSET
    data_sha256: str | None = None


class ManifestPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version's content, each aspect as its stored bytes."""

    bindings: Raw
    code: Raw
    config: Raw


class VersionPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The version that an entry made."""

    id: str
    number: int
    sha256: str
    manifest: Raw | UnsetType = UNSET
    """Absent where it lies in the blob store under `sha256`."""


class DeploymentPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The deployment that an entry made."""

    id: str
    number: int
    versions: dict[str, int | float]
    rollback: bool
    rollback_of: str | None = None


class TriggersPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A script's triggers, each aspect as its stored bytes."""

    crons: Raw
    domains: Raw
    queues: Raw
    routes: Raw
    settings: Raw
    subdomain: Raw


class LostPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What another script lost."""

    subject: str
    changes: list[Change]
    triggers: TriggersPart


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry, decoded; members as in the JSON."""

    v: int
    index: int
    account: str | None
    account_index: int | None = None
    account_prev: str | None = None
    recorded_at: str
    effective_at: str
    skew: str | None = None
    origin: Origin
    event: EventPart
    outcome: str
    reason: Reason | None = None
    first_index: int | None = None
    changes: list[Change] | None = None
    changes_sha256: str | None = None
    version: VersionPart | None = None
    deployment: DeploymentPart | None = None
    triggers: TriggersPart | None = None
    triggers_sha256: str | None = None
    others: list[LostPart] = []


decode_entry = msgspec.json.Decoder(Entry).decode
"""Read an entry's line (without its line feed); raises msgspec.MsgspecError where it is not one."""


# --- encoding ------------------------------------------------------------------------------------------------------------------------

_MOVABLE: Final = ("manifest", "data", "triggers", "changes")
"""What moves to the blob store where an entry is too large, in this order."""
_DATA: Final = b',"data":'
_OUTCOMES: Final = {kind: f'}},"outcome":"{kind}"'.encode() for kind in KINDS}


def sealed_actor(kind: str, pseudonym: str, sealed: str) -> bytes:
    """The actor as it stands in an entry."""
    return f'{{"type":"{kind}","pseudonym":"{pseudonym}","sealed":"{sealed}"}}'.encode()


def encode_head(
    index: int, account: Account | None, recorded_at: str, effective_at: str, skew: str | None, origin: str
) -> bytes:
    """An entry's bytes up to the event's value.

    Args:
        index: of the entry.
        account: whose chain the entry joins, before it does; None where there is none to join.
        recorded_at: a time's text, like `effective_at`.
        effective_at: when it happened.
        skew: `ahead`, `late` or None.
        origin: `Origin` as JSON.
    """
    if account is None:
        chain = "null"
    else:
        prev = f'"{account.last}"' if account.last else "null"
        chain = f'"{account.name}","account_index":{account.entries},"account_prev":{prev}'
    skewed = f'"skew":"{skew}",' if skew else ""
    return (
        f'{{"v":{FORMAT},"index":{index},"account":{chain},"recorded_at":"{recorded_at}",'
        f'"effective_at":"{effective_at}",{skewed}"origin":{origin},"event":'
    ).encode()


def encode_folded(head: bytes, event: Event, actor: bytes, outcome: Outcome) -> Line | None:
    """The entry of an event that was folded and not rejected.

    Returns:
        None where the entry is larger than `MAX_ENTRY_BYTES` even with all that may move in the blob store.
    """
    if outcome.deployment is not None and outcome.version is not None and not outcome.moves_owners:
        parts = (event.attributes, event.before, actor, event.after)
        entry = encode_deployed(head, parts, outcome.changes or [], outcome.version, outcome.deployment)
        if len(entry) <= MAX_ENTRY_BYTES:
            return Line(entry)
    movable = _parts(event, actor, outcome)
    entry = _join(head, event.attributes, outcome, movable, ())
    if len(entry) <= MAX_ENTRY_BYTES:
        return Line(entry)
    moved: list[str] = []
    for name in _MOVABLE:
        if name in movable and len(entry) > MAX_ENTRY_BYTES:
            moved.append(name)
            entry = _join(head, event.attributes, outcome, movable, moved)
    if len(entry) > MAX_ENTRY_BYTES:
        return None
    return Line(entry, tuple((sha256(movable[name]).hexdigest(), movable[name]) for name in moved))


def encode_deployed(
    head: bytes, event: Sequence[bytes], changes: Sequence[Change], version: Version, deployment: Deployment
) -> bytes:
    """The entry of an event whose new version took all traffic and that did nothing else, as most do; of any size.

    Args:
        head: as `encode_head` made it.
        event: the event in pieces, its actor sealed.
        changes: what changed.
        version: the new version.
        deployment: of it.
    """
    manifest = manifest_json(version.code, version.bindings, version.config)
    made = (
        f'}},"outcome":"deployed","changes":{_encode(changes).decode()},"version":{{"id":"{version.id}",'
        f'"number":{version.number},"sha256":"{sha256(manifest).hexdigest()}","manifest":'
    )
    active = (
        f'}},"deployment":{{"id":"{deployment.id}","number":{deployment.number},'
        f'"versions":{{"{version.id}":100}},"rollback":false}}}}'
    )
    return b"".join((head, *event, made.encode(), manifest, active.encode()))


def _parts(event: Event, actor: bytes, outcome: Outcome) -> dict[str, bytes]:
    """The parts that may move, as they stand in an entry that holds them all."""
    parts = {"data": b"".join((event.before, actor, event.after))}
    version = outcome.version
    if version is not None:
        parts["manifest"] = manifest_json(version.code, version.bindings, version.config)
    if outcome.triggers is not None:
        parts["triggers"] = triggers_json(outcome.triggers)
    if outcome.changes is not None:
        parts["changes"] = _encode(outcome.changes)
    return parts


def encode_duplicate(head: bytes, event: Event, first_index: int) -> bytes:
    """The entry of an event that an earlier entry has already; its attributes stay, its data does not."""
    return b'%b%b},"outcome":"duplicate","first_index":%d}' % (head, event.attributes[: -len(_DATA)], first_index)


def encode_rejected(head: bytes, known: Known, reason: Reason) -> bytes:
    """The entry of a record that was refused: what could be read safely, and why."""
    names = ("source", "id", "subject", "time")
    event = {name: getattr(known, name) for name in names if getattr(known, name) is not None}
    return b'%b%b,"outcome":"rejected","reason":%b}' % (head, _encode(event), _encode(reason))


def _join(head: bytes, attributes: bytes, outcome: Outcome, parts: dict[str, bytes], moved: Sequence[str]) -> bytes:
    pieces = [head]
    if "data" in moved:
        pieces += (attributes[: -len(_DATA)], _digest("data", parts["data"]))
    else:
        pieces += (attributes, parts["data"])
    pieces.append(_OUTCOMES[outcome.kind])
    if "changes" in parts:
        pieces += _part("changes", parts, moved)
    if outcome.version is not None:
        pieces.append(_version_json(outcome.version, parts["manifest"], whole="manifest" not in moved))
    if outcome.deployment is not None:
        pieces.append(_deployment_json(outcome.deployment, rollback=outcome.rollback, rollback_of=outcome.rollback_of))
    if "triggers" in parts:
        pieces += _part("triggers", parts, moved)
    if outcome.others:
        pieces.append(b',"others":[%b]' % b",".join(map(_lost_json, outcome.others)))
    pieces.append(b"}")
    return b"".join(pieces)


def _part(name: str, parts: dict[str, bytes], moved: Sequence[str]) -> tuple[bytes, ...]:
    if name in moved:
        return (_digest(name, parts[name]),)
    return b',"%b":' % name.encode(), parts[name]


def _digest(name: str, content: bytes) -> bytes:
    return f',"{name}_sha256":"{sha256(content).hexdigest()}"'.encode()


def _version_json(version: Version, manifest: bytes, *, whole: bool) -> bytes:
    head = f',"version":{{"id":"{version.id}","number":{version.number},"sha256":"{manifest_sha256(manifest)}"'
    return b'%b,"manifest":%b}' % (head.encode(), manifest) if whole else head.encode() + b"}"


def _deployment_json(deployment: Deployment, *, rollback: bool, rollback_of: str | None) -> bytes:
    versions = ",".join([f'"{share.version}":{percentage(share.thousandths)}' for share in deployment.shares])
    of = f',"rollback_of":{_encode(rollback_of).decode()}' if rollback_of is not None else ""
    text = f',"deployment":{{"id":"{deployment.id}","number":{deployment.number},"versions":{{{versions}}},"rollback":{str(rollback).lower()}{of}}}'
    return text.encode()


def _lost_json(lost: Lost) -> bytes:
    return b'{"subject":"%b","changes":%b,"triggers":%b}' % (
        lost.subject.encode(),
        _encode(lost.changes),
        triggers_json(lost.triggers),
    )


def percentage(thousandths: int) -> int | float:
    """A share as a percentage: an integer where it is one."""
    whole, rest = divmod(thousandths, 1000)
    return thousandths / 1000 if rest else whole
