"""Admission to every handler: path segments decoded once, tokens, rates, time; and each use of a token recorded."""

import asyncio
import time
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from litestar.connection import ASGIConnection
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from ledger.api.access import ANONYMOUS, CHALLENGE, OPEN, Caller, presented_token
from ledger.api.context import Context
from ledger.api.problems import RefusalError
from ledger.api.tokenfiles import TokenFile, parse_presented
from ledger.model.envelope import NAME

__all__ = ["STREAM", "Admission"]

STREAM: Final = "stream"
"""A handler with this among its `opt` may answer for as long as it likes."""
_ENDED: Final = 499
"""The status that is recorded where the client had gone, or the server ended, before there was an answer."""
_SAID: Final = {"revoked": "the token was revoked", "expired": "the token has expired"}
_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


class Admission:
    """Stands before every handler.

    Args:
        app: what is behind it.
        context: the server's.
    """

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or raise RefusalError."""
        scope["path_params"] = {name: _decoded(value) for name, value in scope["path_params"].items()}
        opt = scope["route_handler"].opt
        if opt.get(OPEN):
            await self._app(scope, receive, send)
            return
        caller = await self._caller(scope)
        streams = bool(opt.get(STREAM))
        status, is_recorded = _ENDED, False

        async def watched(message: Message) -> None:
            nonlocal status, is_recorded
            if message["type"] == "http.response.start":
                status = message["status"]
                if streams:  # it may go on for days
                    is_recorded = True
                    self._record(scope, caller, status)
            await send(message)

        try:
            if self._context.trail.failure is not None:
                raise RefusalError(503, "audit_unwritten", "what is asked cannot be recorded", "try again in a while")
            self._within_rate(caller)
            scope["user"] = caller
            await self._in_time(scope, receive, watched, None if streams else self._context.settings.answer_timeout_s)
        except RefusalError as error:
            status = error.status
            raise
        finally:
            if not is_recorded:
                self._record(scope, caller, status)

    def _record(self, scope: Scope, caller: Caller, status: int) -> None:
        self._context.trail.use(
            token=caller.id,
            name=caller.name,
            method=str(scope.get("method", "")),
            route=scope["path_template"],
            account=_account(scope, caller),
            status=status,
        )

    async def _in_time(self, scope: Scope, receive: Receive, send: Send, seconds: float | None) -> None:
        started = False

        async def starting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            async with asyncio.timeout(seconds):
                await self._app(scope, receive, starting)
        except TimeoutError:
            if started:
                raise  # half an answer: the connection is closed
            raise RefusalError(
                503, "answer_too_slow", "the answer took too long", "ask for less, or try later"
            ) from None

    def _within_rate(self, caller: Caller) -> None:
        wait_s = self._context.rates.take(caller.id, time.monotonic(), caller.token.rate)
        if wait_s:
            raise RefusalError(
                429,
                "too_many_requests",
                "the token makes too many requests",
                headers={"retry-after": str(int(wait_s) + 1)},
            )

    async def _caller(self, scope: Scope) -> Caller:
        """Whoever shows a token, or anybody where the server is open to all.

        Raises:
            RefusalError: 401, 503 `tokens_unread`, 421 `wrong_host`.
        """
        connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope)
        shown = presented_token(connection.headers)
        presented = parse_presented(shown[0]) if shown else None
        if presented is not None:
            registry = self._context.registry
            if not registry.known(presented.id):
                await registry.look_after(time.monotonic())
            verdict = registry.judge(presented)
            if isinstance(verdict, TokenFile):
                _check_email(verdict, shown[1] if shown else None)
                return Caller(token=verdict)
            if not self._context.settings.insecure:
                self._refuse(verdict, presented.id, scope)
        if self._context.settings.insecure:
            _check_host(connection.headers.get("host", ""), connection.headers.get("origin"))
            return ANONYMOUS
        self._context.metrics.refused("no token" if shown is None else "unknown")
        raise RefusalError(
            401,
            "not_authenticated",
            "this needs a token" if shown is None else "the token is none of this ledger's",
            "Authorization: Bearer TOKEN; ledger tokens create makes one",
            headers=CHALLENGE,
        )

    def _refuse(self, why: str, token_id: str, scope: Scope) -> None:
        """Raises unless nothing more is to be said than of a token that nobody knows."""
        if why == "unknown":
            return
        self._context.metrics.refused(why)
        if why == "stale":
            raise RefusalError(
                503, "tokens_unread", "it is unknown whether the token was revoked", "try again in a while"
            )
        self._context.trail.use(
            token=token_id,
            name="",
            method=str(scope.get("method", "")),
            route=scope["path_template"],
            account=None,
            status=401,
        )
        raise RefusalError(401, f"token_{why}", _SAID[why], "ledger tokens create makes one", headers=CHALLENGE)


def _decoded(value: Any) -> Any:
    """A segment of a path as it was meant: decoded once. What was encoded twice stays encoded, and names nothing.

    Raises:
        RefusalError: 400 `bad_path`, where it is not UTF-8 or holds a control character.
    """
    if not isinstance(value, str):
        return value
    try:
        text = unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        text = "\0"
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in text):
        raise RefusalError(400, "bad_path", "a part of the path is no text")
    return text


def _check_email(token: TokenFile, email: str | None) -> None:
    """`X-Auth-Email` proves nothing; but where it is there and the token has an address, it is that one."""
    if email and token.email and email.casefold() != token.email.casefold():
        raise RefusalError(401, "wrong_email", "the address is not the token's", headers=CHALLENGE)


def _check_host(host: str, origin: str | None) -> None:
    """A page in somebody's browser must not reach a server that is open to all: neither from its own site nor by a name of its own."""
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name.lower() not in _LOOPBACK:
        raise RefusalError(421, "wrong_host", "a server that is open to all answers only as localhost")
    if origin is not None and origin.partition("://")[2] != host:
        raise RefusalError(403, "wrong_origin", "a server that is open to all answers no other site's pages")


def _account(scope: Scope, caller: Caller) -> str | None:
    """The account that a request was about; what is not theirs, or no account at all, is not repeated."""
    account = scope["path_params"].get("account")
    return account if isinstance(account, str) and NAME.fullmatch(account) and caller.sees(account) else None
