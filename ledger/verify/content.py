"""An entry by itself: everything about one line that needs no other line. The exact way, which names the rule that is broken. Pure."""

from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import UNSET

from ledger.model import ids, times
from ledger.model.entries import FORMAT, MAX_ENTRY_BYTES, Entry, decode_entry
from ledger.model.jsontext import sorted_json
from ledger.verify.findings import BadError
from ledger.verify.forms import MEMBERS, Facts

__all__ = ["check_shape", "moved_parts", "read_exactly"]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_decode_facts = msgspec.json.Decoder(Facts).decode
_NULLABLE: Final = ("account", "account_prev")
_SCRIPT: Final = frozenset(("changes",))
_RECORDED_CHARACTERS: Final = 24
"""Of a recorded time: three fractional digits."""
_SHAPES: Final[dict[str, tuple[frozenset[str], frozenset[str]]]] = {
    "deployed": (frozenset(("changes", "deployment")), frozenset(("version", "triggers", "others"))),
    "uploaded": (frozenset(("changes", "version")), frozenset(("triggers", "others"))),
    "changed": (frozenset(("changes", "triggers")), frozenset(("others",))),
    "unchanged": (_SCRIPT, frozenset(("others",))),
    "deleted": (_SCRIPT, frozenset(("triggers",))),
    "noted": (frozenset(), frozenset()),
    "duplicate": (frozenset(("first_index",)), frozenset()),
    "rejected": (frozenset(("reason",)), frozenset()),
}
"""Outcome to the members that it must have, and those that it may have besides."""
_PARTS: Final = frozenset(("reason", "first_index", "changes", "version", "deployment", "triggers", "others"))


def read_exactly(line: bytes) -> Facts:
    """Check one entry.

    Raises:
        BadError: `malformed_entry`, `noncanonical`, `unknown_version`, `oversized_entry`, `bad_time`, `effective_after_recorded`,
            `wrong_id`, `manifest_mismatch`.
    """
    try:
        entry = decode_entry(line)
        tree = _decode(line)
        again = _encode(tree)
        facts = _decode_facts(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, UnicodeEncodeError, RecursionError) as error:
        raise BadError("malformed_entry", f"the entry cannot be read: {error}") from None
    if again != line:
        raise BadError("noncanonical", "the entry is not in the form in which entries are written")
    if entry.v != FORMAT:
        raise BadError("unknown_version", f"the entry has version {entry.v}", expected=str(FORMAT), found=str(entry.v))
    if len(line) > MAX_ENTRY_BYTES:
        raise BadError("oversized_entry", f"the entry has {len(line)} bytes, at most {MAX_ENTRY_BYTES} are allowed")
    _check_order(tree)
    _check_stored(tree)
    check_shape(entry.outcome, frozenset(tree))
    _check_times(entry)
    _check_ids(entry)
    _check_manifest(entry)
    return facts


def check_shape(outcome: str, members: frozenset[str]) -> None:
    """Check that an entry has the members of its outcome and no others; raises BadError `malformed_entry`."""
    shape = _SHAPES.get(outcome)
    if shape is None:
        raise BadError("malformed_entry", f"there is no outcome {outcome!r}")
    found = {name.removesuffix("_sha256") for name in members} & _PARTS
    if not shape[0] <= found <= shape[0] | shape[1]:
        raise BadError("malformed_entry", f"an entry with the outcome {outcome} cannot have just {sorted(found)}")
    for name in ("changes", "triggers"):
        if name in members and f"{name}_sha256" in members:
            raise BadError("malformed_entry", f"the entry has both {name} and {name}_sha256")


def moved_parts(facts: Facts) -> list[str]:
    """The digests of what was moved to the blob store."""
    moved = [facts.changes_sha256, facts.triggers_sha256]
    event, version = facts.event, facts.version
    moved.append(event.get("data_sha256", UNSET) if isinstance(event, dict) else event.data_sha256)
    if isinstance(version, dict):
        moved.append(version["sha256"] if "manifest" not in version else UNSET)
    elif version is not UNSET:
        moved.append(version.sha256 if version.manifest is UNSET else UNSET)
    return [digest for digest in moved if digest is not UNSET]


