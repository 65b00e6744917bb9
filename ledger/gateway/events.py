"""The change event of a request, and what it would do: checked by the code that folds it, before it is sent."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from ledger.gateway.refusals import REFUSED, GatewayError, from_reason, refuse
from ledger.model import times
from ledger.model.decoding import decode
from ledger.model.envelope import NAME
from ledger.model.events import CHANGE, Event, Rejected
from ledger.model.fold import NOTHING_FOUND, Found, Outcome, fold
from ledger.model.ids import uuid8
from ledger.model.state import Account

__all__ = ["Origin", "change_event", "check_names", "checked", "foresee", "idempotent_id", "interface_of"]

_encode = msgspec.json.Encoder().encode


class Origin(Struct, frozen=True, kw_only=True):
    """Where a change comes from."""

    account: str
    script: str
    source: str
    """The gateway's name."""
    id: str
    """The event's; `source` and `id` make the ids of the version and deployment."""
    time: str
    """When the request arrived, RFC 3339 in UTC."""
    actor: Mapping[str, str] | None
    interface: str


def check_names(account: str, script: str) -> None:
    """Refuse names that no account or script can have, before anything is done for them.

    Raises:
        GatewayError: one is none.
    """
    if not NAME.fullmatch(account) or not NAME.fullmatch(script):
        raise refuse("a name has 1 to 255 of A-Z a-z 0-9 . _ - and begins with a letter, a digit or _")


def change_event(origin: Origin, data: Mapping[str, Any]) -> bytes:
    """The event of a change: CloudEvents 1.0, structured mode.

    Raises:
        GatewayError: something in it is no text that UTF-8 can write.
    """
    who = {"actor": origin.actor} if origin.actor else {}
    try:
        return _encode(
            {
                "specversion": "1.0",
                "type": CHANGE,
                "source": origin.source,
                "id": origin.id,
                "subject": origin.script,
                "time": origin.time,
                "accountid": origin.account,
                "datacontenttype": "application/json",
                "data": {**who, "interface": origin.interface, **data},
            }
        )
    except (UnicodeEncodeError, msgspec.MsgspecError):
        raise GatewayError(400, (REFUSED, "a text in the request is none that UTF-8 can write")) from None


def checked(event: bytes) -> Event:
    """The event as a worker will read it.

    Raises:
        GatewayError: it would be rejected as it stands, whatever the state.
    """
    found = decode(event)
    if isinstance(found, Rejected):
        raise from_reason(found.reason)
    return found


def foresee(
    account: Account | None, event: Event, now_ms: int, found: Found = NOTHING_FOUND, *, about_secrets: bool = True
) -> Outcome:
    """What an event would do to an account as it is now, by the real fold.

    Args:
        account: as it is now; None where the ledger does not know it. Not changed.
        event: of this account.
        now_ms: milliseconds since 1970.
        found: what the ids in it refer to.
        about_secrets: whether the request is an edit of secrets.

    Raises:
        GatewayError: it would be rejected.
    """
    if account is None:
        account = Account(name=event.account, scripts={}, routes={}, domains={})
    outcome = fold(account, event, times.from_milliseconds(now_ms), found)
    if outcome.reason is not None:
        raise from_reason(outcome.reason, about_secrets=about_secrets)
    return outcome


def idempotent_id(*parts: str) -> str:
    """The id of the event of a request that may be sent again: of who sends it, the key, and what is asked."""
    return uuid8("\0".join(("request", *parts)))


def interface_of(user_agent: str) -> str:
    """The interface that a request came by, as its user agent says."""
    agent = user_agent.lower()
    if agent.startswith("wrangler/"):
        return "wrangler"
    return "terraform" if "terraform" in agent else "api"
