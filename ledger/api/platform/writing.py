"""One change: resolved, checked by the fold, sent, waited for. What a request is answered with is read from its entry."""

import asyncio
import re
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from ledger.api.platform.gateway import Call
from ledger.broker.publish import Place
from ledger.errors import BrokerError
from ledger.gateway.events import Origin, change_event, checked, foresee, idempotent_id, interface_of
from ledger.gateway.refusals import REFUSED, GatewayError, from_reason, refuse
from ledger.live.script import LiveScript
from ledger.model.entries import Entry, decode_entry
from ledger.model.events import Event
from ledger.model.fold import NOTHING_FOUND, Found
from ledger.model.reasons import Reason
from ledger.model.state import Account, Deployment, Script, Share, Version

__all__ = ["SOURCE", "Written", "change"]

SOURCE: Final = "ledger-gateway"
"""The `source` of every event that a request of the platform's tools becomes."""
_TRIES: Final = 3
_KEY_HEADER: Final = "idempotency-key"
_KEY: Final = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,254}")

Make = Callable[[Account | None, Script | None], Mapping[str, Any]]
"""An event's `data`, of the account and the script (None where it does not exist) as they are now; raises GatewayError."""


class Written(Struct, frozen=True, kw_only=True):
    """A change that is in the log."""

    entry: Entry
    script: LiveScript
    """After it (and perhaps after others' changes too)."""


async def change(
    call: Call,
    script: str,
    make: Make,
    *,
    about_secrets: bool = True,
) -> Written:
    """Make one change of a script, and wait for its entry.

    Args:
        call: the request by which it is made. With the header `Idempotency-Key` the same request is the same event, however often it is sent.
        script: the name of the script.
        make: what is to change. Asked again, with what there is then, where others changed the script meanwhile.
        about_secrets: whether it is an edit of secrets, for which the platform has codes of its own.

    Raises:
        GatewayError: it is refused: by `make`, by the fold, or because no entry was there in time.
        RefusalError: the account is not the caller's, or the token may not write.
        BrokerError, StoreError: it could not be sent.
    """
    sender = call.gateway.context.sender
    if sender is None:
        raise GatewayError(503, (REFUSED, "this server takes no changes: it was started without a broker"))
    event_ids = _event_ids(call, script)
    if _KEY_HEADER in call.request.headers:
        for event_id in event_ids:  # any of them: the first may have been rejected, and the second not
            known = await _entry(call, event_id, timeout_s=0)
            if known is not None and known.outcome != "rejected":
                return _written(call, script, known)
    for event_id in event_ids:
        value = await _event(call, script, make, event_id, about_secrets=about_secrets)
        place = None
        try:
            place = await sender.send(value, call.account)
        except BrokerError as error:
            if error.code != "publish_unclear":
                raise
            # It may have arrived: whoever is told of an error now sends it again, and that copy would be another event.
        entry = await _entry(call, event_id, call.gateway.settings.entry_timeout_s, place)
        if entry is not None and entry.outcome == "duplicate":  # the same key, twice at once
            entry = await _entry(call, event_id, call.gateway.settings.entry_timeout_s)
        if entry is None:
            raise _not_in_time(event_id)
        if entry.outcome != "rejected":
            return _written(call, script, entry)
        reason = entry.reason or Reason("bad_value", "$", "no reason is given")
        if reason.code != "conflict":
            raise from_reason(reason, about_secrets=about_secrets)
    raise from_reason(Reason("conflict", "$.data.base", ""))


async def _event(
    call: Call,
    script: str,
    make: Make,
    event_id: str,
    *,
    about_secrets: bool,
) -> bytes:
    """The event, which the fold would take as things are."""
    now = datetime.now(UTC)
    state = call.gateway.state(call.account)
    there = None if state is None else state.scripts.get(script)
    data = make(state, there if there is not None and there.newest is not None else None)
    origin = Origin(
        account=call.account,
        script=script,
        source=SOURCE,
        id=event_id,
        time=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        actor=call.caller.actor(call.request),
        interface=interface_of(call.request.headers.get("user-agent", "")),
    )
    value = change_event(origin, data)
    event = checked(value)
    found = NOTHING_FOUND
    if event.deploy is not None or event.rollback_to is not None:
        found = await asyncio.to_thread(_found, call.gateway.live.script(call.account, script), event)
    foresee(state, event, time.time_ns() // 1_000_000, found, about_secrets=about_secrets)
    return value


def _found(live: LiveScript | None, event: Event) -> Found:
    """What the ids in an event refer to, read from the log."""
    if live is None:
        return NOTHING_FOUND
    wanted: list[str] = list(event.deploy or ())
    deployments = {}
    if event.rollback_to is not None:
        made = live.deployment(event.rollback_to)
        if made is not None:
            wanted = list(made.versions)
            shares = [Share(name, _number(live, name), round(share * 1000)) for name, share in made.versions.items()]
            deployments[made.id] = Deployment(
                made.id, made.number, tuple(sorted(shares, key=lambda share: share.version))
            )
    versions: dict[str, Version] = {}
    for name in wanted:
        content = live.content(name)
        if content is not None:
            versions[name] = content
    return Found(versions=versions, deployments=deployments)


def _number(live: LiveScript, version: str) -> int:
    found = live.version(version)
    return 0 if found is None else found.number


async def _entry(call: Call, event_id: str, timeout_s: float, place: Place | None = None) -> Entry | None:
    try:
        return decode_entry(await call.gateway.live.entry_of(call.account, SOURCE, event_id, timeout_s, place=place))
    except BrokerError as error:
        if error.code != "not_folded":
            raise
        return None


def _written(call: Call, script: str, entry: Entry) -> Written:
    live = call.gateway.live.script(call.account, script)
    if live is None or entry.event.subject != script:
        raise refuse("this Idempotency-Key was used for another request", 409)
    return Written(entry=entry, script=live)


def _event_ids(call: Call, script: str) -> list[str]:
    """The ids of the events that a request may become, one for each try: with an Idempotency-Key they are the same every time."""
    key = call.request.headers.get(_KEY_HEADER)
    if key is None:
        return [str(uuid.uuid4()) for _ in range(_TRIES)]
    if not _KEY.fullmatch(key):
        raise refuse("an Idempotency-Key has 1 to 255 printable characters")
    url = call.request.url
    asked = (call.caller.id, key, call.request.method, call.account, script, url.path, url.query)
    return [idempotent_id(*asked, str(number)) for number in range(_TRIES)]


def _not_in_time(event_id: str) -> GatewayError:
    message = (
        f"the change was sent as the event {event_id} of {SOURCE} and is not in the log yet; it may still come: "
        "look at the script before trying again, or send the request with an Idempotency-Key"
    )
    return GatewayError(504, (REFUSED, message))
