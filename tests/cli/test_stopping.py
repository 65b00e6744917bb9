"""Signals that end a command, wherever it is."""

import os
import signal

import pytest

from cli.processes import Stopped, stopped_by_signals


def _query() -> None:
    """As DuckDB does in the middle of a query: what a handler raises becomes an error of its own."""
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except Stopped as error:
        raise RuntimeError("Query interrupted") from error


def test_a_signal_in_the_middle_of_a_query_stops_as_anywhere_else() -> None:
    """Whatever became of what the handler has raised."""
    with pytest.raises(Stopped), stopped_by_signals():
        _query()


def test_an_error_without_a_signal_stays_what_it_is() -> None:
    """Nothing was to be stopped."""
    with pytest.raises(RuntimeError, match="other"), stopped_by_signals():
        raise RuntimeError("other")
