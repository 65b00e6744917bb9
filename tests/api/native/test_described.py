"""What describes the native API: examples that are of the answers' types, and every path in docs/API.md."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from litestar.handlers import HTTPRouteHandler

from ledger.api import app
from ledger.api.document import build_document
from ledger.api.native import native_routes
from ledger.api.native.operations import examples
from ledger.query.plain import plain

API = Path(__file__).parents[3] / "docs" / "API.md"


def questions() -> dict[str, HTTPRouteHandler]:
    """The handlers that have an example, by path."""
    handlers = [handler for router in native_routes() for route in router.routes for handler in route.route_handlers]  # type: ignore[union-attr]
    found = {path: handler for handler in handlers for path in handler.paths if handler.opt.get("question")}
    return {f"/v1{re.sub(r':str}', '}', path)}": handler for path, handler in found.items()}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document of all handlers."""
    return build_document(app.all_routes())


def test_every_question_has_an_example_of_its_type() -> None:
    """It reads back as the type that the handler says, with nothing left over."""
    handlers = questions()
    assert set(handlers) == set(examples())
    for path, handler in handlers.items():
        (form,) = handler.parsed_fn_signature.return_type.args
        value = examples()[path]
        assert plain(msgspec.convert(value, form)) == value, path


def test_examples_are_valid_by_the_document(document: dict[str, Any]) -> None:
    """Each by the schema beside it."""
    checked = 0
    for path, item in document["paths"].items():
        content = item.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        for media in content.values():
            for example in media.get("examples", {}).values():
                if path.startswith("/v1"):
                    checked += 1
                    whole = {**media["schema"], "components": document["components"]}
                    errors = [error.message for error in Draft202012Validator(whole).iter_errors(example["value"])]
                    assert errors == [], path
    assert checked == len(examples())


def test_every_path_is_documented(document: dict[str, Any]) -> None:
    """And no other is."""
    text = API.read_text()
    for path in document["paths"]:
        if path.startswith("/v1"):
            last = path.removeprefix("/v1/scripts/{script}")
            assert f"`{path}`" in text or f"`{last}`" in text or path.replace("{rest}", "{L}/{N}") in text, path
    known = {re.sub(r"\{[^}]+\}", "{}", path) for path in document["paths"]}
    for named in re.findall(r"`(/v1/[a-z/{}]+)`", text):
        assert re.sub(r"\{[^}]+\}", "{}", named.replace("{L}/{N}", "{rest}").rstrip("/")) in {*known, "/v1/log/{}"}, (
            named
        )
