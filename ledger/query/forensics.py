"""What the questions of an incident are answered with; the same rules as `ledger.query.answers`: their JSON is only added to."""

from datetime import datetime
from typing import Any

from ledger.query.answers import Answer, Change

__all__ = [
    "BlameRow",
    "ChangedValue",
    "Difference",
    "DifferenceStat",
    "DoneRow",
    "DoneSummary",
    "Explained",
    "FleetRow",
    "HeldRow",
    "Served",
    "SkewExample",
    "SkewRow",
    "Way",
]


class SkewExample(Answer, frozen=True, kw_only=True):
    """An event whose time was not taken as it was, or that came late."""

    entry: str
    account: str | None
    script: str | None
    kind: str
    """ahead, late or delayed, whichever is largest."""
    seconds: float
    stated: datetime
    """The event's own time."""
    effective_at: datetime
    recorded_at: datetime


class SkewRow(Answer, frozen=True, kw_only=True):
    """One source of events whose clock was off, or whose events came late."""

    source: str
    events: int
    """All of them, also those whose times were good; repeated deliveries are not counted."""
    ahead: int
    """Events from the future: taken as of when they were recorded."""
    late: int
    """Events that say they happened before something their script has on record already: taken as of that."""
    delayed: int
    """Events that were recorded long after they say they happened."""
    largest_ahead_s: float | None
    largest_late_s: float | None
    largest_delay_s: float | None
    last_recorded_at: datetime
    """When the last of these was recorded."""
    examples: list[SkewExample]
    """The largest."""


class Served(Answer, frozen=True, kw_only=True):
    """A version that a deployment serves."""

    version: str
    number: int | None
    percentage: float
    sha256: str | None
    """Digest of its manifest: equal where the content is."""
    made_at: datetime | None
    """Effective time of its making, which may be long before its deployment."""
    author: str | None
    """Who made it."""


class Way(Answer, frozen=True, kw_only=True):
    """A way in which a script is reached."""

    by: str
    """route, domain, cron, queue or workers.dev."""
    name: str
    """Pattern, host name, expression or queue; empty for workers.dev."""
    since: datetime
    """When it was last given or changed."""
    value: Any
    """What belongs to it: zone, settings of the queue."""


class FleetRow(Answer, frozen=True, kw_only=True):
    """A script as it was at a time."""

    account: str
    script: str
    state: str
    """active, uploaded, deleted or waiting, as in `ScriptRow`."""
    deployment: str | None
    number: int | None
    entry: str | None
    """`shard/index` of the entry that made the deployment."""
    versions: list[Served]
    rollback: bool
    since: datetime | None
    author: str | None
    """Who deployed it."""
    interface: str | None
    message: str | None
    tag: str | None
    reached: list[Way]


class Difference(Answer, frozen=True, kw_only=True):
    """One name that differs between two sides."""

    account: str
    script: str
    """Of the second side; of the first where the second has no such script."""
    other: str | None
    """`account/script` of the first side, where that is another one."""
    aspect: str
    """As in `Change`; `deployment` for what is active, where times or accounts are compared."""
    name: str
    op: str
    """added, removed or changed."""
    before: Any
    after: Any
    """Values; null where there is none. Where traffic is split and the versions differ: `{"split": [{"version", "percentage", "value"}]}`."""
    text: str | None
    """Of a module: a unified diff, where the blob store has both texts."""


class DifferenceStat(Answer, frozen=True, kw_only=True):
    """How much differs in one script."""

    account: str
    script: str
    other: str | None
    aspects: list[str]
    added: int
    removed: int
    changed: int
    """Names."""
    lines_added: int
    lines_removed: int
    """Of modules whose texts the blob store has."""


class BlameRow(Answer, frozen=True, kw_only=True):
    """A name of a script, and the entry that gave it its value (or introduced it, or made the value)."""

    account: str
    script: str
    aspect: str
    name: str
    value: Any
    versions: list[int]
    """Numbers of the versions served now that have this value; empty for what leads to the script."""
    op: str
    """What the entry did: added, changed, restored (by a rollback); unchanged, of a first version that took it over."""
    entry: str
    outcome: str
    version: int | None
    """Number of the version that the entry made."""
    deployment: int | None
    """Number of the deployment that the entry made."""
    effective_at: datetime
    recorded_at: datetime
    author: str | None
    interface: str | None
    message: str | None
    tag: str | None


class DoneRow(Answer, frozen=True, kw_only=True):
    """An entry by somebody that changed a script."""

    account: str
    script: str
    entry: str
    effective_at: datetime
    recorded_at: datetime
    outcome: str
    actor: str
    """Pseudonym."""
    actor_type: str | None
    """user, token or system."""
    author: str | None
    interface: str | None
    message: str | None
    tag: str | None
    version: int | None
    deployment: int | None
    changes: list[Change]


class DoneSummary(Answer, frozen=True, kw_only=True):
    """How much somebody changed of one script through one interface."""

    account: str
    script: str
    interface: str | None
    entries: int
    deployments: int
    first_at: datetime
    last_at: datetime


class HeldRow(Answer, frozen=True, kw_only=True):
    """A version that held the tested value, and a time in which it was live; one row for each such time."""

    account: str
    script: str
    name: str
    match: str
    """same; or unknown, where the secret was recorded without a MAC."""
    version: str
    number: int
    deployment: str | None
    """The deployment that served it; None where none did."""
    deployment_number: int | None
    percentage: float | None
    live_from: datetime | None
    live_to: datetime | None
    """None while it is live, and where it never was."""
    entry: str | None
    """`shard/index` of the entry that made the deployment."""


class ChangedValue(Answer, frozen=True, kw_only=True):
    """A name that an entry changed, with its values."""

    aspect: str
    name: str
    op: str
    before: Any
    after: Any


class Explained(Answer, frozen=True, kw_only=True):
    """An entry in sentences, and the facts that they rest on."""

    entry: str
    account: str
    script: str
    outcome: str
    version: int | None
    deployment: int | None
    effective_at: datetime
    recorded_at: datetime
    author: str | None
    interface: str | None
    message: str | None
    tag: str | None
    replaced: int | None
    """Number of the deployment that was active before."""
    changes: list[ChangedValue]
    """Against what was active before; of an upload against the version before."""
    reached: list[str]
    """How the script was reached then: `routes/PATTERN`, `crons/EXPRESSION`, ..."""
    live_from: datetime | None
    live_to: datetime | None
    """When it was replaced, or the script deleted; None where it is live, or never was."""
    next_entry: str | None
    """The entry that ended it."""
    sentences: list[str]
