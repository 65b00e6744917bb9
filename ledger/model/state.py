"""State: what the fold remembers of an account and its scripts. A cache: it can be rebuilt from the log.

A script's aspects are kept as their stored bytes (compact JSON, members sorted), so that what did not change is neither parsed
nor encoded again, and a script costs little more than its manifest.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final, Protocol

import msgspec

__all__ = [
    "ABSENT",
    "EMPTY",
    "NO_TRIGGERS",
    "WHOLE",
    "Account",
    "Change",
    "Deployment",
    "Effect",
    "Loss",
    "Script",
    "Share",
    "Triggers",
    "Version",
    "manifest_json",
    "manifest_sha256",
    "triggers_json",
]

EMPTY: Final = b"{}"
WHOLE: Final = 100_000
"""All traffic, in thousandths of a per cent."""

Change = tuple[str, str, str]
"""(aspect, name, `added` | `removed` | `changed`)."""


class Version(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An immutable snapshot of a script; code, bindings and config as stored bytes."""

    id: str
    number: int
    code: bytes
    bindings: bytes
    config: bytes


class Share(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One version's part in a deployment."""

    version: str
    number: int
    """The version's number."""
    thousandths: int
    """Of a per cent: 0 to `WHOLE`."""


class Deployment(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Makes one version active, or several by percentage; shares are sorted by version id."""

    id: str
    number: int
    shares: tuple[Share, ...]

    def whole(self) -> Share | None:
        """The share that takes all traffic, or None where traffic is split."""
        return next((share for share in self.shares if share.thousandths == WHOLE), None)


class Triggers(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How a script is reached or watched, as stored bytes; members in the order of the stored object."""

    crons: bytes = EMPTY
    domains: bytes = EMPTY
    queues: bytes = EMPTY
    routes: bytes = EMPTY
    settings: bytes = EMPTY
    subdomain: bytes = EMPTY


NO_TRIGGERS: Final = Triggers()


class Script(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A script between two entries. It exists while `newest` is there."""

    versions: int
    """The last version number given; numbers go on after a deletion. `deployments` likewise."""
    deployments: int
    newest: Version | None
    active: Deployment | None
    serving: Version | None
    """The version that takes all traffic; None where none does."""
    triggers: Triggers
    effective_at: str
    """Of the last entry that touched the script, as text; empty before the first."""


ABSENT: Final = Script(0, 0, None, None, None, NO_TRIGGERS, "")


class Account(msgspec.Struct, gc=False):
    """An account at home in this shard. The one mutable type here: `settle` moves it from entry to entry."""

    name: str
    entries: int = 0
    """How many entries its chain has: the next `account_index`."""
    last: str = ""
    """Leaf hash of the last entry of the chain, hex; empty before the first."""
    scripts: dict[str, Script] = {}
    routes: dict[str, str] = {}
    """Route pattern to the script that has it. `domains` likewise, by host name."""
    domains: dict[str, str] = {}
    key: bytes = b""
    """The name as the key of a Kafka record."""

    def __post_init__(self) -> None:
        self.key = self.name.encode()

    def settle(self, subject: str, effect: "Effect") -> None:
        """Take over what one entry did: the new state of the scripts it touched, and who owns its routes and domains now."""
        self.scripts.update(effect.scripts)
        if not effect.moves_owners:
            return
        for script, changes in (*((lost.subject, lost.changes) for lost in effect.others), (subject, effect.changes)):
            for aspect, name, op in changes or ():
                if aspect in ("routes", "domains"):
                    owners = self.routes if aspect == "routes" else self.domains
                    if op != "removed":
                        owners[name] = script
                    elif owners.get(name) == script:
                        del owners[name]


class Loss(Protocol):
    """What another script lost to an entry's script."""

    @property
    def subject(self) -> str:
        """The script that lost it."""

    @property
    def changes(self) -> Sequence[Change]:
        """What it lost."""


class Effect(Protocol):
    """What an entry did, as far as an account's state is concerned."""

    @property
    def scripts(self) -> Mapping[str, Script]:
        """The new state of every script touched."""

    @property
    def changes(self) -> Sequence[Change] | None:
        """What changed of the entry's own script."""

    @property
    def others(self) -> Sequence[Loss]:
        """What others lost to it."""

    @property
    def moves_owners(self) -> bool:
        """Whether any triggers changed: only then a route or domain can have another owner."""


def manifest_json(code: bytes, bindings: bytes, config: bytes) -> bytes:
    """A version's manifest as it is stored and digested."""
    return b'{"bindings":%b,"code":%b,"config":%b}' % (bindings, code, config)


def manifest_sha256(manifest: bytes) -> str:
    """The digest of a manifest's bytes, hex."""
    return sha256(manifest).hexdigest()


def triggers_json(triggers: Triggers) -> bytes:
    """A script's triggers as they are stored."""
    return b'{"crons":%b,"domains":%b,"queues":%b,"routes":%b,"settings":%b,"subdomain":%b}' % (
        triggers.crons,
        triggers.domains,
        triggers.queues,
        triggers.routes,
        triggers.settings,
        triggers.subdomain,
    )
