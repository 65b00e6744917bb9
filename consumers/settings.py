"""What a worker can be told; every limit has a default that is documented here."""

from pathlib import Path

import msgspec

__all__ = ["Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's settings."""

    ledger: str
    """The ledger's directory, or an object store's URL."""
    keys: str
    """Where its keys are."""
    bootstrap: str
    """`HOST:PORT`, or several with commas between."""
    group: str
    """The consumer group; workers of one group share the partitions."""
    cache: Path | None
    """The directory for snapshots, or None to keep none."""
    batch_records: int = 1000
    """A batch is committed when it holds this many records,"""
    batch_bytes: int = 1 << 20
    """or this many bytes,"""
    batch_age_ms: int = 100
    """or when its first record has waited this long."""
    queued_fetches: int = 8
    """How many fetched record batches of a partition wait in memory, at most."""
    until_idle_s: float | None = None
    """Stop after so many seconds without a record; None: never."""
    session_timeout_s: float = 10.0
    """How long the group waits for a worker that is silent before it gives its partitions to others."""
    heartbeat_s: float = 2.0
    commit_interval_s: float = 1.0
    """How often offsets are committed: a hint for lag monitors only."""
    topic_check_s: float = 2.0
    """How often an idle worker asks whether its topic is still the same one."""
    compact_entries: int = 200_000
    """Entries of a shard that are compacted together, in the background; 0: never,"""
    compact_age_s: float = 3600.0
    """when they were recorded at least so long ago."""
    compact_check_s: float = 60.0
    """How often it is looked for what can be compacted."""
    retries: int = 5
    """How often a store that fails is tried again before the worker stops,"""
    retry_pause_s: float = 0.2
    """waiting so long at first, twice as long each time."""
