"""What all questions of the native API have in common as HTTP operations, and how OpenAPI says it."""

from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Annotated, Any, Final

import msgspec
from litestar import get
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter

from ledger.api.access import require
from ledger.api.tokens import Scope

__all__ = ["Index", "ScriptName", "Shard", "asks", "examples"]

ScriptName = Annotated[str, Parameter(description="Name of the script.")]
Shard = Annotated[str, Parameter(description="Number of the shard.")]
Index = Annotated[str, Parameter(description="Of the entry in its shard, from 0.")]

_ETAG: Final = ResponseHeader(
    name="ETag",
    documentation_only=True,
    description="Another one where the log, the question or what the token may see is another.",
)
_LINK: Final = ResponseHeader(
    name="Link", documentation_only=True, description='The next page, with `rel="next"`; absent after the last.'
)


def asks(path: str, summary: str, *, listed: bool = True) -> Callable[[Callable[..., Any]], HTTPRouteHandler]:
    """A question: the decorator of a handler for `GET`, with the scope read.

    Args:
        path: below `/v1`.
        summary: of the operation, a few words.
        listed: whether the answer is a list, which has pages.
    """
    return get(
        path,
        guards=[require(Scope.read)],
        summary=summary,
        response_headers=[_ETAG, _LINK] if listed else [_ETAG],
        tags=["ledger"],
        opt={"question": True},
    )


@cache
def examples() -> dict[str, Any]:
    """An answer of each question, by path as OpenAPI writes it."""
    found: dict[str, Any] = msgspec.json.decode(resources.files(__package__).joinpath("examples.json").read_bytes())
    return found
