"""The forms in which a verifier decodes entries: typed where re-encoding proves the bytes, raw where pieces are looked at by themselves."""

from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

__all__ = ["Code", "Data", "Entry", "Facts", "Form", "Gap", "Manifest", "Origin", "Replaced", "StoredCode"]


class Form(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """Members in the order in which they are written; what is absent stays absent when it is encoded again."""


class Gap(Form, frozen=True, kw_only=True):
    """Records whose loss an operator accepted; both offsets inclusive."""

    from_: int = msgspec.field(name="from")
    to: int
    accepted_by: str


class Origin(Form, frozen=True, kw_only=True):
    """The record that an entry is about."""

    topic: str
    topic_id: str | UnsetType = UNSET
    partition: int
    offset: int
    skipped: int | UnsetType = UNSET
    gap: Gap | UnsetType = UNSET
    mac: str


class Data(Form, frozen=True, kw_only=True):
    """`data` of a change, in the order in which producers usually write it."""

    actor: Raw | UnsetType = UNSET
    interface: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    tag: str | UnsetType = UNSET
    activate: bool | UnsetType = UNSET
    base: str | UnsetType = UNSET
    code: Raw | UnsetType = UNSET
    bindings: Raw | UnsetType = UNSET
    config: Raw | UnsetType = UNSET
    routes: Raw | UnsetType = UNSET
    domains: Raw | UnsetType = UNSET
    crons: Raw | UnsetType = UNSET
    queues: Raw | UnsetType = UNSET
    subdomain: Raw | UnsetType = UNSET
    settings: Raw | UnsetType = UNSET
    deploy: Raw | UnsetType = UNSET
    rollback_to: str | UnsetType = UNSET
    delete: bool | UnsetType = UNSET


class Event(Form, frozen=True, kw_only=True):
    """The event in an entry, without extension attributes."""

    specversion: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    source: str | UnsetType = UNSET
    id: str | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    time: str | UnsetType = UNSET
    accountid: str | UnsetType = UNSET
    datacontenttype: str | UnsetType = UNSET
    dataschema: str | UnsetType = UNSET
    data: Data | UnsetType = UNSET
    data_sha256: str | UnsetType = UNSET


class Version(Form, frozen=True, kw_only=True):
    """A version that was made."""

    id: str
    number: int
    sha256: str
    manifest: Raw | UnsetType = UNSET


class Deployment(Form, frozen=True, kw_only=True):
    """A deployment that was made."""

    id: str
    number: int
    versions: dict[str, int | float]
    rollback: bool
    rollback_of: str | UnsetType = UNSET


class Entry(Form, frozen=True, kw_only=True):
    """A whole entry."""

    v: int
    index: int
    account: str | None
    account_index: int | UnsetType = UNSET
    account_prev: str | UnsetType | None = UNSET
    recorded_at: str
    effective_at: str
    skew: str | UnsetType = UNSET
    origin: Origin
    event: Event
    outcome: str
    reason: Raw | UnsetType = UNSET
    first_index: int | UnsetType = UNSET
    changes: Raw | UnsetType = UNSET
    changes_sha256: str | UnsetType = UNSET
    version: Version | UnsetType = UNSET
    deployment: Deployment | UnsetType = UNSET
    triggers: Raw | UnsetType = UNSET
    triggers_sha256: str | UnsetType = UNSET
    others: Raw | UnsetType = UNSET


MEMBERS: Final = Entry.__struct_fields__
"""An entry's members, in their order."""


class Manifest(Form, frozen=True, kw_only=True):
    """A version's content, each aspect by itself."""

    bindings: Raw
    code: Raw
    config: Raw


class _Module(Form, frozen=True, kw_only=True):
    type: str
    size: int
    sha256: str


class Code(Form, frozen=True, kw_only=True):
    """Code as producers usually write it."""

    main: str | UnsetType = UNSET
    modules: dict[str, _Module]


class Replaced(Form, frozen=True, kw_only=True):
    """Code that is replaced."""

    replace: Code


class _StoredModule(Form, frozen=True, kw_only=True):
    sha256: str
    size: int
    type: str


class StoredCode(Form, frozen=True, kw_only=True):
    """Code in a manifest."""

    main: str | UnsetType = UNSET
    modules: dict[str, _StoredModule]


class Facts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the entries around an entry must agree with; `Entry` has the same members and more."""

    index: int
    account: str | None
    account_index: int | UnsetType = UNSET
    account_prev: str | UnsetType | None = UNSET
    recorded_at: str
    origin: Origin
    outcome: str
    changes_sha256: str | UnsetType = UNSET
    triggers_sha256: str | UnsetType = UNSET
    version: Any = UNSET
    event: Any
