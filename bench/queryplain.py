"""What a user would build instead: a table of the changes in DuckDB, asked with window functions, and in SQLite, asked by indexes.

Both are filled from the ledger's own views, so that they hold the same, and both have the modules of each version as a table more. A process
of its own asks one question and prints JSON, as a command of the ledger does; or asks it again and again and prints how long it took.
"""

import argparse
import json
import sqlite3
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Final

import duckdb

from bench.plainsql import DUCKDB, INDEXES, SQLITE
from ledger.query.opened import open_ledger

__all__ = ["ENGINES", "build"]

ENGINES: Final = ("duckdb", "sqlite")
_BATCH: Final = 20_000
_WARM_RUNS: Final = 15

_CHANGES: Final = """
SELECT
    shard, "index" AS place, account, subject AS script, epoch_us(effective_at) AS at_us, outcome, data.actor.pseudonym AS actor,
    coalesce(data.interface, 'unknown') AS interface, data.message AS message, map_keys(deployment.versions)[1] AS version,
    deployment.id AS deployment, deployment.number AS number, coalesce(deployment.rollback, false)::TINYINT AS rollback, version_sha256 AS sha256
FROM _log
WHERE outcome IN ('deployed', 'uploaded', 'changed', 'deleted')
ORDER BY shard, place
"""
_MODULES: Final = "SELECT version, sha256, name FROM modules"


def build(ledger: Path, place: Path) -> dict[str, Path]:
    """Make both from a ledger, where they are not there yet; returns the files by engine."""
    place.mkdir(exist_ok=True)
    files = {engine: place / f"plain.{engine}" for engine in ENGINES}
    for engine, path in files.items():
        if not path.exists():
            unfinished = path.with_suffix(".unfinished")
            unfinished.unlink(missing_ok=True)
            with open_ledger(str(ledger)) as opened:
                _MAKERS[engine](opened.connection, unfinished)
            unfinished.rename(path)
    return files


def _make_duckdb(source: duckdb.DuckDBPyConnection, path: Path) -> None:
    source.execute(f"ATTACH '{path}' AS plain")
    source.execute(f"CREATE TABLE plain.changes AS {_CHANGES}")
    source.execute(f"CREATE TABLE plain.modules AS {_MODULES}")
    source.execute("DETACH plain")


def _make_sqlite(source: duckdb.DuckDBPyConnection, path: Path) -> None:
    with sqlite3.connect(path) as target:
        for table, sql in (("changes", _CHANGES), ("modules", _MODULES)):
            cursor = source.execute(sql)
            names = [column[0] for column in cursor.description or ()]
            target.execute(f"CREATE TABLE {table} ({', '.join(names)})")
            while some := cursor.fetchmany(_BATCH):
                target.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})", some)  # noqa: S608
        for index in INDEXES:
            target.execute(index)
        target.execute("ANALYZE")
    target.close()


_MAKERS: Final = {"duckdb": _make_duckdb, "sqlite": _make_sqlite}


def _ask(
    engine: str, path: Path, question: str, parameters: dict[str, Any], runs: int
) -> tuple[list[Any], list[float]]:
    """The answer, and how long each of so many runs took once the database was open."""
    connection: Any
    if engine == "duckdb":
        sql = DUCKDB[question]
        connection = duckdb.connect(str(path), read_only=True, config={"threads": 2})
    else:
        sql = SQLITE[question]
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    given = {name: value for name, value in parameters.items() if f"${name}" in sql}
    times = []
    found: list[Any] = []
    for _ in range(runs):
        started = time.perf_counter()
        found = connection.execute(sql, given).fetchall()
        times.append(time.perf_counter() - started)
    connection.close()
    return found, times


def main() -> None:
    """`python -m bench.queryplain ENGINE FILE QUESTION PARAMETERS [--warm]`: print the rows, or the median time in seconds."""
    parser = argparse.ArgumentParser(prog="python -m bench.queryplain")
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("file", type=Path)
    parser.add_argument("question")
    parser.add_argument("parameters", type=json.loads)
    parser.add_argument("--warm", action="store_true")
    options = parser.parse_args()
    runs = _WARM_RUNS if options.warm else 1
    rows, times = _ask(options.engine, options.file, options.question, options.parameters, runs)
    json.dump(statistics.median(times) if options.warm else rows, sys.stdout)


if __name__ == "__main__":
    main()
