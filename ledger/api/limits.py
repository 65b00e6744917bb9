"""What a request may cost before anybody looks at it: bytes and time of its body. And its path, as it was sent.

Outermost around the app. Connections and headers are `ledger.api.protocol`'s.
"""

import asyncio
import re
import time
from typing import Any, Final

from litestar.types import ASGIApp, Message, Receive, Send

from ledger.api.metrics import Metrics
from ledger.api.problems import Failure, RefusalError, encode_failure, failure_of
from ledger.api.settings import Settings
from ledger.logs import Log

__all__ = ["Limited"]

_ESCAPED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_MAX_DIGITS: Final = 18
_UNFIT: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Limited:
    """The app within limits.

    Args:
        app: what answers.
        settings: the limits.
        metrics: every answer is counted there.
        log: is told of failures.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics, log: Log) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0
        is_given_up = False

        async def watched(message: Message) -> None:
            nonlocal status, is_given_up
            if is_given_up:
                return
            if message["type"] == "http.response.start":
                # uvicorn would find it only when it has begun to answer.
                is_given_up = any(_UNFIT.search(value) for _, value in message.get("headers", ()))
                if is_given_up:
                    status = 500
                    self._log.caution("internal", f"a header of an answer to {_route(scope)} holds a control character")
                    await _refuse(scope["path"], send, RefusalError(500, "internal", "the server failed"))
                    return
                status = message["status"]
            await send(message)

        # Segments are told apart before they are decoded: an encoded slash is part of a name. HEAD is GET without the body, which
        # uvicorn leaves out: it looks at its own scope.
        method = scope["method"]
        scope = scope | {
            "path": _plainly(scope["raw_path"].decode("ascii")),
            "method": "GET" if method == "HEAD" else method,
        }
        self._metrics.began()
        try:
            refusal = self._refusal(scope["headers"])
            if refusal is not None:
                await _refuse(scope["path"], watched, refusal)
            else:
                await self._app(scope, self._receiver(receive), watched)
        except TimeoutError:
            self._log.caution("answer_cut", f"an answer to {_route(scope)} took too long and was cut off")
            raise
        except Exception as error:
            # Litestar has answered all but what came after the answer began: now only the connection can end.
            failure_of(error, self._log)
            raise
        finally:
            shown = method if method in _METHODS else "other"
            self._metrics.answered(shown, _route(scope), status, time.monotonic() - began)

    def _receiver(self, receive: Receive) -> Receive:
        """Where the body comes from: no more of it, and not for longer, than is allowed."""
        until = asyncio.get_running_loop().time() + self._settings.body_timeout_s
        taken = 0
        is_whole = False

        async def limited() -> Any:
            nonlocal taken, is_whole
            if is_whole:
                return await receive()  # it waits for the end of the connection, as long as that takes
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise RefusalError(
                    408, "request_too_slow", "the body took too long to arrive", headers={"connection": "close"}
                ) from None
            if message["type"] == "http.disconnect":
                raise RefusalError(400, "body_incomplete", "the body did not come whole")
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > self._settings.max_body_bytes:
                    raise self._too_large()
                is_whole = not message.get("more_body", False)
            return message

        return limited

    def _refusal(self, headers: list[tuple[bytes, bytes]]) -> RefusalError | None:
        """What is wrong with what the headers say of the body."""
        coding = next((value for name, value in headers if name == b"transfer-encoding"), None)
        if coding is not None and coding.strip().lower() != b"chunked":
            return RefusalError(400, "bad_transfer_encoding", "bodies come whole or in chunks")
        length = _length(headers)
        return self._too_large() if length is not None and length > self._settings.max_body_bytes else None

    def _too_large(self) -> RefusalError:
        return RefusalError(
            413,
            "body_too_large",
            f"the body has more than {self._settings.max_body_bytes} bytes",
            headers={"connection": "close"},
        )


def _route(scope: Any) -> str:
    """The template of a request's path, `none` where it led nowhere."""
    return str(scope.get("path_template") or "none")


async def _refuse(path: str, send: Send, error: RefusalError) -> None:
    failure = Failure(status=error.status, code=error.code, message=error.message, headers=error.headers)
    body, content_type = encode_failure(failure, path)
    headers = {"content-type": content_type, "content-length": str(len(body))} | failure.headers
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": failure.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """What a request says of its body's length; the parser has refused what is no number, and two that differ."""
    text = next((value for name, value in headers if name == b"content-length"), None)
    if text is None or not text.isdigit():
        return None
    return int(text) if len(text) <= _MAX_DIGITS else 10**_MAX_DIGITS


def _plainly(path: str) -> str:
    """A path in which nothing is escaped that need not be (RFC 3986, 6.2.2.2); everything else stays as it was sent."""
    if "%" not in path:
        return path

    def plain(match: re.Match[str]) -> str:
        letter = chr(int(match[1], 16))
        return letter if letter in _UNRESERVED else match[0]

    return _ESCAPED.sub(plain, path)
