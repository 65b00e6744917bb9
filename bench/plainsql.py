"""The questions in SQL over one table of changes: for DuckDB with window functions, for SQLite by its indexes.

Each gives the same rows in the same order as the other, and as what `bench.querysame` takes from the ledger's answer.
"""

from typing import Final

__all__ = ["DUCKDB", "INDEXES", "SQLITE"]

INDEXES: Final = (
    "CREATE INDEX steps_by_script ON changes (account, script, at_us, place) WHERE deployment IS NOT NULL OR outcome = 'deleted'",
    "CREATE INDEX by_version ON changes (version)",
    "CREATE INDEX by_actor ON changes (actor)",
    "CREATE INDEX by_module ON modules (sha256)",
    "CREATE INDEX by_account ON changes (account, deployment IS NOT NULL, rollback, script, at_us)",
    "CREATE TABLE scripts AS SELECT DISTINCT account, script FROM changes",
)
"""Of SQLite: one for each question, and the table of scripts that any such application has."""

_DEPLOYMENTS: Final = """
    SELECT deployment, number, at_us, message FROM changes
    WHERE account = $account AND script = $script AND deployment IS NOT NULL ORDER BY place DESC LIMIT 10
"""
_WHO: Final = """
    SELECT account, script, shard, place, at_us, outcome FROM changes WHERE actor = $pseudonym ORDER BY at_us DESC, shard, place DESC
"""
_STATS: Final = """
    SELECT account, count(*) AS deployments, CAST(sum(rollback) AS INTEGER) AS rollbacks, count(DISTINCT script) AS scripts,
        min(at_us) AS first_us, max(at_us) AS last_us
    FROM changes WHERE deployment IS NOT NULL GROUP BY account ORDER BY account
"""

DUCKDB: Final[dict[str, str]] = {
    "at T": """
        SELECT account, script, deployment, number, at_us FROM (
            SELECT *, row_number() OVER (PARTITION BY account, script ORDER BY place DESC) AS newness
            FROM changes WHERE (deployment IS NOT NULL OR outcome = 'deleted') AND at_us <= $at_us
        )
        WHERE newness = 1 AND deployment IS NOT NULL ORDER BY account, script
    """,
    "one script at T": """
        SELECT account, script, deployment, number, at_us FROM (
            SELECT * FROM changes
            WHERE account = $account AND script = $script AND (deployment IS NOT NULL OR outcome = 'deleted') AND at_us <= $at_us
            ORDER BY place DESC LIMIT 1
        )
        WHERE deployment IS NOT NULL
    """,
    "deployments SCRIPT": _DEPLOYMENTS,
    "who, by pseudonym": _WHO,
    "exposure --module": """
        SELECT account, script, at_us, until_us FROM (
            SELECT *, lead(at_us) OVER (PARTITION BY account, script ORDER BY place) AS until_us
            FROM changes WHERE deployment IS NOT NULL OR outcome = 'deleted'
        )
        WHERE version IN (SELECT version FROM modules WHERE sha256 = $module) AND (until_us IS NULL OR until_us > at_us)
        ORDER BY account, script, place
    """,
    "stats": _STATS,
}

SQLITE: Final[dict[str, str]] = {
    "at T": """
        SELECT changes.account, changes.script, deployment, number, at_us
        FROM scripts JOIN changes ON changes.rowid = (
            SELECT rowid FROM changes AS step
            WHERE step.account = scripts.account AND step.script = scripts.script AND at_us <= $at_us
                AND (deployment IS NOT NULL OR outcome = 'deleted')
            ORDER BY at_us DESC, place DESC LIMIT 1
        )
        WHERE deployment IS NOT NULL ORDER BY changes.account, changes.script
    """,
    "one script at T": """
        SELECT account, script, deployment, number, at_us FROM (
            SELECT * FROM changes
            WHERE account = $account AND script = $script AND (deployment IS NOT NULL OR outcome = 'deleted') AND at_us <= $at_us
            ORDER BY at_us DESC, place DESC LIMIT 1
        )
        WHERE deployment IS NOT NULL
    """,
    "deployments SCRIPT": """
        SELECT deployment, number, at_us, message FROM changes
        WHERE account = $account AND script = $script AND (deployment IS NOT NULL OR outcome = 'deleted')
            AND deployment IS NOT NULL
        ORDER BY at_us DESC, place DESC LIMIT 10
    """,
    "who, by pseudonym": _WHO,
    "exposure --module": """
        SELECT account, script, at_us, until_us FROM (
            SELECT *, (
                SELECT at_us FROM changes AS step
                WHERE step.account = held.account AND step.script = held.script AND (deployment IS NOT NULL OR outcome = 'deleted')
                    AND (step.at_us, step.place) > (held.at_us, held.place)
                ORDER BY at_us, place LIMIT 1
            ) AS until_us
            FROM changes AS held
            WHERE version IN (SELECT version FROM modules WHERE sha256 = $module) AND deployment IS NOT NULL
        )
        WHERE until_us IS NULL OR until_us > at_us ORDER BY account, script, place
    """,
    "stats": _STATS,
}
