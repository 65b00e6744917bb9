"""Verify: re-derive everything that a ledger says of itself, and name the first place that does not fit.

An independent reader: it shares the formats with the writer, and none of its state. It needs no keys and never writes. What it checks
is every byte of every segment, so its verdict is as good as the public key it was given: `vkey`, or the one beside the log.
"""

import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import UNSET

from ledger.errors import IntegrityError, LedgerError, NotFoundError, UsageError
from ledger.log.ledgerfile import LedgerFile, accepted_topics, read_ledger_file
from ledger.log.reader import segment_names
from ledger.log.segments import Segment, parse_segment
from ledger.model import ids, times
from ledger.model.entries import FORMAT, MAX_ENTRY_BYTES, Entry, decode_entry
from ledger.proof.checkpoints import format_hash, open_checkpoint
from ledger.proof.merkle import Frontier, leaf_hash
from ledger.proof.notes import Verifier
from ledger.storage import layout
from ledger.storage.blobs import BlobStore
from ledger.storage.store import Store

__all__ = ["Problem", "Report", "ShardReport", "verify"]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_SHARD: Final = re.compile(r"log/([0-9]{4})/")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Where a shard's log first does not fit, and why."""

    kind: str
    """Stable: `bad_segment`, `segment_missing`, `bad_signature`, `root_mismatch`, `account_chain_broken`, `offset_gap`, ..."""
    shard: int
    index: int
    """Of the first bad entry, or of the first entry of the bad segment."""
    file: str
    message: str


class ShardReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was verified of one shard."""

    shard: int
    size: int
    """How many entries, up to the first problem."""
    root: str
    """Of the tree of that size, base64."""
    segments: int
    accounts: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a ledger."""

    ledger: str
    ok: bool
    entries: int
    shards: list[ShardReport]
    problems: list[Problem]
    """The first one of each shard; empty where all fits."""
    vkey: str
    """The key that the signatures were checked with."""
    trust: str
    """On what the verdict rests: `pinned` (a key that was given) or `beside` (only the one that lies beside the log)."""


