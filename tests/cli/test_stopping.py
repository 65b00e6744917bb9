"""Signals that end a command, wherever it is."""

import os
import signal
import threading

import duckdb
import pytest

from cli.processes import Stopped, stopped_by_signals

LONG = "SELECT sum(a.range * b.range) FROM range(10_000_000) a, range(1_000_000) b"


def test_a_signal_in_the_middle_of_a_query_stops_as_anywhere_else() -> None:
    """DuckDB ends the query with an error of its own, whatever the handler has raised."""
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    with pytest.raises(Stopped), stopped_by_signals(), duckdb.connect() as connection:
        connection.execute(LONG).fetchall()


def test_an_error_without_a_signal_stays_what_it_is() -> None:
    """Nothing was to be stopped."""
    with pytest.raises(RuntimeError, match="other"), stopped_by_signals():
        raise RuntimeError("other")
