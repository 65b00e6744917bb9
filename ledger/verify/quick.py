"""The quick way for entries about scripts: the same checks as `content`, in few steps. Whatever is different or in doubt is left to it.

An entry is decoded into its typed form and encoded again: the same bytes prove that everything but its raw pieces is exact and in order.
Raw pieces repeat much (a script's bindings, the few who act, the same names changed), so those that were looked at are remembered.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ledger.model import ids, times
from ledger.model.entries import FORMAT, MAX_ENTRY_BYTES, TriggersPart
from ledger.model.jsontext import sorted_json
from ledger.model.state import Change
from ledger.verify.forms import Data, Entry, Manifest, Replaced, StoredCode

__all__ = ["are_exact", "are_usual_times", "around_code", "is_list", "is_manifest", "read_quickly"]

_MAX_REMEMBERED: Final = 32_768
_SHAPES: Final = frozenset(
    {("deployed", made, True, moved) for made in (True, False) for moved in (True, False)}
    | {("uploaded", True, False, moved) for moved in (True, False)}
    | {("deleted", False, False, moved) for moved in (True, False)}
    | {("changed", False, False, True), ("unchanged", False, False, False)}
)
"""Outcomes with whether there are a version, a deployment and triggers."""
_FRACTIONS: Final = frozenset(f".{millisecond:03d}Z" for millisecond in range(1000))

T = TypeVar("T")
_decode_entry = msgspec.json.Decoder(Entry).decode
_decode_code = msgspec.json.Decoder(Replaced).decode
_decode_manifest = msgspec.json.Decoder(Manifest).decode
_decode_stored = msgspec.json.Decoder(StoredCode).decode
_decode_triggers = msgspec.json.Decoder(TriggersPart).decode
_decode_changes = msgspec.json.Decoder(list[Change]).decode
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_exact: set[bytes] = set()
_stored: set[bytes] = set()
_lists: set[bytes] = set()
_triggers: set[bytes] = set()
_seconds: set[str] = set()
around_code: dict[str, tuple[bytes, bytes]] = {}
"""What stands around the code in the manifest of a script that was met last, by the script's name."""


def read_quickly(line: bytes) -> Entry | None:
    """Check one entry; None where that takes a closer look: then nothing is said of it."""
    try:
        entry = _decode_entry(line)
        if _encode(entry) != line or len(line) > MAX_ENTRY_BYTES or entry.v != FORMAT:
            return None
        return entry if _is_good(entry) else None
    except (msgspec.MsgspecError, UnicodeDecodeError, UnicodeEncodeError, RecursionError, ValueError):
        return None


def _is_good(entry: Entry) -> bool:
    """Whether an entry that is about a script, as most are, keeps all rules."""
    event, version, deployment = entry.event, entry.version, entry.deployment
    shape = entry.outcome, version is not UNSET, deployment is not UNSET, entry.triggers is not UNSET
    if shape not in _SHAPES or not (entry.reason is entry.first_index is entry.others is UNSET):
        return False
    changes, data = entry.changes, event.data
    if changes is UNSET or data is UNSET or not _are_times(entry) or not is_list(changes):
        return False
    if entry.triggers is not UNSET and not _holds(entry.triggers, _triggers, _reached):
        return False
    if not _is_data(data) or not _are_ids(entry):
        return False
    if version is UNSET:
        return True
    if version.manifest is UNSET:
        return False
    manifest = bytes(version.manifest)
    return sha256(manifest).hexdigest() == version.sha256 and is_manifest(manifest, str(event.subject))


def are_usual_times(recorded: str, effective: str) -> bool:
    """Whether both are times, the second not after the first, the first with three fractional digits."""
    second = recorded[:19]
    if second not in _seconds:
        times.parse(recorded)
        _add(_seconds, second)
    key = times.parse(effective).key
    return recorded[19:] in _FRACTIONS and (key[:19] < second or key <= times.key_of(recorded))


