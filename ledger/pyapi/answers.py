"""What questions are answered with in Python: rows that can be gone through, and taken as tables."""

from abc import abstractmethod
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import msgspec

from ledger.pyapi.frames import sql_table, struct_table, to_pandas, to_polars
from ledger.pyapi.page import html_table
from ledger.query.columnnames import distinct_names

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from ledger.query.sql import Result

__all__ = ["Rows", "SqlRows"]

T = TypeVar("T")
R = TypeVar("R", bound=msgspec.Struct)


class _Table(Sequence[T]):
    """Rows under names; a sequence that does not change."""

    _found: Sequence[T]

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """Names of the columns."""

    @abstractmethod
    def arrow(self) -> "pa.Table":
        """As a table of Arrow; raises UsageError `dataframes_missing`."""

    def pandas(self) -> "pd.DataFrame":
        """As a data frame of pandas; raises UsageError `dataframes_missing`."""
        return to_pandas(self.arrow())

    def polars(self) -> "pl.DataFrame":
        """As a data frame of polars; raises UsageError `dataframes_missing`."""
        return to_polars(self.arrow())

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[T]:
        return iter(self._found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and not isinstance(other, str) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # rows may hold lists


class Rows(_Table[R], Generic[R]):
    """Answers of one kind, in the order in which the command prints them.

    Args:
        kind: their type.
        found: the answers.
    """

    def __init__(self, kind: type[R], found: Iterable[R]) -> None:
        self._kind = kind
        self._found = tuple(found)

    @property
    def columns(self) -> list[str]:
        """Names of the fields."""
        return list(self._kind.__struct_fields__)

    @overload
    def __getitem__(self, place: int) -> R: ...
    @overload
    def __getitem__(self, place: slice) -> "Rows[R]": ...
    def __getitem__(self, place: int | slice) -> "R | Rows[R]":
        return Rows(self._kind, self._found[place]) if isinstance(place, slice) else self._found[place]

    def arrow(self) -> "pa.Table":
        """As a table of Arrow: nested answers are structs, values of any type are JSON text; raises UsageError `dataframes_missing`."""
        return struct_table(self._kind, self._found)

    def where(self, wanted: Callable[[R], bool]) -> "Rows[R]":
        """Those that are wanted."""
        return Rows(self._kind, filter(wanted, self._found))

    def __repr__(self) -> str:
        return f"<{len(self)} {self._kind.__name__}>"

    def _repr_html_(self) -> str:
        return html_table(self.columns, [[getattr(row, name) for name in self.columns] for row in self._found])


class SqlRows(_Table[Any]):
    """The rows of a statement. Each is a named tuple, and of a column of the type JSON it has the value.

    Columns without a name that Python could have are called by their place (`_1`).
    """

    def __init__(self, result: "Result") -> None:
        self.result = result
        """As the database gave it."""

    @property
    def columns(self) -> list[str]:
        """Names of the columns; of several that are alike the later ones have a number."""
        return distinct_names(self.result.columns)

    @property
    def types(self) -> list[str]:
        """Their types, as DuckDB calls them."""
        return self.result.types

    @cached_property
    def _found(self) -> Sequence[Any]:  # type: ignore[override]
        row = namedtuple("row", self.columns, rename=True)  # type: ignore[misc] # noqa: PYI024 - known when it runs
        is_json = [kind == "JSON" for kind in self.types]
        return [
            row(
                *(
                    msgspec.json.decode(value) if json and value is not None else value
                    for value, json in zip(values, is_json, strict=True)
                )
            )
            for values in self.result.rows
        ]

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        return self._found[place]

    def arrow(self) -> "pa.Table":
        """As a table of Arrow with the types of DuckDB; raises UsageError `dataframes_missing`, `no_table`."""
        return sql_table(self.columns, self.types, self.result.rows)

    def __repr__(self) -> str:
        return f"<{len(self)} rows of {', '.join(self.columns)}>"

    def _repr_html_(self) -> str:
        return html_table(self.columns, self.result.rows)
