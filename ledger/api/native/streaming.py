"""An answer that goes on until somebody ends it: the client, who has gone or takes nothing any more, or the server."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from litestar import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send

__all__ = ["EventStream"]

MEDIA_TYPE = "text/event-stream"


class EventStream(Response[Any]):
    """Server-sent events.

    Args:
        pieces: of the stream; asked for the next one when the client has taken the one before, so there is never more than one waiting.
        stall_s: how long the client may take nothing.
        headers: besides the content type.
    """

    def __init__(self, pieces: AsyncGenerator[bytes, None], *, stall_s: float, headers: dict[str, str]) -> None:
        super().__init__(b"", media_type=MEDIA_TYPE, headers=headers)
        self._pieces = pieces
        self._stall_s = stall_s

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        """See `Response.to_asgi_response`."""
        return _Endless(self._pieces, self._stall_s, dict(self.headers))


class _Endless(ASGIResponse):
    _should_set_content_length = False

    def __init__(self, pieces: AsyncGenerator[bytes, None], stall_s: float, headers: dict[str, str]) -> None:
        super().__init__(media_type=MEDIA_TYPE, headers=headers)
        self._pieces = pieces
        self._stall_s = stall_s

    async def send_body(self, send: Send, receive: Receive) -> None:
        """Send pieces until there are no more, or the client has gone or stalls."""
        tasks = [asyncio.ensure_future(self._gone(receive)), asyncio.ensure_future(self._send(send))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                with suppress(TimeoutError):  # the connection is closed, as where half an answer was sent
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._pieces.aclose()

    async def _send(self, send: Send) -> None:
        async for piece in self._pieces:
            async with asyncio.timeout(self._stall_s):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    @staticmethod
    async def _gone(receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
