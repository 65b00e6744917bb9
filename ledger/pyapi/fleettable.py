"""The fleet at a time as a table of Arrow, which DuckDB makes without an object for each script."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from ledger.pyapi.frames import library
from ledger.query.lookup import Accounts, find_accounts
from ledger.query.opened import OpenLedger
from ledger.query.views import store_errors

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["fleet_table"]

_FLEET: Final = """
SELECT
    account, script, state, deployment, number, versions, since, author, interface, message, tag,
    routes, domains, crons, queues, subdomain
FROM _states('_near', $at)
WHERE ($accounts IS NULL OR list_contains($accounts, account)) AND ($all OR state <> 'deleted')
ORDER BY account, script
"""


def fleet_table(ledger: OpenLedger, at: datetime, *, account: Accounts = None, deleted: bool = False) -> "pa.Table":
    """Every script as it was at an effective time, by account and name; with `deleted`, those gone by then too.

    Raises:
        UsageError: `dataframes_missing`.
        IntegrityError, StoreError: as `ledger.query.rows.rows`.
    """
    library("pyarrow")
    given = {"at": at, "accounts": find_accounts(ledger, account), "all": deleted}

    def ask() -> "pa.Table":
        with store_errors():
            ledger.look_at(at)
            return ledger.database_for(_FLEET).sql(_FLEET, params=given).to_arrow_table()

    return _named(ledger, ledger.again_if_compacted(ask))


def _named(ledger: OpenLedger, table: "pa.Table") -> "pa.Table":
    """The same with people's names: each person is looked up once."""
    pa = library("pyarrow")
    place = table.schema.get_field_index("author")
    authors = table.column(place).combine_chunks().dictionary_encode()
    names = pa.array([ledger.author(value) for value in authors.dictionary.to_pylist()], type=pa.string())
    return table.set_column(place, "author", names.take(authors.indices))
