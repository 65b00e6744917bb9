"""Views are made one by one, as questions name them."""

from importlib import resources

import duckdb

from ledger.query.definitions import Made, definitions
from ledger.query.views import connect


def _there(connection: duckdb.DuckDBPyConnection) -> set[str]:
    views = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    macros = connection.execute("SELECT function_name FROM duckdb_functions() WHERE NOT internal").fetchall()
    return {name for (name,) in views + macros}


def test_every_statement_of_the_script_is_one_definition() -> None:
    """DuckDB's own parser finds as many."""
    script = resources.files("ledger.query").joinpath("views.sql").read_text("utf-8")
    assert len(definitions()) == len(duckdb.extract_statements(script))


def test_all_are_made() -> None:
    """Each after those that it is made of."""
    connection = connect([])
    Made(connection).make_all()
    assert set(definitions()) <= _there(connection)


def test_a_question_gets_what_it_names_and_what_that_is_made_of() -> None:
    """Whether it names it as a relation, as a macro or as the argument of one; and nothing else."""
    for sql, wanted, spared in (
        (
            "SELECT * FROM deployments",
            {"deployments", "_steps", "_rows", "_resolved"},
            {"versions", "scripts"},
        ),
        ("SELECT * FROM scripts_at($at)", {"scripts_at", "_states"}, {"scripts", "entries"}),
        ("SELECT * FROM _states('_near', $at)", {"_states", "_near"}, {"deployments"}),
        ("SELECT 1 AS deployments", set(), set(definitions())),
    ):
        connection = connect([])
        made = Made(connection)
        made.make_for(sql)
        assert wanted <= _there(connection)
        assert not spared & _there(connection)
        if wanted:
            connection.execute(sql.replace("$at", "now()")).fetchall()