class _BadError(Exception):
    def __init__(self, kind: str, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.index = index


def verify(store: Store, vkey: str | None = None, progress: Callable[[int], None] | None = None) -> Report:
    """Verify a whole ledger.

    Args:
        store: its objects.
        vkey: the ledger's public key, from somewhere else than the ledger.
        progress: called with the number of entries after each segment.

    Raises:
        NotFoundError: `no_ledger`.
        UsageError: `newer_format`; `bad_vkey` for the key given.
        IntegrityError: `bad_ledger_file`.
        StoreError: the store cannot be read.
    """
    file = read_ledger_file(store)
    key = Verifier.from_vkey(file.vkey) if vkey is None else _given_key(vkey)
    shards, problems = [], []
    homes: dict[str, int] = {}
    for shard in range(file.shards):
        check = _Shard(store, file, shard, key, homes)
        try:
            for count in check.run():
                if progress:
                    progress(count)
        except _BadError as bad:
            place = check.size if bad.index is None else bad.index
            problems.append(Problem(kind=bad.kind, shard=shard, index=place, file=check.name, message=bad.message))
        shards.append(check.report())
    problems += _strangers(store, file)
    return Report(
        ledger=file.name,
        ok=not problems,
        entries=sum(report.size for report in shards),
        shards=shards,
        problems=problems,
        vkey=key.vkey,
        trust="beside" if vkey is None else "pinned",
    )


def _given_key(vkey: str) -> Verifier:
    """The key that somebody typed. None at all is not the same as an empty one, out of a variable that nobody set."""
    try:
        return Verifier.from_vkey(vkey)
    except IntegrityError as error:
        raise UsageError("bad_vkey", error.message, error.hint) from error


class _Shard:
    """The walk over one shard's log."""

    def __init__(self, store: Store, file: LedgerFile, shard: int, key: Verifier, homes: dict[str, int]) -> None:
        self._store = store
        self._file = file
        self._shard = shard
        self._verifier = key.renamed(file.verifier(shard).name)
        self._homes = homes
        self._topics = accepted_topics(store)
        self._blobs = BlobStore(store)
        self._frontier = Frontier()
        self._accounts: dict[str, tuple[int, str]] = {}
        self._segments = 0
        self._next_offset = 0
        self._topic_id = ""
        self._recorded = times.EARLIEST
        self.name = layout.shard_prefix(shard)

    @property
    def size(self) -> int:
        return self._frontier.size

    def report(self) -> ShardReport:
        return ShardReport(
            shard=self._shard,
            size=self.size,
            root=format_hash(self._frontier.root()),
            segments=self._segments,
            accounts=len(self._accounts),
        )

    def run(self) -> Iterator[int]:
        """Check segment after segment; yields the number of entries of each."""
        starts = set()
        while (segment := self._next()) is not None:
            starts.add(self.size)
            for line in segment.lines:
                self._entry(line)
            self._checkpoint(segment)
            self._segments += 1
            yield len(segment.lines)
        for first, name in segment_names(self._store, self._shard):
            if first < self.size and first not in starts:
                self.name = name
                raise _BadError("stray_segment", "its entries are in other segments already", index=first)

    def _next(self) -> Segment | None:
        """The segment that begins where the log ends so far. By name: a listing may miss what is written meanwhile."""
        self.name = layout.segment(self._shard, self.size)
        try:
            return parse_segment(self._store.get(self.name), self.name)
        except IntegrityError as error:
            raise _BadError(error.code, error.message) from None
        except NotFoundError:
            beyond = next(segment_names(self._store, self._shard, after=self.name), None)
        if beyond is None:
            return None
        try:
            return parse_segment(self._store.get(self.name), self.name)  # both may have been written since
        except NotFoundError:
            message = f"the log has {self.size} entries, the next segment begins at {beyond[0]}"
            raise _BadError("segment_missing", message) from None
        except IntegrityError as error:
            raise _BadError(error.code, error.message) from None

    def _checkpoint(self, segment: Segment) -> None:
        try:
            checkpoint = open_checkpoint(segment.note, self._verifier)
        except IntegrityError as error:
            raise _BadError(error.code, f"the checkpoint after entry {self.size - 1}: {error.message}") from None
        if checkpoint.size != self.size:
            raise _BadError("size_mismatch", f"the checkpoint says {checkpoint.size} entries, there are {self.size}")
        if checkpoint.root != self._frontier.root():
            expected, found = format_hash(checkpoint.root), format_hash(self._frontier.root())
            message = f"the checkpoint was signed for the root {expected}, the entries hash to {found}"
            raise _BadError("root_mismatch", message, index=self.size - len(segment.lines))

    def _entry(self, line: bytes) -> None:
        try:
            entry = decode_entry(line)
            if _encode(_decode(line)) != line:
                raise _BadError("noncanonical", "the entry is not in the form in which entries are written")
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise _BadError("malformed_entry", f"the entry cannot be read: {error}") from None
        if entry.v != FORMAT:
            raise _BadError("unknown_version", f"the entry has version {entry.v}")
        if entry.index != self.size:
            raise _BadError("reordered", f"entry {entry.index} stands where entry {self.size} belongs")
        if len(line) > MAX_ENTRY_BYTES:
            raise _BadError("oversized_entry", f"the entry has {len(line)} bytes")
        self._check_origin(entry)
        self._check_times(entry)
        self._check_ids(entry)
        self._check_parts(entry)
        leaf = leaf_hash(line)
        self._check_account(entry, leaf.hex())
        self._frontier.append(leaf)

    def _check_origin(self, entry: Entry) -> None:
        origin = entry.origin
        if origin.partition != self._shard or origin.topic != self._file.topic:
            raise _BadError("wrong_origin", f"the record is of {origin.topic}/{origin.partition}")
        if origin.topic_id is not UNSET:
            if origin.topic_id == self._topic_id or origin.topic_id not in self._topics:
                raise _BadError(
                    "unknown_topic", f"topic id {origin.topic_id} is not one that the ledger accepted newly here"
                )
            self._topic_id, self._next_offset = origin.topic_id, 0
        elif not self._topic_id:
            raise _BadError("unknown_topic", "the first entry names no topic id")
        skipped = 0 if origin.skipped is UNSET else origin.skipped
        if origin.gap is not UNSET:
            if origin.gap.from_ != self._next_offset or origin.gap.to < origin.gap.from_:
                raise _BadError("offset_gap", f"the accepted gap does not begin at offset {self._next_offset}")
            self._next_offset = origin.gap.to + 1
        expected = self._next_offset + skipped
        if origin.offset > expected or skipped < 0:
            raise _BadError("offset_gap", f"offset {origin.offset} follows where {expected} belongs")
        if origin.offset < expected:
            raise _BadError("offset_repeat", f"offset {origin.offset} follows where {expected} belongs")
        self._next_offset = origin.offset + 1

    def _check_times(self, entry: Entry) -> None:
        try:
            recorded, effective = times.parse(entry.recorded_at), times.parse(entry.effective_at)
        except ValueError as error:
            raise _BadError("bad_time", f"{error} is no time") from None
        if recorded.key < self._recorded.key:
            raise _BadError("time_went_back", f"recorded at {recorded.text}, after {self._recorded.text}")
        if effective.key > recorded.key:
            raise _BadError("effective_after_recorded", f"effective at {effective.text}, recorded at {recorded.text}")
        self._recorded = recorded

    def _check_ids(self, entry: Entry) -> None:
        event = entry.event
        names = (entry.account or "", event.subject or "", event.source or "", event.id or "")
        if entry.version is not None and entry.version.id != ids.version_id(*names):
            raise _BadError("wrong_id", f"version {entry.version.id} is not derived from its event")
        if entry.deployment is not None and entry.deployment.id != ids.deployment_id(*names):
            raise _BadError("wrong_id", f"deployment {entry.deployment.id} is not derived from its event")

    def _check_parts(self, entry: Entry) -> None:
        """The manifest against its digest, and that what was moved to the blob store is there."""
        moved = [entry.event.data_sha256, entry.triggers_sha256, entry.changes_sha256]
        if entry.version is not None:
            manifest = entry.version.manifest
            if manifest is UNSET:
                moved.append(entry.version.sha256)
            elif sha256(manifest).hexdigest() != entry.version.sha256:
                raise _BadError("manifest_mismatch", f"the manifest of version {entry.version.id} has another digest")
        for digest in moved:
            if digest is not None:
                try:
                    self._blobs.get(digest)
                except LedgerError as error:
                    raise _BadError("blob_missing", error.message) from None

    def _check_account(self, entry: Entry, leaf: str) -> None:
        name = entry.account
        if name is None:
            if entry.outcome != "rejected":
                raise _BadError("account_chain_broken", f"an entry with the outcome {entry.outcome} has no account")
            return
        if name not in self._accounts:
            self._check_home(name)
        count, last = self._accounts.get(name, (0, None))
        if (entry.account_index, entry.account_prev) != (count, last):
            found = f"{entry.account_index} after {entry.account_prev}"
            raise _BadError("account_chain_broken", f"account {name}: {found}; expected {count} after {last}")
        self._accounts[name] = (count + 1, leaf)

    def _check_home(self, name: str) -> None:
        try:
            home = _decode(self._store.get(layout.account(name)))
        except (NotFoundError, msgspec.MsgspecError):
            raise _BadError("bad_registration", f"account {name} has no registration that can be read") from None
        if home != {"account": name, "shard": self._shard} or self._homes.setdefault(name, self._shard) != self._shard:
            raise _BadError("bad_registration", f"account {name} is not registered for this shard")


def _strangers(store: Store, file: LedgerFile) -> Iterator[Problem]:
    """Logs of shards that the ledger does not have."""
    seen = set()
    for name in store.list(layout.LOG):
        match = _SHARD.match(name)
        if match and int(match[1]) >= file.shards and match[1] not in seen:
            seen.add(match[1])
            message = f"the ledger has {file.shards} shards"
            yield Problem(kind="unknown_shard", shard=int(match[1]), index=0, file=name, message=message)
