"""The quick way for what most events are: the code of a script replaced by modules and nothing else, in exact JSON.

Five in six real events are so, and they are read and folded here in few steps: typed throughout, decoded in one go and held against
their re-encoding. Whatever is different in any way, or does not meet a script that serves one version of such code, is left to
`decoding` and `fold`, which come to the same result; the tests hold both ways against each other.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from ledger.model import ids, times
from ledger.model.aspects import Count
from ledger.model.binary import Headers, is_plainly_structured
from ledger.model.envelope import DoubtError, check_envelope, parts_around, read_actor
from ledger.model.events import MAX_EVENT_BYTES, Actor, Id
from ledger.model.fold import effective_time
from ledger.model.jsontext import sorted_json
from ledger.model.reasons import RefusedError
from ledger.model.state import WHOLE, Change, Deployment, Script, Share, Version

__all__ = ["CodeChange", "Deployed", "event_parts", "fold_code_change", "read_code_change"]

_MAX_REMEMBERED: Final = 16_384
_END: Final = b"}}}}}}"
"""A module, the modules, `replace`, the code, `data` and the event end here: tells most other events apart at once."""
_HEX: Final = b"0123456789abcdef"


class _Module(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    type: Annotated[str, Meta(min_length=1)]
    size: Count
    sha256: Annotated[str, Meta(min_length=64, max_length=64)]


class _Code(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Code that is modules and nothing else."""

    main: str
    modules: dict[str, _Module]


class _Replaced(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    replace: _Code


class _Data(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    actor: Raw
    interface: Id | UnsetType = UNSET
    message: str | UnsetType = UNSET
    tag: str | UnsetType = UNSET
    code: _Replaced


class _Sent(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """The whole event."""

    specversion: Literal["1.0"]
    type: Literal["ledger.change.v1"]
    source: str
    id: str
    subject: str
    time: str
    accountid: str
    datacontenttype: Literal["application/json"] | UnsetType = UNSET
    data: _Data


class CodeChange(msgspec.Struct, frozen=True, gc=False):
    """An event that replaces the code and does nothing else; members as those of `Event`."""

    account: str
    subject: str
    source: str
    id: str
    time: times.Time
    actor: Actor
    actor_json: bytes
    code: _Code
    text: bytes
    """The event as it was sent."""


class Deployed(msgspec.Struct, frozen=True, gc=False):
    """What such an event did: a new version takes all traffic."""

    effective_at: str
    skew: str | None
    changes: list[Change]
    version: Version
    deployment: Deployment
    script: Script
    """After the event."""


_decode = msgspec.json.Decoder(_Sent).decode
_encode = msgspec.json.Encoder().encode
_decode_code = msgspec.json.Decoder(_Code).decode
_codes: dict[bytes, _Code] = {}
"""Code of scripts that changed lately, by its stored bytes: what the next change is compared with need not be decoded."""


def read_code_change(text: bytes | None, headers: Headers) -> CodeChange | None:
    """Decode a record that replaces the code and does nothing else; None where it is anything else, or wrong in any way."""
    if text is None or not text.endswith(_END) or len(text) > MAX_EVENT_BYTES or not is_plainly_structured(headers):
        return None
    try:
        sent = _decode(text)
        code = sent.data.code.replace
        if _encode(sent) != text or code.main not in code.modules or not _are_hex(code):
            return None
        time = check_envelope(sent)
        actor_json = bytes(sent.data.actor)
        actor = read_actor(actor_json)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, RefusedError, DoubtError):
        return None
    return CodeChange(sent.accountid, sent.subject, sent.source, sent.id, time, actor, actor_json, code, text)


def event_parts(change: CodeChange, actor: bytes) -> Sequence[bytes]:
    """The event as it stands in an entry, in pieces, with the sealed actor in its place."""
    attributes, before, after = parts_around(change.text, change.actor_json)
    return attributes, before, actor, after


def fold_code_change(script: Script, change: CodeChange, recorded: times.Time) -> Deployed | None:
    """What `fold` says of such an event, where the script serves one version, of code that is modules only, and the code differs.

    Args:
        script: the script's state before.
        change: no duplicate.
        recorded: the entry's recorded time.

    Returns:
        None where it is not as above.
    """
    base = script.serving
    if base is None:
        return None
    code = sorted_json(change.code)
    before = _codes.get(base.code) or _decoded(base.code)
    if before is None or code == base.code:
        return None
    changes = _changes(before, change.code)
    effective_at, skew = effective_time(change.time, recorded, script.effective_at)
    number = script.versions + 1
    version_id, deployment_id = ids.both_ids(change.account, change.subject, change.source, change.id)
    version = Version(version_id, number, code, base.bindings, base.config)
    deployment = Deployment(deployment_id, script.deployments + 1, (Share(version_id, number, WHOLE),))
    _remember(base.code, code, change.code)
    return Deployed(
        effective_at,
        skew,
        changes,
        version,
        deployment,
        Script(number, deployment.number, version, deployment, version, script.triggers, effective_at),
    )


def _are_hex(code: _Code) -> bool:
    digests = "".join([module.sha256 for module in code.modules.values()])
    return digests.isascii() and not digests.encode().translate(None, _HEX)


def _changes(before: _Code, after: _Code) -> list[Change]:
    old, new = before.modules, after.modules
    changes: list[Change] = [] if before.main == after.main else [("code", "main", "changed")]
    kept = 0
    for name, module in new.items():
        was = old.get(name)
        if was is None:
            changes.append(("code", f"modules/{name}", "added"))
        else:
            kept += 1
            if was != module:
                changes.append(("code", f"modules/{name}", "changed"))
    if kept < len(old):
        changes.extend(("code", f"modules/{name}", "removed") for name in old if name not in new)
    changes.sort()
    return changes


def _decoded(stored: bytes) -> _Code | None:
    try:
        return _decode_code(stored)
    except msgspec.ValidationError:  # there is none, or it has other members
        return None


def _remember(before: bytes, stored: bytes, code: _Code) -> None:
    _codes.pop(before, None)
    if len(_codes) >= _MAX_REMEMBERED:
        _codes.clear()
    _codes[stored] = code
