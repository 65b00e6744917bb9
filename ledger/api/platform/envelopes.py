"""Answers in the platform's envelope, and lists page by page."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType

from ledger.api.problems import Failure, encode_failure
from ledger.gateway.refusals import GatewayError, refuse

__all__ = ["MAX_PER_PAGE", "Answer", "answer", "encoded", "page_of", "refused"]

Answer = Response[bytes]
MAX_PER_PAGE: Final = 100
_MAX_PAGE: Final = 1_000_000

_encode = msgspec.json.Encoder().encode


def encoded(result: Any, **more: Any) -> bytes:
    """A result in its envelope."""
    return _encode({"success": True, "errors": [], "messages": [], "result": result, **more})


def answer(result: Any, status: int = 200, **more: Any) -> Answer:
    """The answer that is this result."""
    return Response(encoded(result, **more), status_code=status, media_type=MediaType.JSON)


def refused(request: Request[Any, Any, Any], error: GatewayError) -> Answer:
    """The answer to a request that the gateway refuses."""
    failure = Failure(status=error.status, code=error.code, message=error.message, platform=error.errors)
    body, content_type = encode_failure(failure, request.scope["path"])
    return Response(body, status_code=failure.status, media_type=content_type)


def page_of(query: Mapping[str, Any], per_page: int) -> tuple[int, int]:
    """How many are before the page that is asked for, and how many are on it.

    Args:
        query: of the request: `page` from 1, `per_page`.
        per_page: where it says nothing.

    Raises:
        GatewayError: no number, or too small.
    """
    page, size = _number(query, "page", 1, _MAX_PAGE), _number(query, "per_page", per_page, 1_000_000)
    size = min(size, MAX_PER_PAGE)
    return (page - 1) * size, size


def listed(items: Sequence[Any], query: Mapping[str, Any]) -> Answer:
    """A page of a list that is at hand as a whole, with how many there are."""
    skip, size = page_of(query, MAX_PER_PAGE)
    shown = items[skip : skip + size]
    info = {"page": skip // size + 1, "per_page": size, "count": len(shown), "total_count": len(items)}
    return answer(list(shown), result_info=info)


def _number(query: Mapping[str, Any], name: str, default: int, most: int) -> int:
    text = query.get(name)
    if text is None or text == "":
        return default
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise refuse(f"`{name}` must be a whole number, 1 or more")
    return int(text[:9])
