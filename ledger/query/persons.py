"""`who`: what a person or token changed."""

from datetime import datetime
from typing import Final

from ledger.errors import IntegrityError, NotFoundError, UsageError
from ledger.query.answers import Change
from ledger.query.forensics import DoneRow, DoneSummary
from ledger.query.lookup import Accounts, find_accounts
from ledger.query.opened import OpenLedger
from ledger.query.people import unsealed
from ledger.query.rows import END_OF_TIME, rows

__all__ = ["done_by", "summed_up"]

_ACTORS: Final = """
SELECT DISTINCT account, data.actor.pseudonym AS pseudonym, coalesce(data.actor.sealed, '') AS sealed
FROM _log
WHERE data.actor.pseudonym IS NOT NULL AND account IS NOT NULL
    AND ($accounts IS NULL OR list_contains($accounts, account))
"""

_DONE: Final = """
SELECT account, script, concat(shard, '/', "index") AS entry, effective_at, recorded_at, outcome,
    data.actor.pseudonym AS actor, data.actor.type AS actor_type,
    person(account, data.actor.pseudonym, data.actor.sealed) AS author,
    data.interface AS interface, data.message AS message, data.tag AS tag,
    version.number AS version, deployment.number AS deployment, changes
FROM _touched
WHERE lost_to IS NULL AND outcome <> 'unchanged' AND effective_at <= $at
    AND (account, data.actor.pseudonym, coalesce(data.actor.sealed, '')) IN (SELECT unnest($accounts), unnest($pseudonyms), unnest($seals))
ORDER BY effective_at DESC, shard, "index" DESC
"""

_MIN_DIGITS: Final = 4
_Actor = tuple[str, str, str]
"""Account, pseudonym, sealed identity."""


def done_by(ledger: OpenLedger, person: str, *, account: Accounts = None, at: datetime | None = None) -> list[DoneRow]:
    """All that somebody changed, newest first.

    Args:
        ledger: the ledger asked.
        person: an e-mail address or id, where the key store knows the person; what a token did on their behalf too. Or the
            beginning of a pseudonym, of four digits or more.
        account: only in these accounts.
        at: only up to this effective time.

    Raises:
        NotFoundError: `person_not_found`.
        UsageError: `ambiguous_person`, where several pseudonyms of an account begin so.
    """
    actors = [
        (row["account"], row["pseudonym"], row["sealed"])
        for row in rows(ledger, _ACTORS, accounts=find_accounts(ledger, account))
    ]
    found = [actor for actor in actors if _is(ledger, actor, person)] or _by_pseudonym(actors, person)
    if not found:
        hint = "give an e-mail address, an id, or four digits or more of a pseudonym"
        if ledger.people is None:
            hint = "without the key store people are known by pseudonym only: give --keys, or the beginning of one"
        raise NotFoundError("person_not_found", f"nobody known as {person} has changed anything", hint)
    accounts, pseudonyms, seals = (list(column) for column in zip(*found, strict=True))
    answered = rows(ledger, _DONE, accounts=accounts, pseudonyms=pseudonyms, seals=seals, at=at or END_OF_TIME)
    return [
        DoneRow(
            **(
                row
                | {
                    "author": ledger.author(row["author"]),
                    "changes": [Change(aspect=aspect, name=name, op=op) for aspect, name, op in row["changes"] or ()],
                }
            )
        )
        for row in answered
    ]


def summed_up(done: list[DoneRow]) -> list[DoneSummary]:
    """How much of it, by script and interface, the most first."""
    groups: dict[tuple[str, str, str | None], list[DoneRow]] = {}
    for row in done:
        groups.setdefault((row.account, row.script, row.interface), []).append(row)
    found = [
        DoneSummary(
            account=account,
            script=script,
            interface=interface,
            entries=len(these),
            deployments=sum(row.deployment is not None for row in these),
            first_at=min(row.effective_at for row in these),
            last_at=max(row.effective_at for row in these),
        )
        for (account, script, interface), these in groups.items()
    ]
    return sorted(found, key=lambda row: (-row.entries, row.account, row.script, row.interface or ""))


def _is(ledger: OpenLedger, actor: _Actor, person: str) -> bool:
    """Whether the key store says so. Addresses are compared without regard to case."""
    try:
        found = unsealed(ledger, *actor)
    except IntegrityError:
        return False  # `ledger verify` is who complains about it; by pseudonym they can still be asked for
    if found is None:
        return False
    email = found.email
    return person in {found.id, found.on_behalf_of} or (
        isinstance(email, str) and email.casefold() == person.casefold()
    )


def _by_pseudonym(actors: list[_Actor], prefix: str) -> list[_Actor]:
    digits = prefix.lower()
    if len(digits) < _MIN_DIGITS or set(digits) - set("0123456789abcdef"):
        return []
    found = [actor for actor in actors if actor[1].startswith(digits)]
    known = sorted({(account, pseudonym) for account, pseudonym, _ in found})
    if len(known) > 1:
        some = ", ".join(f"{pseudonym} ({account})" for account, pseudonym in known[:5])
        raise UsageError("ambiguous_person", f"several pseudonyms begin with {prefix}: {some}", "give more digits")
    return found
