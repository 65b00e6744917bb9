"""The views of `views.sql` one by one: making one takes milliseconds, so a question gets those that it names and no others."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Final

import duckdb

__all__ = ["Made", "definitions"]

_MAKES: Final = re.compile(r"CREATE (?:VIEW|MACRO) (\w+)")
_COMMENT: Final = re.compile(r"^\s*--.*$", re.MULTILINE)
_END: Final = re.compile(r";\s*\n")
_NAMES: Final = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)|'(\w+)'|\b(\w+)\(|\b(_\w+)\b")
"""Where a statement may name a view or a macro: what is no name of one is passed over."""


class Made:
    """Which of the views a database has; it begins with none of them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._there: set[str] = set()

    def make_for(self, sql: str) -> None:
        """Make what a statement names, and what that is made of."""
        for name in _named_in(sql):
            self._make(name)

    def make_all(self) -> None:
        """Make all that are not there yet."""
        for name in definitions():
            self._make(name)

    def _make(self, name: str) -> None:
        if name in self._there:
            return
        definition = definitions()[name]
        order = list(definitions())
        for below in _named_in(definition):
            if order.index(below) < order.index(name):  # a column may have the name of a view that comes later
                self._make(below)
        self._connection.execute(definition)
        self._there.add(name)


@cache
def definitions() -> Mapping[str, str]:
    """The name of each view and macro, and the statement that makes it, in the order in which they can be made."""
    script = resources.files(__package__).joinpath("views.sql").read_text("utf-8")
    statements = [statement for statement in _END.split(_COMMENT.sub("", script)) if statement.strip()]
    return {_MAKES.findall(statement)[0]: statement for statement in statements}


def _named_in(sql: str) -> Iterator[str]:
    known = definitions()
    for groups in _NAMES.findall(sql):
        yield from (name for name in groups if name in known)
