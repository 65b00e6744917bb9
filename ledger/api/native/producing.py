"""`POST /v1/events`: change events from producers without a Kafka client, checked as the fold checks them, and what became of each.

An event that may hold a secret's value goes no further than this process's memory: not to the topic, and into no log or answer.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, cast

import msgspec
from litestar import Request, Response, post
from litestar.openapi.spec import Example, OpenAPIMediaType, Operation, Reference, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import Parameter

from ledger.api.access import Caller, require
from ledger.api.context import Context
from ledger.api.native.events import (
    BATCH,
    LINES,
    SINGLE,
    EventResult,
    EventResults,
    Item,
    failed,
    of_entry,
    read_items,
    refused,
    sent,
    told,
)
from ledger.api.problems import RefusalError
from ledger.api.tokens import Scope
from ledger.broker.publish import Place
from ledger.errors import BrokerError, InputError, IntegrityError, StoreError
from ledger.live.sending import Sender
from ledger.model.entries import decode_entry
from ledger.model.events import Event
from ledger.model.reasons import Reason

__all__ = ["HANDLERS"]

_EXAMPLE: Final = {
    "specversion": "1.0",
    "type": "ledger.change.v1",
    "source": "ci/build",
    "id": "0f6c9a5e-6f0e-4f55-9a55-3c1f4f0c2b11",
    "subject": "checkout",
    "time": "2022-11-28T09:15:02.120Z",
    "accountid": "acme",
    "data": {
        "actor": {"type": "user", "id": "u_17"},
        "interface": "api",
        "message": "fix tax rounding",
        "bindings": {"merge": {"CART": {"type": "kv_namespace", "namespace_id": "8ad0"}}},
    },
}


@dataclass
class _Taking(Operation):
    """The operation, with the bodies that it takes."""

    def __post_init__(self) -> None:
        event = Reference(ref="#/components/schemas/ChangeEvent")
        one = {"one": Example(value=_EXAMPLE)}
        lines = Schema(type=OpenAPIType.STRING, description="One event a line.")
        self.request_body = RequestBody(
            description="One event, an array of them, or one a line; at most 1,000.",
            required=True,
            content={name: OpenAPIMediaType(schema=event, examples=dict(one)) for name in SINGLE}
            | {
                name: OpenAPIMediaType(
                    schema=Schema(type=OpenAPIType.ARRAY, items=event), examples={"one": Example(value=[_EXAMPLE])}
                )
                for name in BATCH
            }
            | {name: OpenAPIMediaType(schema=lines) for name in LINES},
        )


@post(
    "/events",
    guards=[require(Scope.write)],
    summary="Send change events",
    status_code=200,
    tags=["ledger"],
    operation_class=_Taking,
)
async def send_events(
    request: "Request[Any, Any, Any]",
    context: Context,
    caller: Caller,
    wait: Annotated[bool, Parameter(description="Whether to answer only when each has its entry.")] = True,  # noqa: FBT002
) -> Response[EventResults]:
    """Each event is checked as a worker checks it, sent with acknowledgement from all replicas, and answered when its entry is durable.

    `source` and `id` are what makes an event this one and no other: sent again, it is a `duplicate`, and nothing is done twice. Events
    of one account keep their order; where one cannot be sent, those of its account after it are not. A single event that is refused is
    answered with 422 and the reason as `code`; of several, each has its own result and the answer is 200. 202 says that some entries
    were not waited for, or did not come in time.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in {*SINGLE, *BATCH, *LINES}:
        hint = f"send {SINGLE[0]}, {BATCH[0]} or {LINES[0]}"
        raise RefusalError(415, "unsupported_media_type", "the body is of a type that is not taken here", hint)
    if context.sender is None:
        raise RefusalError(503, "no_broker", "this server takes no changes", "start it with --bootstrap")
    body = await request.body()
    items = await asyncio.to_thread(read_items, body, content_type)
    run = _Run(context, caller, context.sender)
    results = await run.results(items, wait=wait)
    if content_type in SINGLE:
        _raise_single(results[0], run, wait=wait)
    status = 202 if any(result.state == "sent" for result in results) else 200
    return Response(
        cast("Any", msgspec.json.encode(told(results))),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


class _Run:
    """The events of one request on their way."""

    def __init__(self, context: Context, caller: Caller, sender: Sender) -> None:
        self._context = context
        self._caller = caller
        self._sender = sender
        self._until = 0.0
        self._results: dict[int, EventResult] = {}

    @property
    def timeout_s(self) -> float:
        """How long entries are waited for."""
        return self._context.settings.entry_timeout_s

    async def results(self, items: Sequence[Item], *, wait: bool) -> list[EventResult]:
        """Send what may be sent, and say what became of each."""
        by_account: dict[str, list[tuple[Item, Event]]] = {}
        for item in items:
            reason = self._refusal(item)
            if reason is not None or item.event is None:
                self._results[item.number] = refused(item, reason or Reason("malformed_json", "$", "no event"))
            else:
                by_account.setdefault(item.event.account, []).append((item, item.event))
        self._until = asyncio.get_running_loop().time() + self.timeout_s
        await asyncio.gather(*(self._send(account, events, wait=wait) for account, events in by_account.items()))
        return [self._results[item.number] for item in items]

    def _refusal(self, item: Item) -> Reason | None:
        if item.refusal is not None:
            return item.refusal.reason
        if item.event is None or not self._caller.sees(item.event.account):
            return Reason("no_such_account", "$.accountid", "there is no such account")
        if item.event.is_note and not self._caller.may(Scope.admin):
            return Reason("scope_missing", "$.type", "an operator's note needs a token with the scope admin")
        return None

    async def _send(self, account: str, events: Sequence[tuple[Item, Event]], *, wait: bool) -> None:
        """One account's, in order: each is with the broker before the next is sent; their entries are waited for together."""
        waiting = []
        failure: BrokerError | StoreError | IntegrityError | None = None
        for item, event in events:
            if failure is not None:
                self._results[item.number] = failed(item, "not_sent", "an event of the account before it was not sent")
                continue
            try:
                place = await self._sender.send(item.value, account)
            except InputError as error:
                self._results[item.number] = refused(item, Reason("too_large", "$", error.message))
            except (BrokerError, StoreError, IntegrityError) as error:
                failure = error
                self._context.log.caution("unavailable", error.message, code=error.code)
                self._results[item.number] = failed(item, error.code, _WHY.get(error.code, _NOT_NOW))
            else:
                self._results[item.number] = sent(item)
                if wait:
                    waiting.append(self._wait(item, event, place))
        await asyncio.gather(*waiting)

    async def _wait(self, item: Item, event: Event, place: Place) -> None:
        live, names = self._context.live, (event.account, event.source, event.id)
        left = max(0.0, self._until - asyncio.get_running_loop().time())
        try:
            entry = decode_entry(await live.entry_of(*names, left, place=place))
            first = entry if entry.outcome != "duplicate" else decode_entry(await live.entry_of(*names, left))
        except (BrokerError, StoreError, IntegrityError) as error:
            if error.code != "not_folded":
                self._context.log.caution("unavailable", error.message, code=error.code)
            return
        self._results[item.number] = of_entry(item, entry, first)


_NOT_NOW: Final = "the broker or the ledger's store cannot do this now"
_WHY: Final = {
    "publish_unclear": "the broker did not say whether it has the event: send it again, a copy is a duplicate",
    "too_many_sends": "too many events are being sent already",
}


def _raise_single(result: EventResult, run: _Run, *, wait: bool) -> None:
    """A single event has an answer of its own where it was not accepted."""
    reason = result.reason
    if result.state == "rejected" and reason is not None:
        if reason.code in {"no_such_account", "scope_missing"}:
            raise RefusalError(403 if reason.code == "scope_missing" else 404, reason.code, reason.detail)
        hint = f"its entry is {result.entry}" if result.entry else "it was not sent"
        raise RefusalError(422, reason.code, f"{reason.path}: {reason.detail}", hint)
    if result.state == "failed" and reason is not None:
        raise RefusalError(503, reason.code, reason.detail, "send it again", headers={"retry-after": "1"})
    if result.state == "sent" and wait:
        raise RefusalError(
            504,
            "no_entry_in_time",
            f"the event {result.id} was sent, and has no entry after {run.timeout_s:g} s",
            "send it again with the same source and id: nothing is done twice",
        )


HANDLERS = [send_events]
