"""The quick way for what most events are: the code replaced by modules and nothing else, in exact JSON.

Five in six real events are so. They are decoded in one go, typed throughout, and held against their re-encoding; whatever is
different in any way is left to `decoding`, which comes to the same result.
"""

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ledger.model.aspects import Patch, PlainCode
from ledger.model.envelope import check_envelope, parts_around, read_actor
from ledger.model.events import Attributes, Event, Id
from ledger.model.jsontext import sorted_json

__all__ = ["read_code_change"]


class _Replaced(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    replace: PlainCode


class _CodeData(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    actor: Raw
    interface: Id | UnsetType = UNSET
    message: str | UnsetType = UNSET
    tag: str | UnsetType = UNSET
    code: _Replaced


class _CodeChange(Attributes, kw_only=True):
    data: _CodeData


_decode = msgspec.json.Decoder(_CodeChange).decode
_encode = msgspec.json.Encoder().encode


def read_code_change(text: bytes) -> Event | None:
    """Decode an event that replaces the code and does nothing else.

    Returns:
        None where it is any other event, or not exact, or where `main` is no module.

    Raises:
        RefusedError, DoubtError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError: the exact way tells why.
    """
    try:
        change = _decode(text)
    except msgspec.ValidationError:
        return None
    data = change.data
    code = data.code.replace
    if code.main not in code.modules or _encode(change) != text:
        return None
    time = check_envelope(change)
    actor_json = bytes(data.actor)
    patch = Patch(True, {}, sorted_json(code), code)
    return Event(
        change.accountid,
        change.subject,
        change.source,
        change.id,
        time,
        read_actor(actor_json),
        actor_json,
        {"code": patch},
        *parts_around(text, actor_json),
    )
