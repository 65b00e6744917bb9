"""An answer as Parquet, in memory: DuckDB writes it, with the types that its columns have, into a pipe that is read beside it.

So a process that may not write files can make it.
"""

import os
import threading
from collections.abc import Mapping
from typing import Final

import duckdb

from ledger.query.statements import without_end

__all__ = ["ParquetPipe"]

_WIDE: Final = {"HUGEINT", "UHUGEINT"}
"""Parquet has no such integers, and DuckDB would write them as doubles: sums of integers are HUGEINT."""


class ParquetPipe:
    """Where one answer is written to. `path` has to be among the database's `allowed_paths`."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        self.path = f"/dev/fd/{self._writing}"

    def write(
        self, connection: duckdb.DuckDBPyConnection, select: str, parameters: Mapping[str, object], limit: int
    ) -> tuple[int, bytes]:
        """The first `limit` rows of a SELECT: how many there are, and the file's bytes. To be called once; raises duckdb.Error.

        Whole numbers of 128 bits become DECIMAL(38, 0), which is exact; one beyond that is an error.
        """
        parts: list[bytes] = []
        reader = threading.Thread(target=self._read, args=(parts,), daemon=True)
        reader.start()
        try:
            copy = f"COPY ({_typed(connection, select, parameters)} LIMIT {limit}) TO '{self.path}'"
            row = connection.execute(f"{copy} (FORMAT parquet, USE_TMP_FILE false)", dict(parameters)).fetchone()
        finally:
            os.close(self._writing)
            reader.join()
            os.close(self._reading)
        return (row[0] if row else 0), b"".join(parts)

    def _read(self, parts: list[bytes]) -> None:
        while part := os.read(self._reading, 1 << 20):
            parts.append(part)


def _typed(connection: duckdb.DuckDBPyConnection, select: str, parameters: Mapping[str, object]) -> str:
    """The SELECT with types that a file can have; DuckDB itself gives numbers to columns of the same name."""
    source = f"FROM (\n{without_end(select)}\n)"  # a comment may be its last line
    columns = connection.execute(f"{source} LIMIT 0", dict(parameters)).description or []
    wide = [_quoted(column[0]) for column in columns if str(column[1]) in _WIDE]
    replaced = f" REPLACE ({', '.join(f'{name}::DECIMAL(38, 0) AS {name}' for name in wide)})" if wide else ""
    return f"SELECT *{replaced} {source}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
