"""`ledger erase`: forgetting a person."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.configuring import configuration
from cli.messages import say, warn
from cli.noting import By, Wait, check_text, now, operator
from cli.opening import opened
from cli.options import Bootstrap, Format, Json, Keys, Ledger, Output, Set, chosen_format, examples, keys_location
from cli.output import Column, clock, emit
from cli.tables import printable
from ledger.errors import EXIT_INTERRUPTED, NotFoundError, UsageError

if TYPE_CHECKING:
    from ledger.query.opened import OpenLedger
    from ledger.query.people import PersonRow

__all__ = ["register"]

_PEOPLE: Final = [
    Column("account", lambda row: row.account),
    Column("pseudonym", lambda row: row.pseudonym),
    Column("id", lambda row: row.id),
    Column("e-mail", lambda row: ", ".join(row.emails)),
    Column("on behalf of", lambda row: ", ".join(row.on_behalf_of)),
    Column("entries", lambda row: str(row.entries)),
    Column("first", lambda row: clock(row.first_at)),
    Column("last", lambda row: clock(row.last_at)),
]
_ERASED: Final = [
    Column("account", lambda row: row.account),
    Column("pseudonym", lambda row: row.pseudonym),
    Column("entries", lambda row: str(row.entries)),
    Column("note", lambda row: row.note),
]


def register(app: typer.Typer) -> None:
    """Add this command."""
    shown = examples(
        "ledger erase ana@acme.example --dry-run",
        "ledger erase u_17 --account acme --reason 'request 2023-41' --by dpo@acme.example --yes",
    )
    app.command(epilog=shown)(erase)


def erase(
    context: typer.Context,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="An actor's id or e-mail address, or a pseudonym.")],
    ledger: Ledger,
    bootstrap: Bootstrap,
    account: Annotated[
        str | None, typer.Option("--account", "-a", metavar="ACCOUNT", help="Only in this account.")
    ] = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="In all accounts that know them.")] = False,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="TEXT", help="Why; it stays in the log for ever and must not name them."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say whom it would erase, and erase nobody.")] = False,
    by: By = None,
    wait: Wait = 30.0,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
    pairs: Set = None,
) -> None:
    """Erase a person: delete their key, for ever.

    Their pseudonym and what they did stay, and every hash and proof holds; who they are can be read no more. A note in the log says so
    first. Tokens that acted on their behalf are erased too. Says which raw records in quarantine still name them.
    """
    from ledger.operators.delivery import Delivery
    from ledger.operators.erasing import ErasedRow, check_silent, needles
    from ledger.operators.erasing import erase as erase_all
    from ledger.query.people import PersonRow, find_people, mentions
    from ledger.storage.keys import KeyStore
    from ledger.storage.opening import open_store

    chosen = chosen_format(output, as_json)
    check_text(person, account, reason)
    who = operator(by)
    location = keys_location(ledger, keys)
    with opened(ledger, location) as found:
        key_objects = open_store(location, file_mode=0o600, dir_mode=0o700)
        key_store = KeyStore.open(key_objects, found.about.name)
        people = find_people(found, key_objects, person, account)
        if not people:
            _say_absent(found, person)
            return
        names = needles(people, person)
        check_silent(reason, names)
        homes = sorted({row.account for row in people})
        if len(homes) > 1 and not everywhere:
            raise UsageError(
                "ambiguous_person",
                f"{len(homes)} accounts know {person}: {', '.join(homes[:5])}",
                "say in which with --account, or --everywhere",
            )
        if dry_run:
            emit(people, _PEOPLE, chosen, PersonRow)
        else:
            if not yes:
                _ask(people)
            delivery = Delivery(found.store, found.about, configuration(context, pairs).cluster(bootstrap), wait)
            rows = list(erase_all(found, key_store, people, delivery, reason=reason, by=who, time=now()))
            emit(rows, _ERASED, chosen, ErasedRow)
            say("forgotten; workers that run notice it within a minute (--people-check), copies of the keys do not")
        _warn_of_quarantine(mentions(found.store, names))


def _say_absent(found: "OpenLedger", person: str) -> None:
    """Say that somebody was erased before.

    Raises:
        NotFoundError: `person_not_found`, where nobody was.
    """
    from ledger.operators.erasing import ERASE
    from ledger.query import questions

    notes = [row for row in questions.notes(found, subject=person) if row.action == ERASE]
    if not notes:
        raise NotFoundError(
            "person_not_found",
            f"no key names {person}",
            "give an actor's id, e-mail address or pseudonym; who was erased can be found by pseudonym only",
        )
    say(f"{person} was erased before: entry {notes[0].entry}")


def _ask(people: "list[PersonRow]") -> None:
    from cli.output import emit_rows

    if not sys.stdin.isatty():
        raise UsageError(
            "not_confirmed", "this cannot be undone, and nobody can be asked", "look with --dry-run, then add --yes"
        )
    rows = [[column.cell(row) or "" for column in _PEOPLE] for row in people]
    emit_rows([column.title for column in _PEOPLE], rows, Format.table)
    if not typer.confirm("Erase them? This cannot be undone.", err=True):
        say("nobody was erased")
        raise typer.Exit(EXIT_INTERRUPTED)


def _warn_of_quarantine(entries: "list[str]") -> None:
    if entries:
        some = " ".join(entries[:10]) + (" ..." if len(entries) > 10 else "")
        warn(f"{len(entries)} raw records in quarantine name them: {printable(some)}")
        say(f"hint: ledger quarantine show {entries[0]}; ledger quarantine drop {some} --reason TEXT")
