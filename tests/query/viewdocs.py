"""The page about the views, made from what DuckDB is told of them: `python -m tests.query.viewdocs > docs/VIEWS.md`."""

import sys
import tempfile
from itertools import groupby
from pathlib import Path

from ledger.query.opened import open_ledger
from ledger.query.sql import describe_views
from tests.query.build import write_ledger

INTRODUCTION = """\
# The views

What `ledger sql` asks, as `ledger sql --views` lists it. One row per thing; times are `TIMESTAMP WITH TIME ZONE`, shown in UTC.
`index`, `from` and `to` are words of SQL: write `"index"`, `"from"`, `"to"`. Columns may be added, never changed or removed.

`scripts_at(TIME)` is `scripts` as of an effective time: `FROM scripts_at('2022-11-28 09:00Z')`.
"""


def page() -> str:
    """The page as Markdown."""
    with tempfile.TemporaryDirectory() as directory, open_ledger(str(write_ledger(Path(directory), [[]]))) as ledger:
        columns = describe_views(ledger)
    parts = [INTRODUCTION]
    for view, rows in groupby(columns, key=lambda row: row.view):
        listed = list(rows)
        parts.append(f"\n## {view}\n\n{listed[0].view_comment}\n\n| column | type | meaning |\n| --- | --- | --- |\n")
        parts += [f"| `{row.column}` | {_type(row.type)} | {row.meaning} |\n" for row in listed]
    return "".join(parts)


def _type(name: str) -> str:
    """Structs are told in words (their meaning names the members)."""
    return (
        "STRUCT[]"
        if name.startswith("STRUCT") and name.endswith("[]")
        else name.split("(", maxsplit=1)[0]
        if "STRUCT" in name
        else name
    )


if __name__ == "__main__":
    sys.stdout.write(page())
