"""The state at a time straight from the indexes, for who keeps a ledger open and asks again and again: as a relation, or of one script."""

from datetime import datetime
from typing import Final

import duckdb

from ledger.query.opened import OpenLedger
from ledger.query.rows import Row, state_rows
from ledger.query.views import store_errors

__all__ = ["fleet_table", "script_at"]

# Of what decides a state each row says until when it did within its index; of several indexes the last row counts. Where a reader does
# not see all (`cut`), what ended it may be out of sight.
_ACTIVE: Final = """
SELECT account, script, deployment.id AS deployment, deployment.number AS number, deployment.versions AS versions,
    effective_at AS since, data.interface AS interface, data.actor.pseudonym AS actor
FROM (
    SELECT * FROM _resolved('_near_rows')
    WHERE lost_to IS NULL AND (deployment IS NOT NULL OR outcome = 'deleted') AND effective_at <= $at
        AND ($cut OR until IS NULL OR until > $at) AND {condition}
    QUALIFY row_number() OVER (PARTITION BY account, script ORDER BY "index" DESC) = 1
)
WHERE deployment IS NOT NULL
ORDER BY account, script
"""
_FLEET: Final = _ACTIVE.format(condition="true")
_SCRIPT: Final = _ACTIVE.format(condition="account = $account AND script = $script")


def fleet_table(ledger: OpenLedger, at: datetime) -> duckdb.DuckDBPyConnection:
    """What every script served as of an effective time, by account and name.

    The columns: `account`, `script`, `deployment`, `number`, `versions` (id to percentage), `since`, `interface`, `actor`.

    Returns:
        The database with the answer: take it as Arrow, a frame or rows before anything else is asked.

    Raises:
        IntegrityError: `segment_unreadable`.
        StoreError: `store_unreadable`, `out_of_memory`.
    """

    def ask() -> duckdb.DuckDBPyConnection:
        with store_errors():
            ledger.look_at(at)
            return ledger.database_for(_FLEET).execute(_FLEET, {"at": at, "cut": _is_cut(ledger)})

    return ledger.again_if_compacted(ask)


def script_at(ledger: OpenLedger, account: str, script: str, at: datetime) -> Row | None:
    """The same of one script; None where nothing of it was active. Raises as `fleet_table`."""
    found = state_rows(ledger, at, _SCRIPT, at=at, cut=_is_cut(ledger), account=account, script=script)
    return found[0] if found else None


def _is_cut(ledger: OpenLedger) -> bool:
    return ledger.known_at is not None or ledger.sizes is not None
