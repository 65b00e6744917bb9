"""The OpenAPI document, and the page of it."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from litestar import get
from openapi_spec_validator import OpenAPIV31SpecValidator

from ledger.api import app
from ledger.api.context import Context
from ledger.api.document import build_document
from tests.api.rig import Server, answering

METHODS = ("get", "put", "post", "patch", "delete")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document of all handlers."""
    return build_document(app.all_routes())


def _operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, item[method]) for path, item in document["paths"].items() for method in METHODS if method in item
    ]


def test_the_document_is_valid_and_is_what_the_server_serves(server: Server, document: dict[str, Any]) -> None:
    """By the schema of OpenAPI 3.1, every reference leading somewhere; to everybody, without a token."""
    assert document["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert server.ask("/openapi.json").json == document
    for ref in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        target: Any = document
        for part in ref.split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]


def test_every_operation_has_a_name_of_its_own_words_and_its_refusals(document: dict[str, Any]) -> None:
    """What a client is generated from: an id, a summary, a description, a form for each refusal, and who needs no token."""
    operations = _operations(document)
    ids = [operation["operationId"] for _, _, operation in operations]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z][A-Za-z0-9_]*", name) for name in ids)
    for path, _, operation in operations:
        assert operation.get("summary"), path
        assert operation["responses"]["default"]["$ref"].startswith("#/components/responses/")
    without = {path for path, _, operation in operations if operation.get("security") == []}
    assert without == {
        "/healthz",
        "/readyz",
        "/accounts/{account}/workers/assets/upload",
    }  # the last takes a session's own token
    assert document["security"] == [{"token": []}, {"key": []}]


def test_a_handler_that_nothing_guards_keeps_the_server_from_starting(server: Server, ledger: Any) -> None:
    """Neither open to all nor asking for a scope: an error of whoever wrote it."""

    @get("/v1/forgotten")
    async def forgotten(context: Context) -> str:
        return context.about.name

    with (
        pytest.raises(RuntimeError, match="/v1/forgotten"),
        answering(ledger, [forgotten]),
    ):
        pass


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: set[str] = set()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            assert name != "style"
            if name == "id":
                assert value not in self.ids
                self.ids.add(value or "")
            if name in {"href", "src"}:
                self.targets.append(value or "")


def test_the_page_needs_nothing_from_another_host(server: Server, document: dict[str, Any]) -> None:
    """No script, no style but its own file, no link that leads nowhere; the policy forbids the rest; every operation is on it."""
    answer = server.ask("/docs")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'self'" in policy
    assert "://" not in policy
    page = _Page()
    page.feed(answer.body.decode())
    assert "script" not in page.tags
    for target in page.targets:
        assert target in {"/docs/style.css", "/openapi.json"} or (target[0] == "#" and target[1:] in page.ids), target
    assert {f"op-{operation['operationId']}" for _, _, operation in _operations(document)} <= page.ids
    assert {f"schema-{name}" for name in document["components"]["schemas"]} <= page.ids
    style = server.ask("/docs/style.css")
    assert (style.status, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert b"url(" not in style.body
    assert b"@import" not in style.body
