"""What a worker can be told; every limit has a default that is documented here."""

from pathlib import Path

import msgspec

from ledger.broker.cluster import Cluster

__all__ = ["Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's settings."""

    ledger: str
    """The ledger's directory, or an object store's URL."""
    keys: str
    """Where its keys are."""
    cluster: Cluster
    """The brokers, and how they are spoken to."""
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
    rebalance_timeout_s: float = 60.0
    """How long the group waits for a worker to finish what it has when partitions move; a broker that is silent for 10 s more is given up."""
    commit_interval_s: float = 1.0
    """How often offsets are committed: a hint for lag monitors only."""
    topic_check_s: float = 2.0
    """How often an idle worker asks whether its topic is still the same one."""
    people_check_s: float = 60.0
    """How often a worker looks whether people whose keys it remembers were erased."""
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
    slow_step_s: float = 10.0
    """A fold or commit that takes longer is said in the log and makes `/healthz` answer 503;"""
    hung_step_s: float = 120.0
    """one that takes longer than this stops the worker."""
    stop_timeout_s: float = 15.0
    """How long a worker that was told to stop may go on finishing before it gives up what is not committed."""
    metrics_port: int | None = None
    """Where metrics and health are served; 0 takes a free port, None serves none."""
    metrics_host: str = "127.0.0.1"
    lag_check_s: float = 5.0
    """How often the broker is asked where partitions end, if metrics are served."""
    log_format: str = "auto"
    """`text`, `json`, or `auto`: text on a terminal and JSON elsewhere."""
    log_level: str = "info"
    """What is said at least: `info`, `warning` or `error`."""
    summary_s: float = 60.0
    """How often what was done is summed up, if anything was."""
