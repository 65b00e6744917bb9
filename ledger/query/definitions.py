"""The views of `views.sql` one by one: making one takes milliseconds, so a question gets those that it names and no others."""

import re
from collections.abc import Container, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

import duckdb

__all__ = ["Definition", "Made", "definitions"]

_MAKES: Final = re.compile(r"CREATE (?:VIEW|MACRO) (\w+)")
_COMMENT: Final = re.compile(r"^\s*--.*$", re.MULTILINE)
_END: Final = re.compile(r";\s*\n")
_NAMES: Final = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)|'(\w+)'|\b(\w+)\(|\b(_\w+)\b")
"""Where a statement may name a view or a macro: what is no name of one is passed over."""


class Definition(NamedTuple):
    """How a view or macro is made."""

    sql: str
    below: tuple[str, ...]
    """The names of those that it is made of."""


class Made:
    """Which of the views a database has; it begins with none of them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._there: set[str] = set()

    def make_for(self, sql: str) -> None:
        """Make what a statement names, and what that is made of."""
        for name in _named_in(sql, definitions()):
            self._make(name)

    def make_all(self) -> None:
        """Make all that are not there yet."""
        for name in definitions():
            self._make(name)

    def _make(self, name: str) -> None:
        if name in self._there:
            return
        definition = definitions()[name]
        for below in definition.below:
            self._make(below)
        self._connection.execute(definition.sql)
        self._there.add(name)


@cache
def definitions() -> Mapping[str, Definition]:
    """Each view and macro by its name, in the order in which they can be made."""
    script = resources.files(__package__).joinpath("views.sql").read_text("utf-8")
    found: dict[str, Definition] = {}
    for statement in _END.split(_COMMENT.sub("", script)):
        if statement.strip():
            # Only of what is made before it: a column may have the name of a view that comes later.
            found[_MAKES.findall(statement)[0]] = Definition(statement, tuple(_named_in(statement, found)))
    return found


def _named_in(sql: str, known: Container[str]) -> Iterator[str]:
    for groups in _NAMES.findall(sql):
        yield from (name for name in groups if name in known)
