"""What an index holds of the time before its pack: the rows that still matter, and those of versions that are deployed again.

A row matters as long as a question about the state of its script can need it: its first and last one, the last deployment or deletion,
upload, version and triggers, what gave it each of the routes, domains, crons, queues and subdomain settings that it has, and the
versions that it serves. Their number depends on how many scripts there are, not on how long the log is. What still matters of what
mattered before and of the rows since is what matters of all, so it is made from the last index that holds it and the rows since.
"""

from typing import Final

import duckdb

from ledger.compact.columns import CHANGING, COLUMNS

__all__ = ["carry", "deployed_again"]

_ASPECTS: Final = "('routes', 'domains', 'crons', 'queues', 'subdomain')"
"""Those whose names are asked for one by one."""

_SCRIPTS: Final = f"""
CREATE OR REPLACE TEMP TABLE carried_scripts AS
SELECT account, script, min("index") AS first, max("index") AS last,
    max("index") FILTER (lost_to IS NULL AND (deployment_id IS NOT NULL OR outcome = 'deleted')) AS step,
    max("index") FILTER (lost_to IS NULL AND outcome = 'uploaded') AS uploaded,
    max("index") FILTER (version_number IS NOT NULL) AS version,
    max("index") FILTER (deployment_number IS NOT NULL) AS deployment,
    max("index") FILTER (triggers IS NOT NULL OR triggers_sha256 IS NOT NULL) AS triggers,
    bool_or(changes_sha256 IS NOT NULL) AS moved
FROM known WHERE outcome IN {CHANGING}
GROUP BY account, script
"""  # noqa: S608 - names of ours

_NAMES: Final = f"""
CREATE OR REPLACE TEMP TABLE carried_names AS
WITH named AS (
    SELECT account, script, change[1] AS aspect, change[2] AS name, arg_max(change[3], "index") AS op, max("index") AS last,
        max("index") FILTER (change[3] = 'added' OR change[1] = 'subdomain') AS given
    FROM (
        SELECT account, script, "index", unnest(list_filter(changes, lambda change: change[1] IN {_ASPECTS})) AS change
        FROM known WHERE outcome IN {CHANGING}
    )
    GROUP BY account, script, change[1], change[2]
)
SELECT account, script, "index", list_sort(list([aspect, name, op])) AS changes
FROM (
    SELECT account, script, last AS "index", aspect, name, op FROM named WHERE op <> 'removed'
    UNION ALL
    SELECT account, script, given, aspect, name, 'added' FROM named WHERE op <> 'removed' AND given < last
)
GROUP BY account, script, "index"
"""  # noqa: S608

# Where changes were moved to the blob store nobody here knows their names: of such a script all that changed its triggers is kept as it is.
_KEPT: Final = f"""
CREATE OR REPLACE TEMP TABLE carried_kept AS
SELECT DISTINCT account, script, "index" FROM (
    SELECT account, script, unnest([first, last, step, uploaded, version, deployment, triggers]) AS "index" FROM carried_scripts
    UNION ALL
    SELECT account, script, "index" FROM carried_names
    UNION ALL
    SELECT account, script, "index" FROM known SEMI JOIN (FROM carried_scripts WHERE moved) USING (account, script)
    WHERE outcome IN {CHANGING} AND (changes_sha256 IS NOT NULL OR triggers IS NOT NULL OR triggers_sha256 IS NOT NULL)
    UNION ALL
    SELECT account, script, known."index" FROM known JOIN (
        SELECT account, script, unnest(map_keys(deployment_versions))::UUID AS version_id
        FROM known JOIN (SELECT account, script, step AS "index" FROM carried_scripts) USING (account, script, "index")
        WHERE deployment_versions IS NOT NULL
    ) USING (account, script, version_id)
)
WHERE "index" IS NOT NULL
"""  # noqa: S608

_ROWS: Final = ", ".join(
    {
        "changes": "CASE WHEN moved THEN known.changes ELSE carried_names.changes END AS changes",
        "rare": "NULL::VARCHAR AS rare",
    }.get(name, f'known."{name}"')
    for name in COLUMNS
)
_CARRIED: Final = f"""
CREATE OR REPLACE TEMP TABLE carried AS
SELECT 1::TINYINT AS part, {_ROWS}
FROM known JOIN carried_kept USING (account, script, "index") JOIN carried_scripts USING (account, script)
    LEFT JOIN carried_names USING (account, script, "index")
QUALIFY row_number() OVER (PARTITION BY known.account, known.script, known."index" ORDER BY known.part) = 1
"""  # noqa: S608

_WANTED: Final = """
CREATE OR REPLACE TEMP TABLE wanted AS
SELECT DISTINCT account, script, unnest(map_keys(deployment_versions))::UUID AS version_id
FROM own WHERE deployment_versions IS NOT NULL
"""
_VERSION: Final = ", ".join(
    f'NULL AS "{name}"'
    if name.startswith(("deployment", "rollback", "changes", "triggers")) or name in {"rare", "took_from"}
    else f'"{name}"'
    for name in COLUMNS
)


def carry(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Make the table `carried` from the view `known` (rows before the pack, with `part`).

    Returns:
        How many rows it has, and how many rows of entries `known` has.
    """
    for statement in (_SCRIPTS, _NAMES, _KEPT, _CARRIED):
        connection.execute(statement)
    return _count(connection, "carried"), _count(connection, "known WHERE part = 0")


def deployed_again(connection: duckdb.DuckDBPyConnection, there: str, places: list[str]) -> None:
    """Make the table `again`: the rows of versions that the pack's deployments serve and that stand elsewhere.

    Args:
        connection: with the tables `own` and `again`, which is empty.
        there: a table; versions that it or `own` have are left out.
        places: where to look, one after the other: tables or views with the columns of rows.
    """
    connection.execute(_WANTED)
    for table in ("own", there):
        _found_in(connection, table)
    for place in places:
        if not _count(connection, "wanted"):
            return
        connection.execute(
            f"""
            INSERT INTO again BY NAME
            SELECT 2::TINYINT AS part, {_VERSION} FROM {place} SEMI JOIN wanted USING (account, script, version_id)
            QUALIFY row_number() OVER (PARTITION BY account, script, version_id ORDER BY "index") = 1
            """  # noqa: S608
        )
        _found_in(connection, "again")


def _found_in(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    connection.execute(
        f"DELETE FROM wanted WHERE (account, script, version_id) IN (SELECT (account, script, version_id) FROM {table} WHERE version_id IS NOT NULL)"  # noqa: S608
    )


def _count(connection: duckdb.DuckDBPyConnection, what: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {what}").fetchone()  # noqa: S608
    return int(row[0]) if row else 0
