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

## Asking

- Rows have an order where `ORDER BY` gives one. Without it those of segments come in the order of the log, and those of packs in any.
- `$name` in a statement is a parameter, and `-p name=value` its value, as text: `$since::TIMESTAMPTZ` makes a time of it. Each is needed
  once; one that is missing or not used is an error. A value is never read as SQL.
- `--output FILE` writes the answer instead of printing it, whole or not at all, in the format that the ending says: `.parquet`, `.csv`,
  `.json`, `.jsonl`. A file that exists is left as it is without `--force`. Parquet has the types of the columns; sums of integers
  (HUGEINT), for which it has none, become DECIMAL(38, 0).
- On stderr stand the checkpoints that the answer rests on: of each shard the first one that has every entry that was seen, with
  its root; for more than eight shards their sizes in one line. `ledger checkpoint --shard N --at SIZE` prints one as it was signed. Who keeps
  answer and checkpoint can show later that the log still extends what was asked. The signature is not checked for an answer: `ledger verify` does that.
- `--bind FILE` writes query, parameters, a digest of the rows and these checkpoints as a signed statement; `ledger check FILE --ledger DIR` asks
  again ([PROOFS.md](PROOFS.md#an-answer-in-sql)).

## A prompt

`ledger shell` answers statements one after another, each ended by `;`. Tab completes views, the columns of the views that a statement names,
keywords and functions; Ctrl-C stops a statement, Ctrl-D ends. It sees what was there when it began, until `.refresh`.

| command | |
| --- | --- |
| `.help` | the commands |
| `.views`, `.schema VIEW` | the views; a view's columns and what they mean |
| `.mode MODE` | how answers are printed: `table`, `json`, `jsonl`, `csv` |
| `.timing on`, `.timing off` | whether it is said how long each took |
| `.param NAME=VALUE` | the value of `$NAME` in later statements, as text; `.param` lists them, `.param NAME` forgets one |
| `.as-known-at TIME` | see only what the ledger had received by then; `.as-known-at now` sees all again |
| `.refresh` | see what has been recorded since |
| `.quit` | end |

From a pipe or file (`ledger shell < questions.sql`) they are answered until one fails, which decides the exit code. History is kept in
`~/.local/state/deployment-ledger/shell-history`, readable by its owner only, with the values that stood in statements; `--no-history` reads and keeps none.
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
