"""The log for other programs: tiles."""

from pathlib import Path
from typing import Annotated, Final

import typer

from cli.opening import opened
from cli.options import Format, Json, Ledger, Output, chosen_format, examples
from cli.output import Column, emit
from cli.progress import counting

__all__ = ["register"]

TILES: Final = [
    Column("directory", lambda row: row.directory),
    Column("log", lambda row: row.log),
    Column("before", lambda row: str(row.before)),
    Column("entries", lambda row: str(row.size)),
    Column("files written", lambda row: str(row.files)),
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    shown = examples("ledger tiles ./public", "ledger tiles ./public --shard 3 && python3 -m http.server -d ./public")
    app.command(epilog=shown)(tiles)


def tiles(
    directory: Annotated[str, typer.Argument(metavar="TILES", help="Directory to write: one below it for each shard.")],
    ledger: Ledger,
    shard: Annotated[
        int | None, typer.Option("--shard", min=0, metavar="N", help="Only this shard; default: all.")
    ] = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Write or extend static tiles for other verifiers.

    The form is C2SP tlog-tiles; any web server can serve it. Run it again as the log grows: only what is new is written.
    """
    from ledger.log.tiles import WrittenTiles, write_tiles
    from ledger.query import proofs
    from ledger.storage.local import LocalStore
    from ledger.witness.stored import cosigned_checkpoint

    written = []
    with opened(ledger, None) as found, counting("writing tiles") as progress:
        wanted = range(found.about.shards) if shard is None else [proofs.only_shard(found, shard)]
        for number in wanted:
            tree = proofs.tree_of(found, number)
            place, key = Path(directory) / f"{number:04d}", found.about.verifier(number)
            note = cosigned_checkpoint(found.store, number, tree.size)
            written.append(write_tiles(LocalStore(found.root), number, tree, key, place, progress, note))
    emit(written, TILES, chosen_format(output, as_json), WrittenTiles)
