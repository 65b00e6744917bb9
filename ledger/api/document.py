"""The OpenAPI 3.1 document of the server, made from its handlers."""

import re
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, Contact, License, SecurityScheme, Server, Tag
from litestar.routes import HTTPRoute
from litestar.types import Method
from litestar.types.internal_types import PathParameterDefinition

import ledger
from ledger.api.access import OPEN, Caller
from ledger.api.context import Context
from ledger.api.native.operations import examples
from ledger.api.problems import PROBLEM_TYPE, Problem
from ledger.api.schemas import component_of, describe

__all__ = ["build_document"]

_ABOUT: Final = """A tamper-evident record of what every serverless script ran, when, and who changed it.

Paths under `/v1` are the ledger's own API. `/accounts`, `/zones`, `/user` and `/memberships` are the platform's, as wrangler speaks it.
Whoever asks shows a token, which `ledger tokens create` makes; an account that is not the token's answers as one that does not exist.
"""
_TAGS: Final = (
    Tag(name="ledger", description="The questions of the command line, the log as it grows, and sending changes."),
    Tag(name="evidence", description="Files that others check without trusting this server."),
    Tag(name="operation", description="Is the server well?"),
    Tag(name="platform", description="What wrangler speaks; refusals are the platform's envelope."),
)
_SECURITY: Final = {
    "token": SecurityScheme(
        type="http", scheme="bearer", description="A token of the ledger: `ledger tokens create` makes one."
    ),
    "key": SecurityScheme(
        type="apiKey",
        name="X-Auth-Key",
        security_scheme_in="header",
        description="The same token, as older clients of the platform show it.",
    ),
}
_EMPTY_WORDS: Final = frozenset(status.description for status in HTTPStatus)
"""What Litestar says of an answer of which nobody has said anything."""
_METHODS: Final = ("get", "put", "post", "delete", "patch")
_ENVELOPE: Final = {
    "type": "object",
    "title": "Refusal",
    "description": "What the platform's paths refuse with.",
    "required": ["success", "errors", "messages", "result"],
    "properties": {
        "success": {"type": "boolean", "const": False},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
            },
        },
        "messages": {"type": "array", "items": {}},
        "result": {"type": "null"},
    },
    "examples": [
        {
            "success": False,
            "errors": [{"code": 7003, "message": "there is no such account"}],
            "messages": [],
            "result": None,
        }
    ],
}
_EVENT: Final = {
    "type": "object",
    "title": "ChangeEvent",
    "description": "A change event (CloudEvents 1.0, structured). `ledger schema` prints its JSON Schema, with all of `data`.",
    "required": ["specversion", "type", "source", "id", "subject", "time", "accountid", "data"],
    "properties": {
        "specversion": {"type": "string", "const": "1.0"},
        "type": {"type": "string", "enum": ["ledger.change.v1", "ledger.note.v1"]},
        "source": {"type": "string", "description": "With `id` what makes an event the same one."},
        "id": {"type": "string"},
        "subject": {"type": "string", "description": "The script."},
        "time": {"type": "string", "format": "date-time", "description": "When it happened."},
        "accountid": {"type": "string"},
        "data": {"type": "object", "description": "What changed, by whom."},
    },
}
_PROBLEM_EXAMPLE: Final = {
    "type": "about:blank",
    "title": "Not Found",
    "status": 404,
    "code": "script_not_found",
    "detail": "there is no script shop in the account acme",
    "hint": "close: shop-live",
}


