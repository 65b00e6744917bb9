"""The documentation page: the OpenAPI document as HTML. No script, nothing from another host, and so nothing that could be let in."""

import json
import re
from collections.abc import Iterator
from html import escape
from typing import Any, Final

__all__ = ["HEADERS", "render_page"]

HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_METHODS: Final = ("get", "put", "post", "patch", "delete")
_CODE = re.compile(r"`([^`]+)`")


def render_page(document: dict[str, Any]) -> str:
    """The page of a document."""
    info = document["info"]
    operations = list(_operations(document))
    tags = [tag["name"] for tag in document.get("tags", ())]
    tags += sorted({tag for _, _, item in operations for tag in item.get("tags", ())} - set(tags))
    about = {tag["name"]: tag.get("description", "") for tag in document.get("tags", ())}
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(info['title'])}</title>",
        '<link rel="stylesheet" href="/docs/style.css"></head><body>',
        f"<header><h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>{_prose(info['description'])}",
        '<p>For programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p></header><nav><ul>',
    ]
    shown = {tag: [entry for entry in operations if _tag(entry[2]) == tag] for tag in [*tags, ""]}
    for tag, entries in shown.items():
        if entries:
            links = "".join(
                f'<li><a href="#{_anchor(item)}"><b class="{method}">{method.upper()}</b> <code>{_path(path)}</code></a></li>'
                for method, path, item in entries
            )
            parts.append(f"<li>{escape(tag or 'other')}<ul>{links}</ul></li>")
    parts.append('<li><a href="#schemas">schemas</a></li></ul></nav><main>')
    for tag, entries in shown.items():
        if entries:
            parts.append(f"<section><h2>{escape(tag or 'other')}</h2>{_prose(about.get(tag, ''))}")
            parts += [_operation(document, *entry) for entry in entries]
            parts.append("</section>")
    parts.append('<section id="schemas"><h2>schemas</h2>')
    parts += [_schema(name, schema) for name, schema in sorted(document["components"].get("schemas", {}).items())]
    parts.append("</section></main></body></html>")
    return "\n".join(parts) + "\n"


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield method, path, item[method]


def _operation(document: dict[str, Any], method: str, path: str, item: dict[str, Any]) -> str:
    who = "" if item.get("security", document.get("security")) else ' <em class="open">no token</em>'
    parts = [
        f'<article id="{_anchor(item)}"><h3><b class="{method}">{method.upper()}</b> <code>{_path(path)}</code>{who}</h3>',
        f"<p><strong>{escape(item.get('summary', ''))}</strong></p>{_prose(item.get('description', ''))}",
    ]
    if parameters := item.get("parameters"):
        rows = "".join(
            f"<tr><td><code>{escape(one['name'])}</code>{'' if one.get('required') else ' <i>optional</i>'}</td><td>{escape(one['in'])}</td>"
            f"<td>{_type(one.get('schema', {}))}</td><td>{_line(one.get('description', ''))}</td></tr>"
            for one in parameters
        )
        parts.append(f"<table><tr><th>parameter</th><th>in</th><th>type</th><th></th></tr>{rows}</table>")
    if body := item.get("requestBody"):
        parts.append(f"<h4>request</h4>{_content(body.get('content', {}))}")
    for status, response in item["responses"].items():
        parts.append(f"<h4>{escape(status)}</h4>{_response(document, response)}")
    return "".join(parts) + "</article>"


def _response(document: dict[str, Any], response: dict[str, Any]) -> str:
    if ref := response.get("$ref"):
        response = document["components"]["responses"][ref.rpartition("/")[2]]
    return f"<p>{_line(response.get('description', ''))}</p>{_content(response.get('content', {}))}"


def _content(content: dict[str, Any]) -> str:
    parts = []
    for media_type, value in content.items():
        parts.append(f"<p><code>{escape(media_type)}</code>: {_type(value.get('schema', {}))}</p>")
        examples = value.get("examples") or ({"": {"value": value["example"]}} if "example" in value else {})
        parts += [_example(example.get("value"), name) for name, example in examples.items()]
    return "".join(parts)


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{escape(member)}</code>{'' if member in required else ' <i>optional</i>'}</td><td>{_type(value)}</td>"
        f"<td>{_line(value.get('description', '')) if isinstance(value, dict) else ''}</td></tr>"
        for member, value in schema.get("properties", {}).items()
    )
    table = (
        f"<table><tr><th>member</th><th>type</th><th></th></tr>{rows}</table>" if rows else f"<p>{_type(schema)}</p>"
    )
    examples = "".join(_example(example) for example in schema.get("examples", ()))
    return f'<article id="schema-{escape(name, quote=True)}"><h3>{escape(name)}</h3>{_prose(schema.get("description", ""))}{table}{examples}</article>'


def _type(schema: Any) -> str:
    """A schema in a few words."""
    if not isinstance(schema, dict) or not schema:
        return "any"
    if ref := schema.get("$ref"):
        name = ref.rpartition("/")[2]
        return f'<a href="#schema-{escape(name, quote=True)}">{escape(name)}</a>'
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_type(one) for one in schema[several]))
    if "enum" in schema:
        return "one of " + ", ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const']))}</code>"
    kinds = schema.get("type", "any")
    if kinds == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kinds == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    named = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    return escape(f"{named} ({schema['format']})" if "format" in schema else named)


def _example(value: Any, name: str = "") -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return f"<figure><figcaption>example {escape(name)}</figcaption><pre>{escape(text)}</pre></figure>"


def _prose(text: str) -> str:
    """Paragraphs, and what stands between backticks."""
    return "".join(f"<p>{_line(part)}</p>" for part in text.strip().split("\n\n") if part.strip())


def _line(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(" ".join(text.split()), quote=False))


def _path(path: str) -> str:
    return re.sub(r"(\{[^}]*\})", r"<var>\1</var>", escape(path))


def _tag(item: dict[str, Any]) -> str:
    return str((item.get("tags") or [""])[0])


def _anchor(item: dict[str, Any]) -> str:
    return escape(f"op-{item['operationId']}", quote=True)
