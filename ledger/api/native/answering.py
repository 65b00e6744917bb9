"""From a question to an HTTP answer: the JSON that the command line prints, in pages or as a stream, with an ETag.

An answer that names nobody depends on the prefix of the log, the question and the caller's view, and on nothing else: its ETag is made
of these, and whoever has it already is told so without asking anything. Names come from the key store, from which people can be
erased: such an answer is asked for each time, no cache may keep it, and who was shown whom is recorded before it is sent.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from hashlib import sha256
from typing import Any, Final

from litestar import Response
from litestar.response import Stream

from ledger.api.naming import may_name
from ledger.api.native.asked import LINES, PAGE, Asked, Listed
from ledger.query.opened import OpenLedger
from ledger.query.plain import json_array, json_lines, json_object, json_text

__all__ = ["answer_one", "answer_rows"]

JSON: Final = "application/json"
_PIECE: Final = 200
"""Rows that are encoded at once on their way into a stream."""
_TAGS: Final = re.compile(r'"[^"]*"')

Rows = Callable[[OpenLedger], Sequence[Any]]
Shown = dict[str, list[str]]
"""Account to pseudonyms."""


async def answer_one(asked: Asked, question: Callable[[OpenLedger], Any]) -> Response[Any]:
    """Answer with one object; raises as `QuestionPool.ask`, and StoreError `audit_unwritten`."""
    return await _answer(asked, asked.tag, lambda ledger: (json_object(question(ledger)), False))


async def answer_rows(asked: Listed, question: Rows) -> Response[Any]:
    """Answer with a page of a list, or with all of it as a stream of lines; raises as `answer_one`."""
    if asked.is_stream:
        return await _streamed(asked, question)
    start, limit = asked.start, asked.limit or PAGE
    whole = asked.tag

    def page(ledger: OpenLedger) -> tuple[str, bool]:
        rows = _rows(asked, whole, question, ledger)
        return "".join(json_array(rows[start : start + limit])), start + limit < len(rows)

    return await _answer(
        asked, asked.sight.tag(f"{whole} {start} {limit}"), page, lambda: asked.next_page(start + limit)
    )


async def _answer(
    asked: Asked,
    tag: str,
    make: Callable[[OpenLedger], tuple[str, bool]],
    following: Callable[[], str] = str,
) -> Response[Any]:
    """The answer that `make` gives the text of, and whether there is more, at the address of `following`."""
    if asked.sight.named:
        return await _named_answer(asked, tag, make, following)
    if _has(asked, tag):
        return _unchanged(asked, tag)
    made = asked.pool.answers.get(tag)
    if made is None:

        def work(ledger: OpenLedger) -> tuple[bytes, bool]:
            text, has_more = make(ledger)
            return text.encode(), has_more

        made = await asked.pool.ask(asked.sight, work)
        asked.pool.answers.put(tag, made, len(made[0]))
    return _answered(asked, tag, made[0], following() if made[1] else None)


async def _named_answer(
    asked: Asked, tag: str, make: Callable[[OpenLedger], tuple[str, bool]], following: Callable[[], str]
) -> Response[Any]:
    """The same where people are named: made each time, kept nowhere, recorded."""

    def work(ledger: OpenLedger) -> tuple[bytes, bool, Shown]:
        text, has_more = make(ledger)
        return text.encode(), has_more, _shown(ledger, text)

    body, has_more, shown = await asked.pool.ask(asked.sight, work)
    tag = sha256(tag.encode() + body).hexdigest()[:32]
    if _has(asked, tag):
        return _unchanged(asked, tag)
    await _record(asked, shown)
    return _answered(asked, tag, body, following() if has_more else None)


async def _streamed(asked: Listed, question: Rows) -> Response[Any]:
    whole = asked.tag
    tag = asked.sight.tag(f"{whole} {asked.start} {asked.limit} lines")
    if not asked.sight.named and _has(asked, tag):
        return _unchanged(asked, tag)

    def work(ledger: OpenLedger) -> tuple[Sequence[Any], Shown]:
        rows = _rows(asked, whole, question, ledger)[asked.start :][: asked.limit]
        return rows, _shown(ledger, None)

    rows, shown = await asked.pool.ask(asked.sight, work)
    await _record(asked, shown)
    headers = _headers(asked) if asked.sight.named else {**_headers(asked), "etag": f'"{tag}"'}
    return Stream(_pieces(rows), media_type=LINES, headers=headers)


async def _pieces(rows: Sequence[Any]) -> AsyncIterator[bytes]:
    for start in range(0, len(rows), _PIECE):
        yield await asyncio.to_thread(_encoded, rows[start : start + _PIECE])


def _encoded(rows: Sequence[Any]) -> bytes:
    return "".join(json_lines(rows)).encode()


def _rows(asked: Listed, tag: str, question: Rows, ledger: OpenLedger) -> Sequence[Any]:
    """The whole list. One that names people is asked for each time: they may have been erased since."""
    if asked.sight.named:
        return question(ledger)
    found = asked.pool.lists.get(tag)
    if found is None:
        found = question(ledger)
        asked.pool.lists.put(tag, found, len(found))
    return found


def _shown(ledger: OpenLedger, text: str | None) -> Shown:
    """Whose names an answer shows: of those that were looked up the ones that stand in it (None: all)."""
    shown: Shown = {}
    for (account, pseudonym), name in ledger.named.items():
        if text is None or json_text(name)[1:-1] in text:
            shown.setdefault(account, []).append(pseudonym)
    return shown


async def _record(asked: Asked, shown: Shown) -> None:
    for account, pseudonyms in shown.items():
        await may_name(asked.context, asked.caller, asked.request, account, pseudonyms)


def _answered(asked: Asked, tag: str, body: bytes, following: str | None) -> Response[Any]:
    if asked.request.headers.get("if-none-match", "").strip() == "*":  # any answer at all, and there is one
        return _unchanged(asked, tag)
    headers = {**_headers(asked), "etag": f'"{tag}"'}
    if following is not None:
        headers["link"] = f'<{following}>; rel="next"'
    return Response(body, media_type=JSON, headers=headers)


def _unchanged(asked: Asked, tag: str) -> Response[Any]:
    return Response(None, status_code=304, headers={**_headers(asked), "etag": f'"{tag}"'})


def _headers(asked: Asked) -> dict[str, str]:
    kept = "no-store" if asked.sight.named else "no-cache"
    return {"cache-control": f"private, {kept}", "vary": "accept, authorization"}


def _has(asked: Asked, tag: str) -> bool:
    """Whether the client has this answer, as `If-None-Match` says."""
    return f'"{tag}"' in _TAGS.findall(asked.request.headers.get("if-none-match", ""))
