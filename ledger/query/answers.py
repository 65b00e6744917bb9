"""What questions are answered with. Their fields, in this order, are the JSON that the commands print: additions only.

Times are aware datetimes in UTC. `author` is an e-mail address or id where the key store knows the person, else a pseudonym.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct

__all__ = [
    "Answer",
    "Change",
    "DeploymentRow",
    "HistoryRow",
    "LostRecords",
    "NoteRow",
    "RejectedRow",
    "ScriptRow",
    "ShardStatus",
    "Share",
    "ShownDeployment",
    "ShownEntry",
    "ShownVersion",
    "Status",
    "VersionRow",
    "WatchRow",
]


class Answer(Struct, frozen=True, kw_only=True):
    """Of all that is printed as an object."""


class ShardStatus(Answer, frozen=True, kw_only=True):
    """One shard as far as a reader sees it."""

    shard: int
    size: int
    """Entries."""
    packs: int
    """Parquet objects that hold the compacted part of them:"""
    packed: int
    """so many, from the first on."""
    segments: int
    """Those after it."""
    root: str | None
    """Root hash of the last checkpoint, base64; None where the shard is empty."""
    last_recorded_at: datetime | None
    strays: int
    """Segments that lie below what is there already: reported by `ledger verify`, read by nobody."""
    missing_at: int | None
    """Index at which a segment is missing although later ones exist; nothing after it is shown anywhere."""


class LostRecords(Answer, frozen=True, kw_only=True):
    """Records that had expired before they were read, and whose loss was accepted."""

    partition: int
    first_offset: int
    """Of the first that is lost."""
    last_offset: int
    accepted_by: str
    entry: str
    """`shard/index` of the first entry after them."""


class Status(Answer, frozen=True, kw_only=True):
    """A ledger at a glance."""

    ledger: str
    name: str
    topic: str
    format: int
    size: int
    accounts: int
    scripts: int
    last_recorded_at: datetime | None
    outcomes: dict[str, int]
    shards: list[ShardStatus]
    lost: list[LostRecords]


class Share(Answer, frozen=True, kw_only=True):
    """A version's part in a deployment."""

    version: str
    number: int | None
    percentage: float


class ScriptRow(Answer, frozen=True, kw_only=True):
    """A script now, or as of a time."""

    account: str
    script: str
    state: str
    """active, uploaded (a version, none deployed), deleted, or waiting (triggers came before any version)."""
    deployment: str | None
    number: int | None
    versions: list[Share]
    since: datetime | None
    author: str | None
    interface: str | None
    message: str | None
    tag: str | None
    routes: list[str]
    domains: list[str]
    crons: list[str]
    queues: list[str]
    subdomain: bool


class DeploymentRow(Answer, frozen=True, kw_only=True):
    """A deployment as `wrangler deployments` shows it."""

    account: str
    script: str
    deployment: str
    number: int
    active: bool
    effective_at: datetime
    recorded_at: datetime
    author: str | None
    interface: str | None
    message: str | None
    tag: str | None
    versions: list[Share]
    rollback: bool
    rollback_of: str | None
    rollback_of_number: int | None
    entry: str
    """`shard/index` of the entry that made it."""


class VersionRow(Answer, frozen=True, kw_only=True):
    """A version of a script."""

    account: str
    script: str
    version: str
    number: int
    sha256: str
    same_as: int | None
    """Number of the oldest version with the same content, where that is another one."""
    deployed: bool
    """Whether the same step deployed it."""
    percentage: float | None
    """The part of the traffic that it has; None where it has none."""
    effective_at: datetime
    recorded_at: datetime
    author: str | None
    interface: str | None
    message: str | None
    tag: str | None
    entry: str


class Change(Answer, frozen=True, kw_only=True):
    """One name that an entry changed."""

    aspect: str
    name: str
    op: str


class HistoryRow(Answer, frozen=True, kw_only=True):
    """An entry that changed a script."""

    account: str
    script: str
    entry: str
    effective_at: datetime
    recorded_at: datetime
    outcome: str
    author: str | None
    interface: str | None
    message: str | None
    tag: str | None
    version: int | None
    deployment: int | None
    lost_to: str | None
    """The script that took a route or domain away, where that is what happened."""
    changes: list[Change]
    action: str | None = None
    """Of a note about the script: what was done,"""
    detail: Any = None
    """and what was said about it."""


class WatchRow(Answer, frozen=True, kw_only=True):
    """An entry of any outcome, as it appears."""

    entry: str
    account: str | None
    """None where a rejected record does not say, or is not at home in the shard; likewise the script."""
    script: str | None
    """Of a note: what it is about."""
    effective_at: datetime
    recorded_at: datetime
    outcome: str
    author: str | None
    interface: str | None
    message: str | None
    tag: str | None
    version: int | None
    deployment: int | None
    changes: list[Change]
    taken_from: list[str]
    """Scripts of the account that lost a route or domain to this one."""
    reason: str | None
    """Of a rejected record: the reason's code."""
    action: str | None
    """Of a note: what was done,"""
    detail: Any
    """and what was said about it."""


class NoteRow(Answer, frozen=True, kw_only=True):
    """What an operator noted."""

    entry: str
    account: str
    subject: str
    action: str
    detail: Any
    effective_at: datetime
    recorded_at: datetime
    author: str | None
    interface: str | None
    source: str
    event_id: str


class RejectedRow(Answer, frozen=True, kw_only=True):
    """A record that became no change."""

    entry: str
    recorded_at: datetime
    account: str | None
    script: str | None
    code: str
    path: str | None
    detail: str | None
    source: str | None
    event_id: str | None
    topic: str
    partition: int
    offset: int
    quarantine: str | None
    """The object of the ledger with its bytes; None where they were not kept, or were dropped."""


class ShownVersion(Answer, frozen=True, kw_only=True, tag="version", tag_field="kind"):
    """A version, whole."""

    version: VersionRow
    manifest: dict[str, Any]


class ShownDeployment(Answer, frozen=True, kw_only=True, tag="deployment", tag_field="kind"):
    """A deployment with the versions that it serves, whole."""

    deployment: DeploymentRow
    versions: list[ShownVersion]
    changes: list[Change]


class ShownEntry(Answer, frozen=True, kw_only=True, tag="entry", tag_field="kind"):
    """An entry as it stands in the log."""

    shard: int
    index: int
    leaf_hash: str
    """SHA-256(0x00 || entry bytes), hex (RFC 6962)."""
    entry: dict[str, Any]
