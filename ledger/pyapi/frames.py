"""Answers as tables of Arrow, pandas and polars, which the extra `dataframes` brings."""

import types
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Union, get_args, get_origin
from uuid import UUID

import msgspec

from ledger.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

__all__ = ["library", "sql_table", "struct_table", "to_pandas", "to_polars"]

_HUGE_DIGITS: Final = 38


def library(name: str) -> Any:
    """A library of the extra `dataframes`.

    Raises:
        UsageError: `dataframes_missing`.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise UsageError(
            "dataframes_missing", f"{name} is not installed", "pip install 'deployment-ledger[dataframes]'"
        ) from error


def struct_table(kind: type[msgspec.Struct], rows: Iterable[msgspec.Struct]) -> "pa.Table":
    """Answers of one kind as a table whose columns are the fields, typed whether there are rows or not.

    Answers within answers are structs; what may be any value (of a binding, a note) is JSON text.
    """
    pa = library("pyarrow")
    hints = {field.name: field.type for field in msgspec.structs.fields(kind)}
    schema = pa.schema([pa.field(name, _arrow_type(pa, hint)) for name, hint in hints.items()])
    columns = {name: [_value(hint, getattr(row, name)) for row in rows] for name, hint in hints.items()}
    return pa.table(columns, schema=schema)


def sql_table(names: Sequence[str], kinds: Sequence[str], rows: Sequence[Sequence[Any]]) -> "pa.Table":
    """Rows of a statement as a table with the types that DuckDB gave them.

    Whole numbers of 128 bits are DECIMAL(38, 0); what Arrow has no type for is text.

    Raises:
        UsageError: `no_table`: a value does not fit (a whole number of 39 digits, a time beyond the year 9999).
    """
    pa, duckdb = library("pyarrow"), import_module("duckdb")
    made = []
    for place, kind in enumerate(kinds):
        into = _arrow_of(pa, duckdb.sqltype(kind)) if kind not in {'"NULL"', "NULL"} else pa.null()
        try:
            made.append(pa.array([_fitting(into, row[place]) for row in rows], type=into))
        except (pa.ArrowException, ValueError, OverflowError, TypeError) as error:
            raise UsageError(
                "no_table", f"the column {names[place]} ({kind}) is no column of Arrow: {error}", "cast it in the query"
            ) from error
    return pa.Table.from_arrays(made, names=list(names))


def to_pandas(table: "pa.Table") -> "pd.DataFrame":
    """The same as pandas has it."""
    library("pandas")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def to_polars(table: "pa.Table") -> "pl.DataFrame":
    """The same as polars has it."""
    frame: pl.DataFrame = library("polars").from_arrow(table)
    return frame


def _bare(hint: Any) -> Any:
    """A type without `| None`."""
    if get_origin(hint) in {Union, types.UnionType}:
        members = [member for member in get_args(hint) if member is not type(None)]
        return members[0] if len(members) == 1 else Any
    return hint


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _arrow_type(pa: Any, hint: Any) -> Any:
    plain = _bare(hint)
    if _is_struct(plain):
        fields = msgspec.structs.fields(plain)
        return pa.struct([pa.field(field.name, _arrow_type(pa, field.type)) for field in fields])
    if get_origin(plain) in {list, tuple, Sequence}:
        return pa.list_(_arrow_type(pa, get_args(plain)[0]))
    simple = {
        bool: pa.bool_(),
        int: pa.int64(),
        float: pa.float64(),
        datetime: pa.timestamp("us", "UTC"),
        date: pa.date32(),
        timedelta: pa.duration("us"),
    }
    return simple.get(plain, pa.string())


def _value(hint: Any, value: Any) -> Any:
    plain = _bare(hint)
    if value is None:
        return None
    if _is_struct(plain):
        return {field.name: _value(field.type, getattr(value, field.name)) for field in msgspec.structs.fields(plain)}
    if get_origin(plain) in {list, tuple, Sequence}:
        return [_value(get_args(plain)[0], member) for member in value]
    if plain in {bool, int, float, datetime, date, timedelta}:
        return value
    return str(value) if isinstance(plain, type) and issubclass(plain, str) else msgspec.json.encode(value).decode()


def _arrow_of(pa: Any, kind: Any) -> Any:
    """The type of Arrow for one of DuckDB (a DuckDBPyType: `id`, and `children` by name)."""
    match kind.id:
        case "list" | "array":
            return pa.list_(_arrow_of(pa, kind.children[0][1]))
        case "struct":
            return pa.struct([pa.field(name, _arrow_of(pa, child)) for name, child in kind.children])
        case "map":
            key, value = (child for _, child in kind.children)
            return pa.map_(_arrow_of(pa, key), _arrow_of(pa, value))
        case "decimal":
            digits = dict(kind.children)
            return pa.decimal128(digits["precision"], digits["scale"])
        case "hugeint" | "uhugeint":
            return pa.decimal128(_HUGE_DIGITS, 0)
        case name:
            return _simple(pa).get(name, pa.string())


def _simple(pa: Any) -> dict[str, Any]:
    return {
        "boolean": pa.bool_(),
        "tinyint": pa.int8(),
        "smallint": pa.int16(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "utinyint": pa.uint8(),
        "usmallint": pa.uint16(),
        "uinteger": pa.uint32(),
        "ubigint": pa.uint64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "date": pa.date32(),
        "time": pa.time64("us"),
        "timestamp": pa.timestamp("us"),
        "timestamp_s": pa.timestamp("us"),
        "timestamp_ms": pa.timestamp("us"),
        "timestamp_ns": pa.timestamp("us"),
        "timestamp with time zone": pa.timestamp("us", "UTC"),
        "interval": pa.duration("us"),
        "blob": pa.binary(),
    }


def _fitting(into: Any, value: Any) -> Any:
    """A value of DuckDB as Arrow takes it for this type."""
    pa = library("pyarrow")
    if value is None:
        return None
    if pa.types.is_list(into):
        return [_fitting(into.value_type, member) for member in value]
    if pa.types.is_struct(into):
        return {field.name: _fitting(field.type, value[field.name]) for field in into}
    if pa.types.is_map(into):
        pairs: Mapping[Any, Any] = value
        return [(_fitting(into.key_type, key), _fitting(into.item_type, item)) for key, item in pairs.items()]
    if pa.types.is_decimal(into):
        return Decimal(value)
    if pa.types.is_string(into) and isinstance(value, (UUID, time)):
        return str(value)
    return value
