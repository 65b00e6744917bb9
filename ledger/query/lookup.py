"""Finding what a person named: accounts by glob, a script that may exist in several accounts, an id by any unique prefix."""

import difflib
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct

from ledger.errors import NotFoundError, UsageError
from ledger.query.ids import FoundId, ids_from
from ledger.query.opened import OpenLedger
from ledger.query.rows import END_OF_TIME, rows, state_rows

__all__ = ["Accounts", "EntryId", "FoundId", "find_accounts", "find_id", "find_script", "is_wanted", "parse_entry_id"]

Accounts = str | Sequence[str] | None
"""Accounts as a person names them: one, several, globs among them (`acme-*`); None or an empty list: all."""

MAX_CANDIDATES: Final = 10
MAX_NAMES: Final = 5

_ENTRY = re.compile(r"([0-9]{1,4})/([0-9]{1,16})")
_GLOB = re.compile(r"[*?\[]")
_PREFIX = re.compile(r"[0-9a-f]{1,32}")

_ACCOUNTS = "SELECT DISTINCT account FROM _log WHERE account IS NOT NULL ORDER BY account"

_HOMES = "SELECT DISTINCT account FROM _near WHERE script = $script ORDER BY account"

_NAMES = "SELECT DISTINCT account, script FROM _near ORDER BY ALL"


class EntryId(Struct, frozen=True):
    """Which entry: written `shard/index`."""

    shard: int
    index: int


def find_accounts(ledger: OpenLedger, account: Accounts) -> list[str] | None:
    """The accounts that are meant, globs (`*`, `?`, `[a-c]`) resolved to what the log has; None for all.

    Nothing is said where a name or glob fits no account: then there is nothing to list.
    """
    given = _given(account)
    if not given:
        return None
    plain = {name for name in given if not _GLOB.search(name)}
    if len(plain) == len(given):
        return sorted(plain)
    return sorted(plain | {row["account"] for row in rows(ledger, _ACCOUNTS) if _chosen(row["account"], given)})


def is_wanted(account: str | None, wanted: Accounts) -> bool:
    """Whether an account is among those that are meant; an entry without one is where all are."""
    given = _given(wanted)
    return not given or (account is not None and _chosen(account, given))


def find_script(ledger: OpenLedger, script: str, account: Accounts) -> str:
    """The account of a script.

    Raises:
        NotFoundError: `script_not_found`, with the names that are close.
        UsageError: `ambiguous_script`, with the accounts that have one.
    """
    given = _given(account)
    homes = [
        row["account"]
        for row in state_rows(ledger, END_OF_TIME, _HOMES, script=script)
        if _chosen(row["account"], given)
    ]
    if not homes:
        where = f" in the account{'s' if len(given) > 1 else ''} {_some(given)}" if given else ""
        raise NotFoundError(
            "script_not_found", f"there is no script {script}{where}", _close_names(ledger, script, given)
        )
    if len(homes) > 1:
        raise UsageError(
            "ambiguous_script",
            f"{len(homes)} accounts have a script {script}: {_some(homes)}",
            f"say which with --account, as in --account {homes[0]}",
        )
    return str(homes[0])


def parse_entry_id(text: str) -> EntryId | None:
    """The entry that `shard/index` names, or None where the text has another form."""
    match = _ENTRY.fullmatch(text)
    return EntryId(int(match[1]), int(match[2])) if match else None


def find_id(ledger: OpenLedger, text: str) -> FoundId:
    """The version or deployment whose id begins so; upper case and missing dashes don't matter.

    Raises:
        UsageError: `bad_id`; `ambiguous_id`, with the candidates.
        NotFoundError: `id_not_found`.
    """
    digits = text.lower().replace("-", "")
    if not _PREFIX.fullmatch(digits):
        raise UsageError(
            "bad_id",
            f"not an id: {text!r}",
            "give the first digits of a version's or deployment's id, or an entry as SHARD/INDEX",
        )
    found = ids_from(ledger, digits, MAX_CANDIDATES + 1)
    if not found:
        raise NotFoundError(
            "id_not_found",
            f"no version or deployment has an id that begins with {text}",
            "`ledger deployments SCRIPT` and `ledger versions SCRIPT` list ids",
        )
    if len(found) > 1:
        candidates = _some(
            [f"{item.id} ({item.kind} {item.number} of {item.script})" for item in found], MAX_CANDIDATES
        )
        raise UsageError("ambiguous_id", f"several ids begin with {text}: {candidates}", "give more digits")
    return found[0]


def _given(account: Accounts) -> list[str]:
    return [account] if isinstance(account, str) else list(account or ())


def _chosen(account: str, given: Sequence[str]) -> bool:
    return not given or any(fnmatchcase(account, glob) for glob in given)


def _close_names(ledger: OpenLedger, script: str, given: Sequence[str]) -> str:
    known = state_rows(ledger, END_OF_TIME, _NAMES)
    here = sorted({row["script"] for row in known if _chosen(row["account"], given)})
    if close := difflib.get_close_matches(script, here, MAX_NAMES):
        return f"close: {', '.join(close)}"
    if elsewhere := sorted({row["account"] for row in known if row["script"] == script}):
        return f"it exists in: {_some(elsewhere)}"
    if given and not here:
        return "the account has no script; `ledger scripts` lists what there is"
    return "`ledger scripts` lists what there is"


def _some(names: list[str], limit: int = MAX_NAMES) -> str:
    more = f", ... ({len(names) - limit} more)" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
