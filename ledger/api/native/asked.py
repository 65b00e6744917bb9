"""A request as a question: of what part of the ledger, as of when, and how its answer is wanted."""

# ruff: noqa: PLR0913, PLR0917 (what a request may say is the arguments of who reads it)

import asyncio
import time
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from operator import gt
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode

import msgspec
from litestar import Request
from litestar.handlers import BaseRouteHandler
from litestar.params import HeaderParameter, Parameter, ParameterKwarg, QueryParameter

from ledger.api.access import Caller, check_account
from ledger.api.context import Context
from ledger.api.native.cursors import Cursor, decode_cursor, encode_cursor
from ledger.api.native.questionpool import QuestionPool
from ledger.api.native.sight import Sight
from ledger.api.problems import RefusalError
from ledger.api.tokens import Scope
from ledger.errors import InputError, UsageError
from ledger.live.view import LiveLedger
from ledger.query.moments import parse_moment

__all__ = ["Asked", "Listed", "asked_of", "asker_of", "listed_of", "watcher_of"]

PAGE: Final = 100
MAX_PAGE: Final = 1000
LINES: Final = "application/x-ndjson"
_GLOB: Final = frozenset("*?[")
_EARLY: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MAX_TEXT: Final = 4096
_BEHIND_S: Final = 2.0
_LOOK_S: Final = 0.05

Account = Annotated[
    list[str] | None,
    Parameter(description="Only this account; a glob (`acme-*`); may be given again.", max_items=100),
]
At = Annotated[
    str | None,
    Parameter(
        description="As of this effective time: `2022-11-28T09:15:02Z`, a date (its first instant, UTC) or `2h ago`."
    ),
]
KnownAt = Annotated[
    str | None,
    QueryParameter(name="as_known_at", description="Only what the ledger had received by this recorded time."),
]
Names = Annotated[
    bool | None,
    Parameter(
        description="Whether people are named; the default is what the token may see. With `true` it needs the scope audit."
    ),
]


class Asked:
    """One question."""

    def __init__(self, request: "Request[Any, Any, Any]", pool: QuestionPool, context: Context, caller: Caller) -> None:
        self.request = request
        self.pool = pool
        self.context = context
        self.caller = caller
        self.now = datetime.now(UTC)
        self.sight = Sight(sizes=(), accounts=(), named=False)
        self.accounts: list[str] | None = None
        """Those that were asked for; the sight holds back what the caller may not see, whatever is asked for."""
        self.at: datetime | None = None
        self._depends_on_now = False

    def moment(self, text: str) -> datetime:
        """The time that a parameter names.

        Raises:
            UsageError: `bad_time`.
        """
        found = parse_moment(text, self.now)
        self._depends_on_now |= found != parse_moment(text, _EARLY)
        return found

    def point(self, text: str) -> str:
        """What `diff` compares: a time becomes one that is the same on all pages."""
        if text.startswith(("account:", "id:")):
            return text
        try:
            return self.moment(text).isoformat().replace("+00:00", "Z")
        except UsageError:
            return text

    @property
    def question(self) -> str:
        """All that decides the answer, but for what the caller sees and the time that `now` means."""
        given = sorted((key, value) for key, value in self.request.query_params.multi_items() if key not in _PAGING)
        return msgspec.json.encode([self.request.scope["path"], given]).decode()

    @property
    def tag(self) -> str:
        """A name for the whole answer."""
        now = self.now.isoformat() if self._depends_on_now else ""
        return self.sight.tag(f"{self.question} {now}")


class Listed(Asked):
    """One question that a list is the answer to."""

    start = 0
    """How many of its rows come before those that are wanted,"""
    limit: int | None = None
    """and how many are wanted, if it was said."""
    is_stream = False
    """Whether it is wanted as lines, all of it."""

    def next_page(self, start: int) -> str:
        """The address of the page that begins after so many rows."""
        cursor = encode_cursor(Cursor(start=start, now=self.now, sizes=self.sight.sizes), self.bound_question)
        kept = [(key, value) for key, value in self.request.query_params.multi_items() if key != "cursor"]
        return f"{self.request.scope['path']}?{urlencode([*kept, ('cursor', cursor)])}"

    @property
    def bound_question(self) -> str:
        """What a cursor belongs to: the question, and whose it is."""
        return f"{self.question} {msgspec.json.encode((self.caller.id, self.sight.named)).decode()}"


_PAGING: Final = frozenset({"cursor", "limit"})
_REPEATABLE: Final = frozenset({"account", "rule", "no_rule"})
_Kind = TypeVar("_Kind", bound=Asked)
_KNOWN: "weakref.WeakKeyDictionary[BaseRouteHandler, frozenset[str]]" = weakref.WeakKeyDictionary()


async def asker_of(request: "Request[Any, Any, Any]", pool: QuestionPool, context: Context, caller: Caller) -> Asked:
    """The dependency `asker`: whoever asks for a file, which is the same at any time and names nobody."""
    asked = Asked(request, pool, context, caller)
    _begin(asked, None, names=False)
    return _finish(asked, None, None)


async def watcher_of(
    request: "Request[Any, Any, Any]",
    pool: QuestionPool,
    context: Context,
    caller: Caller,
    account: Account = None,
    names: Names = None,
) -> Asked:
    """The dependency `watcher`: whoever follows the log."""
    asked = Asked(request, pool, context, caller)
    _begin(asked, account, names=names)
    return asked


