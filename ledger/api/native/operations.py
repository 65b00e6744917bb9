"""What all questions of the native API have in common as HTTP operations, and how OpenAPI says it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Any, Final

import msgspec
from litestar import get
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Example, Operation
from litestar.params import Parameter

from ledger.api.access import require
from ledger.api.tokens import Scope

__all__ = ["Index", "ScriptName", "Shard", "asks", "example_operation"]

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
        operation_class=example_operation(path),
        tags=["ledger"],
    )


def example_operation(path: str) -> type[Operation]:
    """The class of an operation whose answer is shown by an example, the one of this path in `examples.json`."""

    @dataclass
    class Shown(Operation):
        def __post_init__(self) -> None:
            for status, response in (self.responses or {}).items():
                content = getattr(response, "content", None)
                if not status.startswith("2") or not content or path not in _examples():
                    continue
                for media in content.values():
                    media.examples = {"one": Example(value=_examples()[path])}

    return Shown


@cache
def _examples() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(resources.files(__package__).joinpath("examples.json").read_bytes())
    return found
