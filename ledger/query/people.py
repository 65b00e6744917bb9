"""Finding a person: by the id or e-mail address that their key unseals, or by their pseudonym."""

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from ledger.errors import IntegrityError, NotFoundError
from ledger.log.quarantine import decode_quarantined, quarantined_entries
from ledger.model.events import Actor
from ledger.query.answers import Answer
from ledger.query.opened import OpenLedger
from ledger.query.rows import rows
from ledger.storage import layout
from ledger.storage.keyfiles import ACCOUNTS, person_name, read_account_key, read_key
from ledger.storage.store import Store

__all__ = ["PersonRow", "find_people", "mentions", "names_any", "unsealed"]

_SEALS: Final = """
SELECT account, data.actor.pseudonym AS pseudonym, data.actor.sealed AS sealed,
    count(*) AS entries, min(recorded_at) AS first_at, max(recorded_at) AS last_at
FROM _log WHERE data.actor.sealed IS NOT NULL AND ($account IS NULL OR account = $account)
GROUP BY ALL ORDER BY account, pseudonym, sealed
"""


class PersonRow(Answer, frozen=True, kw_only=True):
    """A person in an account, as their key names them."""

    account: str
    pseudonym: str
    id: str
    type: str
    emails: list[str]
    on_behalf_of: list[str]
    """Whom a token acted for."""
    entries: int
    """How many name them."""
    first_at: datetime | None
    last_at: datetime | None


class _Seal(Struct, frozen=True, kw_only=True):
    """One form in which somebody was sealed."""

    actor: Actor
    entries: int
    first_at: datetime
    last_at: datetime


def find_people(ledger: OpenLedger, keys: Store, text: str, account: str | None) -> list[PersonRow]:
    """Everybody whom an id, e-mail address or pseudonym names, and the tokens that acted on their behalf.

    Args:
        ledger: opened with its keys.
        keys: the key store, for people whose key no entry used.
        text: the id, the address (in any case), or the pseudonym.
        account: only in this one.

    Raises:
        IntegrityError, StoreError: the log or the keys cannot be read.
    """
    known = list(_people(ledger, account))
    found = [
        row for row in known if text in {row.id, row.pseudonym} or text.casefold() in map(str.casefold, row.emails)
    ]
    named = {(row.account, row.id) for row in found} | {(row.account, text) for row in known}
    found += [row for row in known if row not in found and any((row.account, of) in named for of in row.on_behalf_of)]
    seen = {(row.account, row.id) for row in found}
    found += [row for row in _unused(keys, text, account) if (row.account, row.id) not in seen]
    return sorted(found, key=lambda row: (row.account, row.id))


def names_any(text: str, needles: Iterable[str]) -> str | None:
    """The first of these ids and e-mail addresses that a text names, or None: an id as a whole word, an address in any case."""
    return next((needle for needle in needles if _pattern(needle).search(text)), None)


def mentions(store: Store, needles: Iterable[str]) -> list[str]:
    """The raw records in quarantine that name somebody, as `shard/index`: an id as a whole word, an address in any case.

    Args:
        store: the ledger's objects.
        needles: ids and e-mail addresses.
    """
    wanted = [_pattern(needle) for needle in dict.fromkeys(needles)]
    found = []
    for shard, index in quarantined_entries(store):
        try:
            raw = store.get(layout.quarantine(shard, index))
        except NotFoundError:  # dropped since it was listed
            continue
        if any(pattern.search(text) for text in _texts(raw) for pattern in wanted):
            found.append(f"{shard}/{index}")
    return found


def _people(ledger: OpenLedger, account: str | None) -> Iterator[PersonRow]:
    """All whose keys exist and who stand in an entry."""
    seals: dict[tuple[str, str], list[_Seal]] = {}
    for row in rows(ledger, _SEALS, account=account):
        actor = unsealed(ledger, row["account"], row["pseudonym"], row["sealed"])
        if actor is not None:
            seal = _Seal(actor=actor, entries=row["entries"], first_at=row["first_at"], last_at=row["last_at"])
            seals.setdefault((row["account"], row["pseudonym"]), []).append(seal)
    for (home, pseudonym), forms in seals.items():
        yield PersonRow(
            account=home,
            pseudonym=pseudonym,
            id=forms[0].actor.id,
            type=forms[0].actor.type,
            emails=_distinct(form.actor.email for form in forms),
            on_behalf_of=_distinct(form.actor.on_behalf_of for form in forms),
            entries=sum(form.entries for form in forms),
            first_at=min(form.first_at for form in forms),
            last_at=max(form.last_at for form in forms),
        )


def unsealed(ledger: OpenLedger, account: str, pseudonym: str, sealed: str) -> Actor | None:
    """Who a pseudonym is, as their key says; None where the key is not at hand, or does not open the seal.

    Raises:
        IntegrityError: a key cannot be read.
    """
    try:
        identity = ledger.people.identity(account, pseudonym, sealed) if ledger.people else None
        return None if identity is None else msgspec.json.decode(identity, type=Actor)
    except IntegrityError as error:
        if error.code == "bad_seal":
            return None  # `ledger verify` is who complains about it
        raise
    except msgspec.MsgspecError:
        return None


def _unused(keys: Store, text: str, account: str | None) -> Iterator[PersonRow]:
    """Whoever has a key under this id that no entry used, as a crash leaves."""
    for name in list(keys.list(ACCOUNTS)):
        file = read_key(keys, name)
        if file is None or account not in {None, file.account}:
            continue
        account_key = read_account_key(keys, file.account)
        person = None if account_key is None else read_key(keys, person_name(file.account, account_key, text))
        if person is not None:
            yield PersonRow(
                account=file.account,
                pseudonym=person.pseudonym,
                id=text,
                type="",
                emails=[],
                on_behalf_of=[],
                entries=0,
                first_at=None,
                last_at=None,
            )


def _distinct(values: Iterable[object]) -> list[str]:
    return sorted({value for value in values if isinstance(value, str)})


def _pattern(needle: str) -> re.Pattern[str]:
    # An id may be as short as "7": it counts where it stands alone.
    flags = re.IGNORECASE if "@" in needle else 0
    return re.compile(rf"(?<![\w]){re.escape(needle)}(?![\w])", flags)


def _texts(raw: bytes) -> Sequence[str]:
    """A quarantined record as text: its key, headers and value, the value's escapes resolved too."""
    try:
        record = decode_quarantined(raw, 0, 0)
    except IntegrityError:
        return (raw.decode(errors="replace"),)
    parts = [record.key, *(content for _, content in record.headers), record.value]
    texts = [part.decode(errors="replace") for part in parts if part]
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        texts.append(msgspec.json.encode(msgspec.json.decode(record.value or b"")).decode())
    return texts