def _are_times(entry: Entry) -> bool:
    recorded, effective, time = entry.recorded_at, entry.effective_at, entry.event.time
    if time is UNSET or not are_usual_times(recorded, effective):
        return False
    if entry.skew is UNSET:
        return effective == time
    sent, key = times.parse(time).key, times.key_of(effective)
    if entry.skew == "late":
        return sent < key
    return entry.skew == "ahead" and effective == recorded and sent > key


def _is_data(data: Data) -> bool:
    """Whether the raw pieces of an event's data are exact."""
    if data.code is not UNSET and not _is_code(data.code):
        return False
    few = (data.actor, data.bindings, data.config, data.settings)
    return are_exact(*few, data.deploy, data.routes, data.crons, data.domains, data.queues, data.subdomain)


def _are_ids(entry: Entry) -> bool:
    event, version, deployment = entry.event, entry.version, entry.deployment
    account, subject, source, identifier = entry.account, event.subject, event.source, event.id
    if account is None or entry.account_index is UNSET or entry.account_prev is UNSET:
        return False
    if subject is UNSET or source is UNSET or identifier is UNSET:
        return False
    if version is UNSET and deployment is UNSET:
        return True
    version_id, deployment_id = ids.both_ids(account, subject, source, identifier)
    if deployment is not UNSET and (deployment.id != deployment_id or len(deployment.versions) != 1):
        return False
    return version is UNSET or version.id == version_id


def _is_code(raw: Raw) -> bool:
    """Whether code is exact: of the usual form, or of any other."""
    try:
        return _encode(_decode_code(raw)) == bytes(raw)
    except msgspec.ValidationError:
        return _holds(raw, _exact, _exactly)


def is_manifest(manifest: bytes, script: str) -> bool:
    """Whether the bytes are a manifest as it is stored."""
    parts = _decode_manifest(manifest)
    head, tail = b'{"bindings":%b,"code":' % bytes(parts.bindings), b',"config":%b}' % bytes(parts.config)
    if head + bytes(parts.code) + tail != manifest:
        return False
    if not (_holds(parts.bindings, _stored, _sorted) and _holds(parts.config, _stored, _sorted)):
        return False
    if not _is_stored_code(parts.code):
        return False
    if len(around_code) >= _MAX_REMEMBERED:
        around_code.clear()
    around_code[script] = head, tail
    return True


def _is_stored_code(raw: Raw) -> bool:
    try:
        return sorted_json(_decode_stored(raw)) == bytes(raw)
    except msgspec.ValidationError:
        return _holds(raw, _stored, _sorted)


def are_exact(*pieces: Raw | UnsetType) -> bool:
    """Whether raw pieces are exact, as far as they are there."""
    return all(piece is UNSET or _holds(piece, _exact, _exactly) for piece in pieces)


def is_list(changes: Raw) -> bool:
    """Whether a list of changes is one, exact and sorted."""
    piece = bytes(changes)
    return piece in _lists or _holds(changes, _lists, _listed)


def _holds(raw: Raw, known: set[bytes], again: Callable[[bytes], bytes]) -> bool:
    """Whether a piece is what is made of it when it is written again; those that are, are remembered."""
    piece = bytes(raw)
    if piece in known:
        return True
    if again(piece) != piece:
        return False
    _add(known, piece)
    return True


def _exactly(piece: bytes) -> bytes:
    return _encode(_decode(piece))


def _sorted(piece: bytes) -> bytes:
    return sorted_json(_decode(piece))


def _listed(piece: bytes) -> bytes:
    return _encode(sorted(_decode_changes(piece)))


def _reached(piece: bytes) -> bytes:
    _decode_triggers(piece)
    return _sorted(piece)


def _add(known: set[T], item: T) -> None:
    if len(known) >= _MAX_REMEMBERED:
        known.clear()
    known.add(item)
