"""tokens: who may ask over HTTP, and what they asked."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.configuring import Commands
from cli.messages import say, warn
from cli.options import Format, Json, Ledger, Output, chosen_format, examples
from cli.output import Column, clock, emit, short
from cli.tables import printable
from ledger.errors import EXIT_VERIFICATION

if TYPE_CHECKING:
    from ledger.api.tokens import Scope
    from ledger.storage.store import Store

__all__ = ["register"]

_TOKENS: Final = [
    Column("id", lambda row: row.id),
    Column("name", lambda row: row.name),
    Column("state", lambda row: row.state),
    Column("accounts", lambda row: ", ".join(row.accounts)),
    Column("scopes", lambda row: ", ".join(row.scopes)),
    Column("created", lambda row: clock(row.created_at)),
    Column("expires", lambda row: clock(row.expires_at)),
    Column("revoked", lambda row: clock(row.revoked_at)),
    Column("for", lambda row: row.email or row.on_behalf_of),
]
_USES: Final = [
    Column("time", lambda row: clock(row.at)),
    Column("token", lambda row: row.name or row.token),
    Column("what", lambda row: f"{row.method} {row.route}".strip()),
    Column("account", lambda row: row.account),
    Column("status", lambda row: str(row.status or "")),
    Column("was shown the names of", lambda row: ", ".join(map(short, row.pseudonyms))),
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = Commands(no_args_is_help=True, help="Make, list, revoke API tokens; show their uses.")
    group.command(
        epilog=examples(
            "ledger tokens create --name ci --account acme --scope read --scope write",
            "ledger tokens create --name auditor --account '*' --scope read --scope audit --expires 30d",
        )
    )(create)
    group.command("list", epilog=examples("ledger tokens list --ledger ./audit"))(list_)
    group.command(epilog=examples("ledger tokens revoke ci"))(revoke)
    group.command(epilog=examples("ledger tokens uses ci --limit 20", "ledger tokens uses --json"))(uses)
    shown = examples("ledger tokens create --name ci --account acme --scope write", "ledger tokens revoke ci")
    app.add_typer(group, name="tokens", epilog=shown)


def create(
    ledger: Ledger,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What it is called in lists and in the trail.")],
    accounts: Annotated[
        list[str],
        typer.Option(
            "--account", "-a", metavar="ACCOUNT", help="For this account; a glob ('*': all); may be given again."
        ),
    ],
    scopes: Annotated[
        list[str],
        typer.Option(
            "--scope", metavar="SCOPE", help="read, write, audit or admin; may be given again, or with commas."
        ),
    ],
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="WHEN", help="When it ends: 30d, 12h, 2027-01-01; default: never."),
    ] = None,
    email: Annotated[
        str,
        typer.Option("--email", metavar="ADDRESS", help="Of whoever it is for; stands, sealed, beside what it does."),
    ] = "",
    on_behalf_of: Annotated[
        str, typer.Option("--on-behalf-of", metavar="USER", help="The id of the user for whom it acts.")
    ] = "",
    rate: Annotated[
        float | None, typer.Option("--rate", metavar="N", help="Requests a second; default: the server's token_rate.")
    ] = None,
) -> None:
    """Make a token and print it, alone on the last line.

    It is shown this once: the ledger keeps its hash. Scopes: read (ask), write (send changes), audit (see who people are), admin (all three).
    """
    from ledger.api.tokens import Wish, create_token

    store = _store(ledger)
    now = datetime.now(UTC)
    wish = Wish(
        name=name,
        accounts=tuple(accounts),
        scopes=_scopes(scopes),
        expires_at=None if expires is None else _end(expires, now),
        email=email,
        on_behalf_of=on_behalf_of,
        rate=rate,
    )
    token, text = create_token(store, wish, now)
    until = f"until {clock(token.expires_at)}" if token.expires_at else "until it is revoked"
    what = f"{', '.join(token.scopes)} in {', '.join(token.accounts)}"
    say(f"made the token {token.name} ({token.id}): {what}, {until}; it is shown this once:")
    print(text)


def list_(ledger: Ledger, output: Output = Format.table, as_json: Json = False) -> None:
    """The tokens of a ledger, the newest first.

    Exit code 3 where the object of one is damaged: then it is no token.
    """
    from ledger.api.tokens import TokenRow, read_tokens, rows_of

    stored = read_tokens(_store(ledger))
    emit(rows_of(stored, datetime.now(UTC)), _TOKENS, chosen_format(output, as_json), TokenRow)
    for name in stored.damaged:
        warn(f"{name} is damaged and no token; remove it")
    if stored.damaged:
        raise typer.Exit(EXIT_VERIFICATION)


def revoke(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="Its name, or the first digits of its id.")],
    ledger: Ledger,
) -> None:
    """Revoke a token, for good.

    Servers that run take it no more within a second (`token_check_s`).
    """
    from ledger.api.tokens import revoke_token

    row = revoke_token(_store(ledger), token, datetime.now(UTC))
    say(f"revoked the token {printable(row.name)} ({row.id})")


def uses(
    ledger: Ledger,
    token: Annotated[
        str | None, typer.Argument(metavar="[TOKEN]", help="Its name or the first digits of its id; default: all.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="So many at most.")] = 100,
    audit_dir: Annotated[
        str | None,
        typer.Option("--audit-dir", metavar="DIR", help="Where the audit trail is; default: DIR/audit."),
    ] = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """What tokens were used for, the newest first, and whose names they were shown.

    Reads the audit trail and checks its chain: exit code 3 where a line was changed, removed or torn.
    """
    from collections import deque

    from ledger.api.tokens import find_token
    from ledger.api.trail import trail_directory
    from ledger.api.traillines import Line, read_lines
    from ledger.errors import NotFoundError

    store = _store(ledger)
    wanted = None if token is None else find_token(store, token, datetime.now(UTC)).id
    directory = trail_directory(ledger, audit_dir)
    if not directory.is_dir():
        raise NotFoundError("no_audit_trail", f"there is no audit trail at {directory}", "give --audit-dir DIR")
    found: deque[Line] = deque(maxlen=limit)
    problems = 0
    for read in read_lines(directory):
        if read.problem is not None:
            problems += 1
            warn(f"{read.file}: {read.problem}")
        if read.line is not None and wanted in {None, read.line.token}:
            found.appendleft(read.line)
    emit(list(found), _USES, chosen_format(output, as_json), Line)
    if problems:
        raise typer.Exit(EXIT_VERIFICATION)


def _store(ledger: str) -> "Store":
    """The store of a ledger that is there, for tokens."""
    from ledger.api.tokens import token_store
    from ledger.query.opened import read_about

    read_about(ledger)
    return token_store(ledger)


def _scopes(given: list[str]) -> "tuple[Scope, ...]":
    from ledger.api.tokens import Scope
    from ledger.errors import UsageError

    names = [name.strip() for text in given for name in text.split(",") if name.strip()]
    bad = next((name for name in names if name not in set(Scope)), None)
    if bad is not None:
        raise UsageError("no_scope", f"{bad!r} is no scope", f"give {', '.join(Scope)}")
    return tuple(Scope(name) for name in names)


def _end(text: str, now: datetime) -> datetime:
    """When something ends: a length of time from now on, or a time."""
    from ledger.query.moments import is_duration, parse_duration, parse_moment

    return now + parse_duration(text) if is_duration(text) else parse_moment(text, now)
