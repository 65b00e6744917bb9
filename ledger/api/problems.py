"""How the API says no: problem details (RFC 9457) on its own paths, the platform's envelope on those of wrangler.

No answer holds a traceback, a path of this machine, or what a request's body said: an exception that nobody foresaw is named in the
server's log by its type and place, under an id that the answer gives, and its text, which may quote anything, nowhere.
"""

import secrets
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, LitestarException

from ledger.errors import BrokerError, InputError, LedgerError, NotFoundError, StoreError, UsageError
from ledger.logs import Log

__all__ = [
    "PROBLEM_TYPE",
    "Failure",
    "Problem",
    "RefusalError",
    "encode_failure",
    "failure_of",
    "is_native",
    "responses",
]

PROBLEM_TYPE: Final = "application/problem+json"
_JSON: Final = "application/json"
_NATIVE: Final = ("/v1", "/openapi.json", "/docs", "/healthz", "/readyz", "/metrics")

NOT_ALLOWED: Final = 10000
NO_ROUTE: Final = 7003
REFUSED: Final = 10021
_PLATFORM_CODES: Final = {401: NOT_ALLOWED, 403: NOT_ALLOWED, 404: NO_ROUTE, 405: NO_ROUTE}
_CODES: Final = {
    400: "bad_request",
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_too_slow",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
    500: "internal",
    503: "unavailable",
    504: "no_entry_in_time",
}


class RefusalError(LedgerError):
    """A request is refused for a reason that is HTTP's or the platform's, not the ledger's.

    Args:
        status: HTTP's.
        code: as every error's.
        message: one sentence.
        hint: what can be done.
        headers: of the answer.
        platform: what the envelope lists instead of one error made from `status` and `message`: codes and messages.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        hint: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        platform: tuple[tuple[int, str], ...] = (),
    ) -> None:
        super().__init__(code, message, hint)
        self.status = status
        self.headers = dict(headers or {})
        self.platform = platform


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Problem details: what a request of the ledger's own API is refused with."""

    type: str = "about:blank"
    """Always `about:blank`: `code` says what it is."""
    title: str
    """The status in words."""
    status: int
    """HTTP's."""
    code: str
    """Stable and machine-readable."""
    detail: str
    """One sentence: what failed, on what."""
    hint: str | msgspec.UnsetType = msgspec.UNSET
    """What can be done about it."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request has no result, whatever the form in which it is told."""

    status: int
    code: str
    message: str
    hint: str = ""
    headers: dict[str, str] = {}
    platform: tuple[tuple[int, str], ...] = ()


def is_native(path: str) -> bool:
    """Whether a path is one of the ledger's own API; all others are the platform's."""
    return path == "/" or any(path == prefix or path.startswith(f"{prefix}/") for prefix in _NATIVE)


def failure_of(error: Exception, log: Log) -> Failure:
    """What an exception comes to for whoever asked; what is not theirs to know goes to the log."""
    match error:
        case RefusalError():
            return Failure(
                status=error.status,
                code=error.code,
                message=error.message,
                hint=error.hint,
                headers=error.headers,
                platform=error.platform,
            )
        case NotFoundError():
            return Failure(status=404, code=error.code, message=error.message, hint=error.hint)
        case InputError() | UsageError():
            return Failure(status=400, code=error.code, message=error.message, hint=error.hint)
        case BrokerError(code="not_folded"):
            return Failure(status=504, code=error.code, message=error.message, hint=error.hint)
        case BrokerError() | StoreError():
            log.caution("unavailable", error.message, code=error.code)
            what = "the broker" if isinstance(error, BrokerError) else "the ledger's store"
            return Failure(
                status=503, code=error.code, message=f"{what} cannot do this now", hint="try again in a while"
            )
        case LedgerError():
            log.caution("failed", error.message, code=error.code)
            return Failure(status=500, code=error.code, message="what the ledger stores cannot be used for this")
        case HTTPException():
            status = error.status_code
            code = _CODES.get(status, "bad_request" if status < 500 else "internal")
            return Failure(status=status, code=code, message=_detail(error), headers=dict(error.headers or {}))
        case _:
            return _unforeseen(error, log)


def encode_failure(failure: Failure, path: str) -> tuple[bytes, str]:
    """The body and content type in which a failure is told on a path."""
    if is_native(path):
        problem = Problem(
            title=_title(failure.status),
            status=failure.status,
            code=failure.code,
            detail=failure.message,
            hint=failure.hint or msgspec.UNSET,
        )
        return msgspec.json.encode(problem), PROBLEM_TYPE
    message = f"{failure.message}; {failure.hint}" if failure.hint else failure.message
    errors = failure.platform or ((_PLATFORM_CODES.get(failure.status, REFUSED), message),)
    listed = [{"code": code, "message": text} for code, text in errors]
    return msgspec.json.encode({"success": False, "errors": listed, "messages": [], "result": None}), _JSON


def responses(log: Log) -> dict[int | type[Exception], Any]:
    """The exception handlers of the app."""

    def respond(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        failure = failure_of(error, log)
        body, content_type = encode_failure(failure, request.scope["path"])
        return Response(body, status_code=failure.status, headers=failure.headers, media_type=content_type)

    return {HTTPException: respond, LedgerError: respond, Exception: respond}


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _detail(error: HTTPException) -> str:
    """What Litestar says, as far as it is about names: values of requests are not repeated."""
    match error.status_code:
        case 404:
            return "there is nothing at this path"
        case 405:
            return "this path does not take this method"
        case 400:
            keys = [str(item.get("key", "")) for item in error.extra or () if isinstance(item, dict)]
            named = ", ".join(sorted(filter(None, keys)))
            return f"not what this path takes: {named}" if named else "the request is not what this path takes"
        case status:
            return _title(status).lower()


def _unforeseen(error: Exception, log: Log) -> Failure:
    trace_id = secrets.token_hex(6)
    if isinstance(error, LitestarException) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # it came when the answer had begun
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename.rpartition('/site-packages/')[2]}:{frame.lineno}" for frame in frames[-3:]]
    log.caution("internal", f"{type(error).__name__} at {' < '.join(reversed(places))}", id=trace_id)
    return Failure(status=500, code="internal", message=f"the server failed; its log says more under {trace_id}")
