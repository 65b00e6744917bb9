"""`ledger note`: what operators do, written into the log."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import getpass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cli import describing
from cli.configuring import Commands, configuration
from cli.messages import say
from cli.opening import opened
from cli.options import Account, Bootstrap, Format, Json, Keys, Ledger, Output, Set, chosen_format, examples
from cli.output import emit
from ledger.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from ledger.operators.noting import WrittenNote
    from ledger.query.opened import OpenLedger

__all__ = ["By", "Wait", "check_text", "now", "operator", "register", "say_written"]

By = Annotated[
    str | None,
    typer.Option("--by", metavar="WHO", help="Who does it: an id or e-mail address; default: the user of this system."),
]
Wait = Annotated[
    float,
    typer.Option("--wait", min=0.1, max=3600, metavar="SECONDS", help="How long a worker may take to make it durable."),
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = Commands(no_args_is_help=True, help="Write and list operators' notes in the log.")
    group.command(
        epilog=examples(
            "ledger note add --subject checkout --action hold --detail 'case 2023-17' --by ana@acme.example",
            'ledger note add --account _operators --subject topic --action moved --detail \'{"to":"kafka-2:9092"}\'',
        )
    )(add)
    group.command("list", epilog=examples("ledger note list", "ledger note list --subject checkout --json"))(list_)
    shown = examples("ledger note add --subject checkout --action hold --detail 'case 2023-17'", "ledger note list")
    app.add_typer(group, name="note", epilog=shown)


def add(
    context: typer.Context,
    subject: Annotated[
        str, typer.Option("--subject", metavar="NAME", help="What it is about: a script, or any name of that form.")
    ],
    action: Annotated[str, typer.Option("--action", metavar="WORD", help="What was done: hold, release, moved, ...")],
    ledger: Ledger,
    bootstrap: Bootstrap,
    detail: Annotated[
        str | None, typer.Option("--detail", metavar="TEXT", help="What to say about it: text, or a JSON object.")
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(
            "--account", "-a", metavar="ACCOUNT", help="Whose chain it joins; default: the account of the script NAME."
        ),
    ] = None,
    by: By = None,
    id: Annotated[
        str | None,
        typer.Option(
            "--id", metavar="ID", help="Its event id; default: derived from what it says, so that a retry is one note."
        ),
    ] = None,
    wait: Wait = 30.0,
    keys: Keys = None,
    pairs: Set = None,
) -> None:
    """Write a note, and wait until it is durable.

    It is an entry of its own, sealed into the account's chain, and changes no script. What you write stays for ever: no secrets, no
    names of people. Prints the entry.
    """
    from ledger.model.noting import Note, note_id
    from ledger.operators.delivery import Delivery
    from ledger.operators.noting import check_account, write_note

    check_text(subject, action, detail, account, id)
    said = _detail(detail)
    who = operator(by)
    cluster = configuration(context, pairs).cluster(bootstrap)
    with opened(ledger, keys) as found:
        home = account if account is not None else _home(found, subject)
        check_account(found, home)
        identifier = id if id is not None else note_id(home, subject, action, said)
        note = Note(account=home, subject=subject, action=action, detail=said, by=who, time=now(), id=identifier)
        written = write_note(found, Delivery(found.store, found.about, cluster, wait), note)
    say_written(written)
    print(written.entry)


def list_(
    ledger: Ledger,
    subject: Annotated[str | None, typer.Option("--subject", metavar="NAME", help="Only about this.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many; default all.")
    ] = None,
    account: Account = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """The notes in the log, newest first."""
    from ledger.query import questions
    from ledger.query.answers import NoteRow

    with opened(ledger, keys) as found:
        answers = questions.notes(found, account=account, subject=subject, limit=limit)
    emit(answers, describing.NOTES, chosen_format(output, as_json), NoteRow)


def operator(by: str | None) -> str:
    """Who does it: as `--by` says, else the user of this system.

    Raises:
        UsageError: `nobody`, where neither is known.
    """
    if by is not None:
        check_text(by)
        if not by.strip():
            raise UsageError("nobody", "--by names nobody", "give an id or an e-mail address")
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError) as error:  # a user without a name, as in some containers
        raise UsageError("nobody", "this system's user has no name", "say who does it with --by") from error


def check_text(*texts: str | None) -> None:
    """Refuse bytes of a command line that are no text: nothing in the log is.

    Raises:
        UsageError: `not_text`.
    """
    for text in texts:
        try:
            (text or "").encode()
        except UnicodeEncodeError as error:
            raise UsageError("not_text", f"{text!r} is not text", "use UTF-8") from error


def now() -> str:
    """This moment, as the log writes times."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def say_written(written: "WrittenNote") -> None:
    """What became of a note."""
    from cli.tables import printable

    what = f"{written.action} of {written.subject}"
    if written.is_new:
        say(f"noted: {printable(what)}, entry {written.entry}")
    else:
        say(
            f"{printable(what)} stands in the log already, as entry {written.entry}; a second note needs another --detail or --id"
        )


def _home(found: "OpenLedger", subject: str) -> str:
    """The account of the script that a note is about."""
    from ledger.query.lookup import find_script

    try:
        return find_script(found, subject, None)
    except NotFoundError as error:
        hint = f"{error.hint}; a note about anything else names its --account (_operators for the ledger itself)"
        raise NotFoundError(error.code, error.message, hint) from error


def _detail(text: str | None) -> Any:
    """A JSON object where the text begins like one, else the text."""
    if text is None or not text.lstrip().startswith("{"):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise UsageError(
            "bad_detail", f"--detail is not JSON: {error}", "quote it for the shell, or give plain text"
        ) from error
