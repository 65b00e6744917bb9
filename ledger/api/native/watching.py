"""`/v1/watch`: every entry as it is recorded, as server-sent events. Who comes back goes on where they were.

The id of an event is the place after it in every shard, so `Last-Event-ID` resumes with neither a gap nor an entry twice, at this
server or another. Each watcher reads the log by itself, as fast as it takes what it is sent; nothing is queued for it.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from itertools import islice
from operator import gt
from typing import Annotated, Final

from litestar import Response, get
from litestar.datastructures import ResponseHeader
from litestar.params import HeaderParameter, Parameter

from ledger.api.access import require
from ledger.api.admission import STREAM
from ledger.api.naming import may_name
from ledger.api.native.asked import Asked
from ledger.api.native.places import format_places, parse_places
from ledger.api.native.streaming import EventStream
from ledger.api.problems import RefusalError, encode_failure, failure_of
from ledger.api.tokens import Scope, TokenFile
from ledger.errors import LedgerError
from ledger.query.answers import WatchRow
from ledger.query.following import Follower
from ledger.query.lookup import is_wanted
from ledger.query.moments import is_duration
from ledger.query.plain import json_text, plain

__all__ = ["HANDLERS"]

_MOST: Final = 200
"""Watchers at once."""
_PIECE: Final = 100
"""Entries that are read, and sent, at once."""
_LOOK_S: Final = 0.1
"""How often is looked whether there are more; it costs nearly nothing."""
_HEARTBEAT_S: Final = 15.0
_STALL_S: Final = 60.0
_RETRY_MS: Final = 2000


@get(
    "/watch",
    guards=[require(Scope.read)],
    summary="Every entry as it is recorded",
    media_type="text/event-stream",
    response_headers=[ResponseHeader(name="Cache-Control", documentation_only=True, description="`no-store`.")],
    tags=["ledger"],
    opt={STREAM: True},
)
async def watch(
    watcher: Asked,
    script: Annotated[str | None, Parameter(description="Only this script, and what is taken from it.")] = None,
    since: Annotated[
        str | None,
        Parameter(description="Begin with what was recorded then or later: `10m` (ago) or a time; default: now."),
    ] = None,
    last_event_id: Annotated[
        str | None,
        HeaderParameter(
            name="Last-Event-ID", description="The id of the last event seen: go on after it, whatever `since` says."
        ),
    ] = None,
) -> Response[WatchRow]:
    """Server-sent events, of the type `entry`, each with one entry of any outcome as data, in the order of each shard.

    Where there are none, comments keep the connection open. `problem` is the last event where the log cannot be read on.
    """
    pool = watcher.pool
    if pool.watchers >= _MOST:
        raise RefusalError(503, "too_many_watchers", "too many watch already", headers={"retry-after": "30"})
    begin = None if not last_event_id else parse_places(last_event_id, len(watcher.sight.sizes))
    when = None if since is None else watcher.moment(f"{since} ago" if is_duration(since) else since)
    ledger = pool.ledgers.opened(named=watcher.sight.named)
    follower = await pool.beside(lambda: Follower(ledger, when, begin, lambda account: _sees(watcher, account)))
    stream = _Stream(watcher, follower, script, is_placed=when is None or begin is not None)
    return EventStream(
        stream.pieces(), stall_s=_STALL_S, headers={"cache-control": "no-store", "x-accel-buffering": "no"}
    )


def _sees(watcher: Asked, account: str | None) -> bool:
    allowed = watcher.caller.sees_all or (account is not None and watcher.caller.sees(account))
    return allowed and is_wanted(account, watcher.accounts)


class _Stream:
    """What one watcher is sent."""

    def __init__(self, watcher: Asked, follower: Follower, script: str | None, *, is_placed: bool) -> None:
        self._watcher = watcher
        self._follower = follower
        self._script = script
        self._is_placed = is_placed
        self._rows: Iterator[WatchRow] | None = None
        self._places = list(follower.places)
        self._recorded: set[tuple[str, str]] = set()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The stream, until the server stops or the token does not count any more."""
        watcher, loop = self._watcher, asyncio.get_running_loop()
        watcher.pool.watchers += 1
        try:
            # Who asked for a time and is cut off before the first event asks for that time again.
            place = f"id: {format_places(self._places)}\n" if self._is_placed else ""
            yield f"retry: {_RETRY_MS}\n{place}\n".encode()
            quiet_since = loop.time()
            while self._may_go_on():
                piece = await watcher.pool.beside(self._further)
                await self._record()
                if piece:
                    yield piece
                    quiet_since = loop.time()
                if self._rows is not None:
                    continue
                await self._until_more(quiet_since + _HEARTBEAT_S)
                if loop.time() >= quiet_since + _HEARTBEAT_S:
                    yield f": nothing new\nid: {format_places(self._places)}\n\n".encode()
                    quiet_since = loop.time()
        except LedgerError as error:
            body, _ = encode_failure(failure_of(error, watcher.context.log), "/v1")
            yield b"event: problem\ndata: " + body + b"\n\n"
        finally:
            watcher.pool.watchers -= 1

    def _further(self) -> bytes:
        """The next entries as events; called in a thread."""
        if self._rows is None:
            self._rows = self._follower.further()
        taken = list(islice(self._rows, _PIECE))
        pieces = []
        for row in taken:
            shard, _, index = row.entry.partition("/")
            self._places[int(shard)] = int(index) + 1
            if self._script is None or self._script == row.script or self._script in row.taken_from:
                data = json_text(plain(row))
                pieces.append(f"id: {format_places(self._places)}\nevent: entry\ndata: {data}\n\n")
        if len(taken) < _PIECE:
            self._rows = None
            self._places = list(self._follower.places)
        return "".join(pieces).encode()

    async def _record(self) -> None:
        """Record who is named for the first time."""
        shown: dict[str, list[str]] = {}
        for account, pseudonym in self._follower.named - self._recorded:
            self._recorded.add((account, pseudonym))
            shown.setdefault(account, []).append(pseudonym)
        for account, pseudonyms in shown.items():
            await may_name(self._watcher.context, self._watcher.caller, self._watcher.request, account, pseudonyms)

    async def _until_more(self, deadline: float) -> None:
        """Wait until the log has grown, the server stops, or it is time for a sign of life."""
        watcher, loop = self._watcher, asyncio.get_running_loop()
        while loop.time() < deadline and not watcher.context.stopping.is_set():
            if any(map(gt, watcher.pool.sizes(), self._places)):
                return
            await asyncio.sleep(_LOOK_S)

    def _may_go_on(self) -> bool:
        caller, context = self._watcher.caller, self._watcher.context
        if context.stopping.is_set():
            return False
        return caller.is_anonymous or isinstance(context.registry.judge_again(caller.token), TokenFile)


HANDLERS = [watch]
