"""What describes the API: its OpenAPI document for programs, a page of it for people. Both are the same for everybody."""

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, Final

from litestar import Response, Router, get

from ledger.api.access import OPEN
from ledger.api.page import HEADERS, render_page

__all__ = ["describing_routes"]

_CACHED: Final = {"cache-control": "public, max-age=300"}


def describing_routes(document: Callable[[], dict[str, Any]]) -> list[Router]:
    """The handlers of `/openapi.json` and `/docs`.

    Args:
        document: makes the document; asked once, by the first who wants to see it.
    """
    made = cache(document)

    @get("/openapi.json", opt={OPEN: True}, include_in_schema=False, sync_to_thread=True)
    def openapi() -> Response[bytes]:
        return Response(
            json.dumps(made(), ensure_ascii=False).encode(), media_type="application/json", headers=_CACHED | HEADERS
        )

    @get("/docs", opt={OPEN: True}, include_in_schema=False, sync_to_thread=True)
    def docs() -> Response[str]:
        return Response(render_page(made()), media_type="text/html", headers=_CACHED | HEADERS)

    @get("/docs/style.css", opt={OPEN: True}, include_in_schema=False, sync_to_thread=True)
    def style() -> Response[bytes]:
        css = files("ledger.api").joinpath("style.css").read_bytes()
        return Response(css, media_type="text/css", headers=_CACHED | HEADERS)

    return [Router("/", route_handlers=[openapi, docs, style])]
