"""Queues: that one exists is taken for granted; which scripts consume it is recorded."""

from typing import Any

from litestar import Router, delete, get, post, put

from ledger.api.access import require
from ledger.api.platform.changing import changed
from ledger.api.platform.envelopes import Answer, answer, listed
from ledger.api.platform.gateway import CALL, Call, Gateway, PlatformRequest
from ledger.api.tokens import Scope
from ledger.gateway import scripts, triggers
from ledger.gateway.jsonbody import member, read_object
from ledger.gateway.refusals import refuse
from ledger.model.state import Account

__all__ = ["queue_routes"]

_READ = [require(Scope.read)]
_WRITE = [require(Scope.write)]
_TAGS = ["platform: queues"]
_NEVER = "2022-01-01T00:00:00.000000Z"


@get("/queues", guards=_READ, operation_id="listQueues", tags=_TAGS)
async def list_queues(request: PlatformRequest) -> Answer:
    """The queue of this name, which is taken to be there."""
    name = request.query_params.get("name")
    return listed([_queue(name)] if name else [], request.query_params)


@get("/queues/{queue:str}", guards=_READ, operation_id="getQueue", tags=_TAGS)
async def get_queue(queue: str) -> Answer:
    """The queue with this id."""
    return answer(_queue(triggers.queue_name(queue)))


@get("/workers/queues/{queue:str}", guards=_READ, operation_id="getQueueByName", tags=_TAGS)
async def get_queue_by_name(queue: str) -> Answer:
    """The queue of this name, as wrangler 2 asks."""
    return answer(_queue(queue))


@get("/queues/{queue:str}/consumers", guards=_READ, operation_id="listConsumers", tags=_TAGS)
async def list_consumers(gateway: Gateway, account: str, queue: str) -> Answer:
    """The scripts that consume a queue."""
    return answer(_consumers(gateway.state(account), triggers.queue_name(queue)))


@post(
    "/queues/{queue:str}/consumers",
    guards=_WRITE,
    status_code=200,
    operation_id="addConsumer",
    tags=_TAGS,
    dependencies=CALL,
)
async def add_consumer(call: Call, queue: str) -> Answer:
    """Let a script consume a queue, or change how it does."""
    return await _consume(call, queue, None)


@put(
    "/queues/{queue:str}/consumers/{consumer:str}",
    guards=_WRITE,
    status_code=200,
    operation_id="putConsumer",
    tags=_TAGS,
    dependencies=CALL,
)
async def put_consumer(call: Call, queue: str, consumer: str) -> Answer:
    """Change how a script consumes a queue; a consumer's id is the script's name."""
    return await _consume(call, queue, consumer)


@delete(
    "/queues/{queue:str}/consumers/{consumer:str}",
    guards=_WRITE,
    status_code=200,
    operation_id="deleteConsumer",
    tags=_TAGS,
    dependencies=CALL,
)
async def delete_consumer(call: Call, queue: str, consumer: str) -> Answer:
    """Let a script consume a queue no more."""
    name = triggers.queue_name(queue)
    await changed(call, consumer, triggers.no_consumer(name))
    return answer(None)


@put(
    "/workers/queues/{queue:str}/consumers/{script:str}",
    guards=_WRITE,
    status_code=200,
    operation_id="putConsumerByName",
    tags=_TAGS,
    dependencies=CALL,
)
async def put_consumer_by_name(call: Call, queue: str, script: str) -> Answer:
    """Let a script consume a queue, as wrangler 2 says it."""
    body = read_object(await call.request.body())
    await changed(call, script, triggers.consumer(queue, body))
    return answer({"queue_name": queue, "script_name": script})


@delete(
    "/workers/queues/{queue:str}/consumers/{script:str}",
    guards=_WRITE,
    status_code=200,
    operation_id="deleteConsumerByName",
    tags=_TAGS,
    dependencies=CALL,
)
async def delete_consumer_by_name(call: Call, queue: str, script: str) -> Answer:
    """Let a script consume a queue no more, as wrangler 2 says it."""
    await changed(call, script, triggers.no_consumer(queue))
    return answer(None)


async def _consume(call: Call, queue: str, consumer: str | None) -> Answer:
    name = triggers.queue_name(queue)
    body = read_object(await call.request.body())
    if member(body, "type", str, "worker") != "worker":
        raise refuse("a queue's consumer is a Worker: others are not recorded")
    script = member(body, "script_name", str, "") or consumer
    if not script:
        raise refuse("`script_name` must be a text that is not empty")
    await changed(call, script, triggers.consumer(name, body))
    return answer(_consumer(name, script, body))


def _queue(name: str) -> dict[str, Any]:
    return {
        "queue_id": triggers.queue_id(name),
        "queue_name": name,
        "created_on": _NEVER,
        "modified_on": _NEVER,
        "producers": [],
        "producers_total_count": 0,
        "consumers": [],
        "consumers_total_count": 0,
    }


def _consumer(queue: str, script: str, how: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in how.items() if name not in ("type", "script_name")}
    return {"consumer_id": script, "queue_name": queue, "type": "worker", "script_name": script, **rest}


def _consumers(account: Account | None, queue: str) -> list[dict[str, Any]]:
    if account is None:
        return []
    found = ((name, scripts.queues_of(state.triggers)) for name, state in sorted(account.scripts.items()))
    return [_consumer(queue, name, queues[queue]) for name, queues in found if queue in queues]


def queue_routes() -> Router:
    """These handlers."""
    handlers = [
        list_queues,
        get_queue,
        get_queue_by_name,
        list_consumers,
        add_consumer,
        put_consumer,
        delete_consumer,
        put_consumer_by_name,
        delete_consumer_by_name,
    ]
    return Router("/accounts/{account:str}", route_handlers=handlers)
