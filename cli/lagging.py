"""`ledger lag`: how far the ledger is behind its topic."""

import typer

from cli.configuring import configuration
from cli.options import Bootstrap, Format, Json, Ledger, Output, Set, chosen_format, examples
from cli.output import Column, emit

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog=examples("ledger lag", "ledger lag --ledger ./audit --bootstrap kafka:9092 --json"))(lag)


def lag(
    context: typer.Context,
    ledger: Ledger,
    bootstrap: Bootstrap,
    output: Output = Format.table,
    as_json: Json = False,
    pairs: Set = None,
) -> None:
    """How far the ledger is behind its topic.

    Asks the broker and the log; no worker need run. States: ok; gap: records expired before they were read; replaced: the topic
    was made anew and is not accepted; ahead: the broker lost records that the ledger holds.
    """
    from ledger.broker.lag import PartitionLag, measure_lag
    from ledger.query.opened import read_about

    store, about = read_about(ledger)
    lags = measure_lag(store, about, configuration(context, pairs).cluster(bootstrap))
    columns = [
        Column("partition", lambda row: str(row.partition)),
        Column("state", lambda row: row.state),
        Column("log start", lambda row: str(row.log_start)),
        Column("log end", lambda row: str(row.log_end)),
        Column("next", lambda row: _shown(row.next_offset)),
        Column("behind", lambda row: _shown(row.behind)),
        Column("seconds", lambda row: _shown(row.behind_s)),
        Column("entries", lambda row: str(row.size)),
        Column("last entry", lambda row: row.recorded_at),
        Column("newest record", lambda row: row.newest_at),
    ]
    emit(lags, columns, chosen_format(output, as_json), PartitionLag)


def _shown(number: float | None) -> str:
    return "?" if number is None else f"{number:.10g}"