def _check_order(tree: dict[str, Any]) -> None:
    places = [MEMBERS.index(name) for name in tree]
    if places != sorted(places):
        raise BadError("noncanonical", "the entry's members are not in their order")
    for name, value in tree.items():
        if value is None and name not in _NULLABLE:
            raise BadError("malformed_entry", f"{name} is null")
    if (tree["account"] is None) != ("account_index" not in tree) or ("account_prev" in tree) != (
        "account_index" in tree
    ):
        raise BadError("malformed_entry", "the entry is half in an account's chain")
    for name, members in _ORDERS.items():
        part = tree.get(name)
        if part is not None and [member for member in members if member in part] != list(part):
            raise BadError("noncanonical", f"the members of {name} are not in their order")
    if None in tree["event"].values():
        raise BadError("malformed_entry", "an attribute of the event is null")
    event = list(tree["event"])
    if set(event) & {"data", "data_sha256"} and event[-1] not in {"data", "data_sha256"}:
        raise BadError("noncanonical", "data is not the event's last member")


_ORDERS: Final = {
    "origin": ("topic", "topic_id", "partition", "offset", "skipped", "gap", "mac"),
    "reason": ("code", "path", "detail"),
    "version": ("id", "number", "sha256", "manifest"),
    "deployment": ("id", "number", "versions", "rollback", "rollback_of"),
}


def _check_stored(tree: dict[str, Any]) -> None:
    """Stored objects are sorted at every level, and so are lists of changes, the others and the versions of a deployment."""
    others = tree.get("others", [])
    stored = [tree.get("version", {}).get("manifest"), tree.get("triggers"), *(other["triggers"] for other in others)]
    if any(_encode(part) != sorted_json(part) for part in stored if part is not None):
        raise BadError("noncanonical", "a stored object's members are not sorted")
    lists = [tree.get("changes", []), *(other["changes"] for other in others)]
    subjects = [other["subject"] for other in others]
    versions = list(tree.get("deployment", {}).get("versions", ()))
    if any(part != sorted(part) for part in (*lists, subjects, versions)):
        raise BadError("noncanonical", "changes, others or versions are not sorted")
    if any(list(other) != ["subject", "changes", "triggers"] for other in others):
        raise BadError("noncanonical", "the members of others are not in their order")


def _check_times(entry: Entry) -> None:
    try:
        recorded, effective = times.parse(entry.recorded_at), times.parse(entry.effective_at)
        time = times.parse(entry.event.time) if entry.event.time is not None else None
    except ValueError as error:
        raise BadError("bad_time", f"{error} is no time") from None
    if len(recorded.text) != _RECORDED_CHARACTERS:
        raise BadError("bad_time", f"the recorded time {recorded.text} has not three fractional digits")
    if effective.key > recorded.key:
        message = f"effective at {effective.text}, recorded at {recorded.text}"
        raise BadError("effective_after_recorded", message)
    told = {
        None: effective.text == (recorded.text if time is None else time.text),
        "ahead": time is not None and time.key > recorded.key and effective.text == recorded.text,
        "late": time is not None and time.key < effective.key,
    }
    if not told.get(entry.skew, False):
        message = f"effective at {effective.text} does not follow from the event's time {entry.event.time} with skew {entry.skew}"
        raise BadError("bad_time", message)


def _check_ids(entry: Entry) -> None:
    event = entry.event
    names = (entry.account or "", event.subject or "", event.source or "", event.id or "")
    for what, made, derived in (
        ("version", entry.version, ids.version_id),
        ("deployment", entry.deployment, ids.deployment_id),
    ):
        if made is not None and made.id != derived(*names):
            message = f"{what} {made.id} is not derived from its event"
            raise BadError("wrong_id", message, expected=derived(*names), found=made.id)


def _check_manifest(entry: Entry) -> None:
    if entry.version is not None and entry.version.manifest is not UNSET:
        found = sha256(entry.version.manifest).hexdigest()
        if found != entry.version.sha256:
            message = f"the manifest of version {entry.version.id} has another digest"
            raise BadError("manifest_mismatch", message, expected=entry.version.sha256, found=found)