def build_document(routes: Sequence[Router]) -> dict[str, Any]:
    """The document of these handlers, as JSON has it."""
    config = OpenAPIConfig(
        title="Deployment ledger",
        version=ledger.__version__,
        description=_ABOUT,
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        contact=Contact(name="whoever runs this server"),
        servers=[Server(url="/")],
        tags=list(_TAGS),
        security=[{"token": []}, {"key": []}],
        components=Components(security_schemes=dict(_SECURITY)),
        use_handler_docstrings=True,
        operation_id_creator=_operation_id,
    )
    # An app of its own, which nobody serves: what it would add for its own pages is not wanted.
    app = Litestar(
        route_handlers=list(routes),
        dependencies={
            "context": Provide(lambda: None, sync_to_thread=False),
            "caller": Provide(lambda: None, sync_to_thread=False),
        },
        openapi_config=config,
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
        signature_types=[Caller, Context],
    )
    _name_apart(app)
    found = app.openapi_schema.to_schema()
    open_to_all = {
        (route.path_format, method.lower())
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if handler.opt.get(OPEN)
    }
    _finish(found, open_to_all)
    # Put in here, for Litestar leaves out what is null.
    for path, example in examples().items():
        for media in found["paths"][path]["get"]["responses"]["200"]["content"].values():
            media["examples"] = {"one": {"value": example}}
    return found


def _name_apart(app: Litestar) -> None:
    """Give a handler that answers at several paths an id for each: `listDomains`, `listDomains2`."""
    known: dict[str, list[str]] = {}
    for route in sorted(app.routes, key=lambda route: route.path):
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            if isinstance(handler.operation_id, str):
                known.setdefault(handler.operation_id, []).append(str(route.path_components))
                handler.operation_id = partial(_numbered, handler.operation_id, known[handler.operation_id])
            elif isinstance(handler.operation_id, partial):
                handler.operation_id.args[1].append(str(route.path_components))  # it was met at another path


def _numbered(
    name: str,
    paths: list[str],
    _handler: HTTPRouteHandler,
    _method: Method,
    path: Sequence[str | PathParameterDefinition],
) -> str:
    place = paths.index(str(path))
    return f"{name}{place + 1}" if place else name


def _operation_id(handler: HTTPRouteHandler, method: Method, path: Sequence[str | PathParameterDefinition]) -> str:
    """The handler's name, short enough for what is generated of it; with its path and method where it has several."""
    first = path[0] if path else ""
    prefix = "" if first == "v1" else "platform_"
    if len(handler.paths) == 1 and len(handler.http_methods) == 1:
        return f"{prefix}{handler.handler_name}"
    named = [part if isinstance(part, str) else part.name for part in path]
    return "_".join([method.lower(), *(re.sub(r"[^a-z0-9]+", "_", part) for part in named)])


def _finish(found: dict[str, Any], open_to_all: set[tuple[str, str]]) -> None:
    """Say of each operation how it refuses, and of those that are open that they are."""
    parts = found["components"]
    describe(parts.get("schemas", {}))
    parts.setdefault("schemas", {})["Problem"] = component_of(Problem) | {"examples": [_PROBLEM_EXAMPLE]}
    parts["schemas"] |= {"Refusal": _ENVELOPE, "ChangeEvent": _EVENT}
    parts["responses"] = {
        "Problem": _response("Refused; `code` says why.", PROBLEM_TYPE, "Problem"),
        "Refusal": _response("Refused; the errors say why.", "application/json", "Refusal"),
    }
    for path, item in found["paths"].items():
        form = "Refusal" if path.startswith(("/accounts", "/zones", "/user", "/memberships")) else "Problem"
        for method in _METHODS:
            operation = item.get(method)
            if operation is None:
                continue
            # Litestar keeps them in sets: another order each time.
            operation.get("parameters", []).sort(
                key=lambda one: (one["in"] != "path", path.find(one["name"]), one["name"])
            )
            if (path, method) in open_to_all:
                operation["security"] = []
            for response in operation["responses"].values():
                if response.get("description") in _EMPTY_WORDS:
                    response["description"] = "As asked."
                for header in response.get("headers", {}).values():
                    if (
                        not {"schema", "content"} & header.keys()
                    ):  # Litestar leaves out what nobody has said; headers are text
                        header["schema"] = {"type": "string"}
            operation["responses"].pop("400", None)  # Litestar's own form of refusals, which is not ours
            operation["responses"]["default"] = {"$ref": f"#/components/responses/{form}"}


def _response(about: str, content_type: str, schema: str) -> dict[str, Any]:
    return {"description": about, "content": {content_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}