async def asked_of(
    request: "Request[Any, Any, Any]",
    pool: QuestionPool,
    context: Context,
    caller: Caller,
    account: Account = None,
    at: At = None,
    as_known_at: KnownAt = None,
    names: Names = None,
) -> Asked:
    """The dependency `asked`.

    Raises:
        RefusalError: 400 `unknown_parameter`, `repeated_parameter`, `parameter_too_long`, 403 `scope_missing`, 404 `no_such_account`.
        UsageError: `bad_time`.
    """
    asked = Asked(request, pool, context, caller)
    _begin(asked, account, names=names)
    return _finish(asked, at, as_known_at)


async def listed_of(
    request: "Request[Any, Any, Any]",
    pool: QuestionPool,
    context: Context,
    caller: Caller,
    account: Account = None,
    at: At = None,
    as_known_at: KnownAt = None,
    names: Names = None,
    limit: Annotated[
        int | None,
        Parameter(
            ge=1,
            description=f"Rows of a page: {PAGE} where nothing is said, {MAX_PAGE} at most. Of a stream: of all of it.",
        ),
    ] = None,
    cursor: Annotated[
        str | None, Parameter(description="Where a page begins: from the Link header of the page before.")
    ] = None,
) -> Listed:
    """The dependency `listed`; raises as `asked_of`, and InputError `bad_cursor`."""
    asked = Listed(request, pool, context, caller)
    _begin(asked, account, names=names)
    asked.is_stream = LINES in request.headers.get("accept", "")
    asked.limit = limit if limit is None or asked.is_stream else min(limit, MAX_PAGE)
    if cursor is not None:
        found = decode_cursor(cursor, asked.bound_question, len(asked.sight.sizes))
        await _reached(pool, found.sizes)
        asked.start, asked.now = found.start, found.now
        asked.sight = msgspec.structs.replace(asked.sight, sizes=found.sizes)
    return _finish(asked, at, as_known_at)


def _begin(asked: Asked, account: list[str] | None, *, names: bool | None) -> None:
    """What the caller may see, as far as no time has a part in it."""
    request, caller = asked.request, asked.caller
    known = _parameters_of(request.route_handler) - request.path_params.keys()
    if not known.issuperset(request.query_params):
        hint = f"known: {', '.join(sorted(known))}"
        raise RefusalError(400, "unknown_parameter", "a parameter is not known here", hint)
    given = Counter(key for key, _ in request.query_params.multi_items())
    if any(count > 1 and key not in _REPEATABLE for key, count in given.items()):
        raise RefusalError(400, "repeated_parameter", "a parameter that has one value is given twice")
    if any(len(value) > _MAX_TEXT for key, value in request.query_params.multi_items() if key not in _PAGING):
        raise RefusalError(400, "parameter_too_long", f"a parameter has more than {_MAX_TEXT} characters")
    may_name = caller.may(Scope.audit)
    if names and not may_name:
        raise RefusalError(403, "scope_missing", "names need the scope audit", "ask with names=false")
    for name in account or ():
        if not _GLOB & set(name):
            check_account(caller, name)
    asked.accounts = account
    asked.sight = Sight(
        sizes=asked.pool.sizes(),
        accounts=(),
        named=may_name if names is None else names,
    )


async def _reached(pool: QuestionPool, sizes: Sequence[int]) -> None:
    """Wait a moment where another server, which made a cursor, has seen more of the log than this one.

    Raises:
        InputError: `bad_cursor`, where the log does not reach so far.
    """
    until = time.monotonic() + _BEHIND_S
    while any(map(gt, sizes, pool.sizes())):
        if time.monotonic() > until:
            raise InputError("bad_cursor", "the log does not reach so far", "begin with the first page again")
        await asyncio.sleep(_LOOK_S)


def _finish(asked: _Kind, at: str | None, as_known_at: str | None) -> _Kind:
    """The same with times."""
    asked.at = None if at is None else asked.moment(at)
    asked.sight = msgspec.structs.replace(
        asked.sight,
        accounts=_visible_accounts(asked.caller, asked.context.live),
        known_at=None if as_known_at is None else asked.moment(as_known_at),
    )
    return asked


def _visible_accounts(caller: Caller, live: LiveLedger) -> tuple[str, ...] | None:
    """The accounts that a caller sees, sorted; None for all."""
    if caller.sees_all:
        return None
    named = {name for name in caller.token.accounts if not _GLOB & set(name)}
    if len(named) == len(set(caller.token.accounts)):
        return tuple(sorted(named))
    return tuple(sorted(named | {name for name in live.accounts() if caller.sees(name)}))


def _parameters_of(handler: BaseRouteHandler) -> frozenset[str]:
    """The query parameters of a handler, and of what it depends on."""
    known = _KNOWN.get(handler)
    if known is None:
        known = _KNOWN[handler] = frozenset(_query_names(handler))
    return known


def _query_names(handler: BaseRouteHandler) -> Iterator[str]:
    provided = handler.resolve_dependencies()
    waiting, seen = [handler.parsed_fn_signature], set[str]()
    while waiting:
        for name, field in waiting.pop().parameters.items():
            if name in provided and name not in seen:
                seen.add(name)
                waiting.append(provided[name].parsed_fn_signature)
            elif isinstance(kwarg := field.kwarg_definition, ParameterKwarg):
                if not isinstance(kwarg, HeaderParameter):
                    yield kwarg.name or name
            elif field.has_default:
                yield name
