"""`secret test`: which versions and deployments held a value. The ledger has an HMAC of it under the account's key, never the value."""

import hmac
from datetime import datetime
from typing import Final

from ledger.errors import NotFoundError, UsageError
from ledger.query.forensics import HeldRow
from ledger.query.lookup import Accounts, find_script
from ledger.query.opened import OpenLedger
from ledger.query.rows import END_OF_TIME, Row, rows
from ledger.storage.keyfiles import read_account_key
from ledger.storage.macs import Mac

__all__ = ["held"]

_SECRETS: Final = """
SELECT version, number, mac FROM secrets
WHERE account = $account AND script = $script AND name = $name
    AND version IN (SELECT version FROM versions WHERE account = $account AND script = $script AND effective_at <= $at)
ORDER BY number
"""

# A deployment that serves a version to nobody does not make it live.
_ACTIVE: Final = """
SELECT deployment.id AS deployment, deployment.number AS deployment_number, pair.key AS version, pair.value AS percentage,
    effective_at AS live_from, CASE WHEN until <= $at THEN until END AS live_to, concat(shard, '/', "index") AS entry
FROM (
    SELECT *, unnest(map_entries(deployment.versions)) AS pair FROM _steps
    WHERE account = $account AND script = $script AND deployment IS NOT NULL AND effective_at <= $at
)
WHERE pair.value > 0
ORDER BY "index"
"""

_NEVER: Final[Row] = dict.fromkeys(("deployment", "deployment_number", "percentage", "live_from", "live_to", "entry"))


def held(
    ledger: OpenLedger, script: str, name: str, value: bytes, *, account: Accounts = None, at: datetime | None = None
) -> list[HeldRow]:
    """The versions of a script that held a value as the secret `name`, and when they were live, in the order of versions and time.

    Versions whose secret is recorded without a MAC are listed as unknown: nobody can say.

    Args:
        ledger: the ledger asked, with its keys.
        script: its name.
        name: the secret's.
        value: the bytes to test; nothing of them is kept, shown or logged. With a line feed at its end, as `echo` adds one, the
            bytes before it are tested too.
        account: where several accounts have such a script.
        at: as of this effective time.

    Raises:
        UsageError: `needs_keys`, `no_value`, `ambiguous_script`.
        NotFoundError: `script_not_found`, `secret_not_found`; `account_key_missing`.
    """
    if not value.rstrip(b"\r\n"):
        raise UsageError("no_value", "there is no value to test", "type it at the prompt, or pipe it in")
    home = find_script(ledger, script, account)
    mac = _account_mac(ledger, home)
    moment = at or END_OF_TIME
    recorded = rows(ledger, _SECRETS, account=home, script=script, name=name, at=moment)
    if not recorded:
        raise NotFoundError(
            "secret_not_found",
            f"no version of {script} has a secret {name}",
            f"`ledger blame {script} 'secrets/*'` lists those that it has",
        )
    wanted = [mac(candidate) for candidate in _candidates(value)]
    live: dict[str, list[Row]] = {}
    for row in rows(ledger, _ACTIVE, account=home, script=script, at=moment):
        live.setdefault(row.pop("version"), []).append(row)
    return [
        HeldRow(
            account=home,
            script=script,
            name=name,
            match=match,
            version=row["version"],
            number=row["number"],
            **interval,
        )
        for row in recorded
        if (match := _match(row["mac"], wanted)) is not None
        for interval in live.get(row["version"], [_NEVER])
    ]


def _account_mac(ledger: OpenLedger, account: str) -> Mac:
    if ledger.key_store is None:
        raise UsageError(
            "needs_keys",
            "a secret can be tested only with the key store",
            "give it with --keys, or run this where it is",
        )
    key = read_account_key(ledger.key_store, account)
    if key is None:
        raise NotFoundError(
            "account_key_missing",
            f"the key store has no key of the account {account}",
            "give the key store that the producer of this account's events uses",
        )
    return Mac(key)


def _candidates(value: bytes) -> list[bytes]:
    return sorted({value, value.removesuffix(b"\n"), value.removesuffix(b"\n").removesuffix(b"\r")})


def _match(mac: str | None, wanted: list[str]) -> str | None:
    """`same`, `unknown`, or None; every candidate is compared, in constant time."""
    if mac is None:
        return "unknown"
    found = [hmac.compare_digest(mac.encode(), one.encode()) for one in wanted]
    return "same" if any(found) else None
