"""The quick way for what most entries are: the same checks as `content`, in few steps. Whatever is different or in doubt is left to it.

An entry is decoded into its typed form and encoded again: the same bytes prove that everything but its raw pieces is exact and in order.
Raw pieces repeat much (a script's bindings, the few who act, the same names changed), so those that were looked at are remembered.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, Raw

from ledger.model import ids, times
from ledger.model.entries import FORMAT, MAX_ENTRY_BYTES, TriggersPart
from ledger.model.jsontext import sorted_json
from ledger.model.state import Change
from ledger.verify.forms import Code, Data, Entry, Manifest, Replaced, StoredCode

__all__ = ["read_quickly"]

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
_around: dict[str, tuple[bytes, bytes]] = {}
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
    if changes is UNSET or data is UNSET or not _are_times(entry) or not _holds(changes, _lists, _listed):
        return False
    if entry.triggers is not UNSET and not _holds(entry.triggers, _triggers, _reached):
        return False
    code = None if data.code is UNSET else _code_of(data.code)
    if not _is_data(data, code) or not _are_ids(entry):
        return False
    if version is UNSET:
        return True
    if version.manifest is UNSET:
        return False
    manifest = bytes(version.manifest)
    return sha256(manifest).hexdigest() == version.sha256 and _is_manifest(manifest, str(event.subject), code)


def _are_times(entry: Entry) -> bool:
    recorded, effective, time = entry.recorded_at, entry.effective_at, entry.event.time
    second = recorded[:19]
    if recorded[19:] not in _FRACTIONS or time is UNSET:
        return False
    if second not in _seconds:
        times.parse(recorded)
        _add(_seconds, second)
    key = times.parse(effective).key
    if key[:19] >= second and key > times.key_of(recorded):
        return False
    if entry.skew is UNSET:
        return effective == time
    sent = times.parse(time).key
    if entry.skew == "late":
        return sent < key
    return entry.skew == "ahead" and effective == recorded and sent > key


def _is_data(data: Data, code: Code | None) -> bool:
    """Whether the raw pieces of an event's data are exact; `code` is None where it still has to be looked at."""
    if data.actor is not UNSET and not _holds(data.actor, _exact, _exactly):
        return False
    if code is None and data.code is not UNSET and not _holds(data.code, _exact, _exactly):
        return False
    # Most events change code alone: these are absent in one look.
    if (
        data.bindings is data.config is data.settings is data.routes is data.crons is data.deploy is UNSET
        and data.domains is data.queues is data.subdomain is UNSET
    ):
        return True
    more = (data.bindings, data.config, data.settings, data.routes, data.crons, data.deploy)
    return all(
        piece is UNSET or _holds(piece, _exact, _exactly)
        for piece in (*more, data.domains, data.queues, data.subdomain)
    )


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


def _code_of(raw: Raw) -> Code | None:
    """The code that an event replaces, if it is exact and of the usual form."""
    try:
        replaced = _decode_code(raw)
    except msgspec.ValidationError:
        return None
    return replaced.replace if _encode(replaced) == bytes(raw) else None


def _is_manifest(manifest: bytes, script: str, code: Code | None) -> bool:
    """Whether the bytes are a manifest as it is stored; `code` is the event's, which it should hold."""
    around = _around.get(script)
    if code is not None and around is not None and manifest == b"".join((around[0], sorted_json(code), around[1])):
        return True
    parts = _decode_manifest(manifest)
    head, tail = b'{"bindings":%b,"code":' % bytes(parts.bindings), b',"config":%b}' % bytes(parts.config)
    if head + bytes(parts.code) + tail != manifest:
        return False
    if not (_holds(parts.bindings, _stored, _sorted) and _holds(parts.config, _stored, _sorted)):
        return False
    if not _is_stored_code(parts.code):
        return False
    if len(_around) >= _MAX_REMEMBERED:
        _around.clear()
    _around[script] = head, tail
    return True


def _is_stored_code(raw: Raw) -> bool:
    try:
        return sorted_json(_decode_stored(raw)) == bytes(raw)
    except msgspec.ValidationError:
        return _holds(raw, _stored, _sorted)


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
