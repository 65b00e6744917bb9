"""What a verification can find: kinds, problems, and the verdict. `docs/TAMPERING.md` explains every kind."""

from typing import Final

import msgspec

__all__ = ["CHANGED", "KINDS", "BadError", "Lost", "Notice", "Problem", "Report", "ShardReport"]

KINDS: Final = (
    # bytes that are not those that were written
    "bit_flip",
    "entry_edited",
    "truncated",
    "segment_missing",
    "reordered",
    "forked",
    "stale",
    "bad_segment",
    "stray_segment",
    "bad_pack",
    "bad_index",
    "column_mismatch",
    "unknown_shard",
    # checkpoints
    "bad_signature",
    "wrong_key",
    "wrong_origin",
    "malformed_note",
    "malformed_checkpoint",
    "unwitnessed",
    # entries
    "malformed_entry",
    "noncanonical",
    "unknown_version",
    "oversized_entry",
    "offset_gap",
    "offset_repeat",
    "unknown_topic",
    "bad_time",
    "time_went_back",
    "effective_after_recorded",
    "account_chain_broken",
    "wrong_id",
    "manifest_mismatch",
    "fold_mismatch",
    # what lies beside the log
    "ledger_file_changed",
    "bad_registration",
    "bad_topic",
    "bad_gap",
    "blob_missing",
    "blob_changed",
)
"""Stable names; more may come."""
CHANGED: Final = frozenset(
    (
        "malformed_entry",
        "unknown_version",
        "oversized_entry",
        "wrong_origin",
        "unknown_topic",
        "bad_time",
        "time_went_back",
        "effective_after_recorded",
        "wrong_id",
        "manifest_mismatch",
    )
)
"""Rules of entries that an honest entry keeps. Where an entry breaks one *and* the signed root does not hold either, the entry was
changed after it was signed, and that is what is said."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Where a shard's log first does not fit, and why."""

    kind: str
    """One of `KINDS`."""
    shard: int | None
    """None where it is of no shard: `ledger.json`, a blob that no entry names."""
    index: int
    """Of the first bad entry; where nothing tells which it is, of the first that it can be (`exact` is false then)."""
    exact: bool = True
    file: str
    message: str
    expected: str | None = None
    found: str | None = None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it usually is, and proves nothing against the log."""

    file: str
    message: str


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """Records that had expired before they were read: an accepted gap, as the first entry after it says."""

    shard: int
    """The partition's number too."""
    index: int
    """Of the first entry after the gap."""
    topic_id: str
    first_offset: int
    """Of the first that is lost."""
    last_offset: int
    records: int
    """How many offsets these are."""
    accepted_by: str
    reason: str | None
    message: str
    """All that in one sentence."""


class ShardReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was verified of one shard."""

    shard: int
    size: int
    """How many entries, up to the first problem."""
    root: str
    """Of the tree of that size, base64."""
    segments: int
    accounts: int
    since: int = 0
    """Entries below this index were not read: a checkpoint that was verified before covers them."""
    replayed: int | None = None
    """How many entries were folded again and came out the same; None where that was not asked for."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a ledger."""

    ledger: str
    ok: bool
    entries: int
    shards: list[ShardReport]
    problems: list[Problem]
    """The first one of each shard, then those of what lies beside the log; empty where all fits."""
    vkey: str
    """The key that the signatures were checked with."""
    trust: str
    """On what the verdict rests: `pinned` (a key that was given), `seen` (the key of an earlier run, remembered) or `beside` (only the
    one that lies beside the log)."""
    extends: list[str]
    """The earlier checkpoints that today's log was shown to extend: `<origin> <size>`."""
    notices: list[Notice]
    warnings: list[str]
    """What could not be done besides: remembering what was seen."""
    lost: list[Lost] = []
    """The accepted gaps that the entries carry, in the order of the log: no problems, and not to be overlooked."""
    witnessed: list[str] = []
    """Where witnesses were asked for, the cosigned checkpoints that today's log extends: `<origin> <size> by <witness>, ...`."""


class BadError(Exception):
    """Something does not fit. Caught within this package, where a `Problem` is made of it.

    Args:
        kind: one of `KINDS`.
        message: what and where, for a person.
        index: of the first bad entry, where it is not the one at hand.
        exact: False where the index is only the first that it can be.
        expected: what should be there.
        found: what is.
        file: where, if it is not the file at hand.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        index: int | None = None,
        exact: bool = True,
        expected: str | None = None,
        found: str | None = None,
        file: str = "",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.index = index
        self.exact = exact
        self.expected = expected
        self.found = found
        self.file = file

    def problem(self, shard: int | None, file: str, index: int = 0) -> Problem:
        """What the report says of it; `index` where the error does not know better."""
        return Problem(
            kind=self.kind,
            shard=shard,
            index=index if self.index is None else self.index,
            exact=self.exact,
            file=file,
            message=self.message,
            expected=self.expected,
            found=self.found,
        )
