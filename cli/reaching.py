"""Who is reached, and how: reach."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.describing import describe_shares, percent, print_pairs
from cli.messages import say
from cli.opening import opened
from cli.options import Account, At, Format, Json, Keys, KnownAt, Ledger, Output, chosen_format, examples, moment
from cli.output import Column, clock, emit, emit_one, short
from cli.tables import print_table
from ledger.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.query.lookup import Accounts
    from ledger.query.opened import OpenLedger
    from ledger.query.reaching import Candidate, Reached
    from ledger.query.serving import Serving

__all__ = ["register"]

EXAMPLES: Final = (
    "ledger reach https://shop.example/checkout?step=2 --at 2022-11-28T09:15:02Z",
    "ledger reach shop.example    the host's / and its other routes",
    "ledger reach --script checkout --account acme",
    "ledger reach --graph mermaid --account acme > calls.mmd",
    "ledger reach --script checkout --graph dot | dot -Tsvg > calls.svg",
)


class Graph(StrEnum):
    """What a drawing is written in."""

    dot = "dot"
    mermaid = "mermaid"


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog=examples(*EXAMPLES))(reach)


def reach(
    ledger: Ledger,
    url: Annotated[
        str | None, typer.Argument(metavar="URL", help="An address, or a host alone (its / and its other routes).")
    ] = None,
    script: Annotated[str | None, typer.Option("--script", "-s", metavar="SCRIPT", help="Every way into it.")] = None,
    graph: Annotated[
        Graph | None, typer.Option("--graph", help="Draw who uses whom: all, or what leads to --script and on from it.")
    ] = None,
    account: Account = None,
    at: At = None,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Who answered an address, or every way into a script.

    Routes come before custom domains, the most specific pattern first; then workers.dev. docs/ROUTING.md has the rules.
    """
    if (url is None) == (script is None and graph is None):
        raise UsageError(
            "no_address", "give an address, or --script, or --graph", "ledger reach https://shop.example/checkout"
        )
    chosen, when = chosen_format(output, as_json), moment(at)
    with opened(ledger, keys, known_at) as found:
        if graph is not None:
            _draw(found, graph, script, account, when)
        elif url is not None:
            _answer(found, url, account, when, chosen)
        else:
            _enter(found, str(script), account, when, chosen)


def _answer(found: "OpenLedger", url: str, account: "Accounts", when: "datetime | None", output: Format) -> None:
    from ledger.query.reaching import reach as ask

    answer = ask(found, url, account=account, at=when)
    emit_one(answer, lambda: _show(answer), output)


def _enter(found: "OpenLedger", script: str, account: "Accounts", when: "datetime | None", output: Format) -> None:
    from ledger.query.entrances import Entrance, entrances

    emit(entrances(found, script, account=account, at=when), _ENTRANCES, output, Entrance)


def _draw(found: "OpenLedger", graph: Graph, script: str | None, account: "Accounts", when: "datetime | None") -> None:
    from ledger.query.callgraph import FORMS, uses_of

    print(FORMS[graph.value](uses_of(found, script, account=account, at=when)))


def _show(answer: "Reached") -> None:
    print_pairs([("address", answer.url), ("as of", clock(answer.at) or "now")])
    winners = [candidate for candidate in answer.candidates if candidate.wins]
    for candidate in winners:
        print()
        print_pairs(
            [
                ("answered by", f"{candidate.script} ({candidate.account})"),
                ("through", f"{candidate.by} {candidate.name}: {candidate.why}"),
                ("since", f"{clock(candidate.since)}{_by(candidate)}, entry {candidate.entry}"),
                ("running", _running(candidate.serving)),
            ]
        )
    if not winners:
        print("\nanswered by no script that the ledger knows")
    for title, found in (("asked in this order", answer.candidates), ("also of this host", answer.elsewhere)):
        if len(found) > len(winners) or (found and found is answer.elsewhere):
            print(f"\n{title}")
            print_table(
                [column.title for column in _CANDIDATES],
                [[column.cell(candidate) or "" for column in _CANDIDATES] for candidate in found],
            )
    for note in answer.notes:
        say(f"note: {note}")


def _by(candidate: "Candidate") -> str:
    who = "" if candidate.author is None else f" by {short(candidate.author)}"
    return f"{who} with {candidate.interface}" if candidate.interface else who


def _running(serving: "Serving | None") -> str:
    if serving is None:
        return "nothing that the ledger knows"
    if serving.state == "preview":
        return f"{describe_shares(serving.versions)} ({short(serving.versions[0].version)}), previewed"
    if serving.deployment is None:
        return f"nothing: the script was {serving.state}"
    made = f"deployment {serving.number} ({short(serving.deployment)}): {describe_shares(serving.versions)}"
    return f"{made}, since {clock(serving.since)}" + (f" by {short(serving.author)}" if serving.author else "")


_CANDIDATES: Final = [
    Column("", lambda row: "*" if row.wins else ""),
    Column("account", lambda row: row.account),
    Column("script", lambda row: row.script),
    Column("by", lambda row: row.by),
    Column("name", lambda row: row.name),
    Column("since", lambda row: clock(row.since)),
    Column("author", lambda row: short(row.author)),
    Column("why", lambda row: row.why),
]

_ENTRANCES: Final = [
    Column("by", lambda row: row.by),
    Column("name", lambda row: row.name),
    Column("from", lambda row: row.caller),
    Column("traffic", lambda row: "" if row.percentage is None else percent(row.percentage)),
    Column("since", lambda row: clock(row.since)),
    Column("author", lambda row: short(row.author)),
    Column("source", lambda row: row.interface),
    Column("entry", lambda row: row.entry),
    Column("", lambda row: "" if row.problem is None else f"leads nowhere: {row.problem}"),
]
