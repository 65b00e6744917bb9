"""JSON Schemas of msgspec types, with what their docstrings say of each member."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec

__all__ = ["component_of", "describe", "member_docs"]


def component_of(form: type[msgspec.Struct]) -> dict[str, Any]:
    """The schema of a struct without others inside, for a document's components."""
    _, parts = msgspec.json.schema_components([form], ref_template="#/components/schemas/{name}")
    schema: dict[str, Any] = parts[form.__name__]
    for name, about in member_docs(form).items():
        if name in schema.get("properties", {}):
            schema["properties"][name].setdefault("description", about)
    return schema


def describe(schemas: dict[str, Any]) -> None:
    """Put into the schemas of our own structs what their docstrings say; where two structs have one name, nothing."""
    forms: dict[str, type[msgspec.Struct] | None] = {}
    for form in _ours(msgspec.Struct):
        forms[form.__name__] = None if form.__name__ in forms else form
    for name, schema in schemas.items():
        found = forms.get(name)
        fields = () if found is None else msgspec.structs.fields(found)
        properties = schema.get("properties", {})
        if found is None or set(properties) != {field.encode_name for field in fields}:
            continue
        schema.setdefault("description", inspect.cleandoc(found.__doc__ or ""))
        docs = member_docs(found)
        for field in fields:
            if field.name in docs:
                properties[field.encode_name].setdefault("description", docs[field.name])


def _ours(form: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for below in form.__subclasses__():
        if below.__module__.startswith("ledger."):
            yield below
        yield from _ours(below)


@cache
def member_docs(form: type) -> dict[str, str]:
    """What stands in a docstring below each member of a class."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(form))).body[0]
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    found = {}
    for member, below in pairwise(body):
        if (
            isinstance(member, ast.AnnAssign)
            and isinstance(member.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found[member.target.id] = inspect.cleandoc(below.value.value)
    return found
