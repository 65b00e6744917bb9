"""Evidence to hand out: prove, checkpoint, key."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from cli.files import read_file, write_file
from cli.messages import warn
from cli.opening import opened
from cli.options import Format, Json, Ledger, Output, chosen_format, examples, moment
from cli.output import emit_one, timestamp
from cli.progress import counting
from cli.tables import printable
from ledger.errors import UsageError

if TYPE_CHECKING:
    from ledger.log.tree import ShardTree
    from ledger.query.opened import OpenLedger

__all__ = ["register"]

Shard = Annotated[
    int | None, typer.Option("--shard", min=0, metavar="N", help="Which shard; not needed where there is only one.")
]

EXAMPLES: Final = {
    "prove": (
        "ledger prove 9f86d081",
        "ledger prove 3/41 -o evidence/41    writes evidence/41.tlog-proof and evidence/41.json",
        "ledger prove --consistent monday.checkpoint friday.checkpoint",
        "ledger prove --consistent 1000 2500 --shard 3",
        "ledger prove --account acme --from 2022-11-01 --to 2022-12-01 -o november",
        "ledger prove --unchanged checkout --from 2022-11-28T09:00:00Z --to 2022-11-28T18:00:00Z",
    ),
    "checkpoint": ("ledger checkpoint --shard 3 > monday.checkpoint", "ledger checkpoint --shard 3 --at 1000"),
    "key": ("ledger key > audit.vkey", "ledger key --shard 3"),
}


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What `prove` wrote."""

    proof: str
    """Path of the proof."""
    entry: str | None
    """Path of the entry's bytes, where the proof does not hold them."""
    log: str
    size: int
    """Of the tree whose signed checkpoint the proof ends in."""
    bytes: int
    """Of the proof."""


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (prove, checkpoint, key):
        app.command(epilog=examples(*EXAMPLES[command.__name__]))(command)


def prove(
    ledger: Ledger,
    id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Start of a version's or deployment's id, or an entry as SHARD/INDEX."),
    ] = None,
    consistent: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--consistent",
            metavar="OLD NEW",
            help="That the log grew from one checkpoint to another: files with checkpoints, or sizes.",
        ),
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", "-a", metavar="ACCOUNT", help="All that was recorded of an account.")
    ] = None,
    unchanged: Annotated[
        str | None,
        typer.Option("--unchanged", metavar="SCRIPT", help="The same, and that nothing of it changed a script."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Recorded then or later; default: from the first entry."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Recorded before that; default: to the present.")
    ] = None,
    with_rest: Annotated[
        bool,
        typer.Option(
            "--with-rest",
            help="Show all that the shard has after the account's last entry, OTHER ACCOUNTS' entries too.",
        ),
    ] = False,
    shard: Shard = None,
    out: Annotated[
        str | None, typer.Option("--output", "-o", metavar="F", help="Where to write, without the ending.")
    ] = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Write a proof that others check without the ledger.

    Of an entry: a receipt (F.tlog-proof) and the entry's exact bytes (F.json). Of an account: all its entries in a range of
    recorded time, none left out (F.account-proof). Check them with `ledger check`.
    """
    what = [id is not None, consistent is not None, account is not None or unchanged is not None]
    if sum(what) != 1:
        hint = "`ledger prove --help` has examples"
        raise UsageError("what_to_prove", "say what to prove: an ID, --consistent, --account or --unchanged", hint)
    if not what[2] and (start or end or with_rest):
        raise UsageError("what_to_prove", "--from, --to and --with-rest belong to --account and --unchanged")
    with opened(ledger, None) as found:
        if id is not None:
            written = _prove_entry(found, id, out)
        elif consistent is not None:
            written = _prove_growth(found, consistent, shard, out)
        else:
            written = _prove_account(found, account, unchanged, (start, end), with_rest=with_rest, out=out)
    emit_one(written, lambda: _show(written), chosen_format(output, as_json))


def checkpoint(
    ledger: Ledger,
    shard: Shard = None,
    at: Annotated[
        int | None,
        typer.Option("--at", min=1, metavar="SIZE", help="When the shard had so many entries; default: now."),
    ] = None,
) -> None:
    """Print a signed checkpoint.

    A checkpoint exists for each size at which a segment ended. Keep one elsewhere: what comes later must extend it.
    """
    from ledger.query import proofs

    with opened(ledger, None) as found:
        note = proofs.checkpoint_at(found, proofs.only_shard(found, shard), at)
    print(note.decode(), end="")


def key(ledger: Ledger, shard: Shard = None) -> None:
    """Print the public key to pin.

    Without --shard the ledger's, which checks all its logs; with it the key under that log's own name, as other programs want it.
    """
    from ledger.query.proofs import only_shard

    with opened(ledger, None) as found:
        vkey = found.about.vkey if shard is None else found.about.verifier(only_shard(found, shard)).vkey
    print(vkey)


def _prove_entry(found: "OpenLedger", id: str, out: str | None) -> Written:
    from ledger.query import proofs

    place = proofs.locate(found, id)
    proofs.only_shard(found, place.shard)
    made = proofs.make_receipt(found, place, _tree(found, place.shard), proofs.cosigned_reaching(found, place))
    stem = _stem(out, f"{found.about.name}-{place.shard:04d}-{place.index}", ".tlog-proof")
    entry = f"{stem}.json"
    write_file(Path(entry), made.entry)
    return _write(found, place.shard, f"{stem}.tlog-proof", bytes(made.receipt), made.size, entry)


def _prove_growth(found: "OpenLedger", ends: tuple[str, str], shard: int | None, out: str | None) -> Written:
    from ledger.proof.checkpoints import read_unverified
    from ledger.query import proofs

    old, new = (_note(found, end, shard) for end in ends)
    number = proofs.shard_of(found, old)
    made = proofs.growth_between(found, old, new, _tree(found, number))
    sizes = [read_unverified(note).size for note in (old, new)]
    stem = _stem(out, f"{found.about.name}-{number:04d}-{sizes[0]}-{sizes[1]}", ".growth-proof")
    return _write(found, number, f"{stem}.growth-proof", bytes(made), sizes[1])


def _prove_account(
    found: "OpenLedger",
    account: str | None,
    unchanged: str | None,
    span: tuple[str | None, str | None],
    *,
    with_rest: bool,
    out: str | None,
) -> Written:
    from ledger.query import accountproofs
    from ledger.query.lookup import find_script

    start, end = (None if bound is None else timestamp(bound) for bound in map(moment, span))
    if unchanged is not None:
        account = find_script(found, unchanged, account)
    assert account is not None  # noqa: S101
    shard = accountproofs.account_home(found, account)
    tree = _tree(found, shard)
    with counting("reading the log") as progress:
        made = accountproofs.make_account_proof(
            found,
            tree,
            account,
            shard,
            accountproofs.Range(start=start, end=end),
            unchanged=unchanged,
            with_rest=with_rest,
            progress=progress,
        )
    if made.proved.ending == "not_shown":
        warn(
            f"the end is open: it proves nothing after the account's last entry, recorded at {made.proved.last_recorded}; "
            "--with-rest closes it by showing other accounts' entries, and so does a later entry of the account"
        )
    stem = _stem(out, f"{found.about.name}-{account}", ".account-proof")
    return _write(found, shard, f"{stem}.account-proof", bytes(made.proof), tree.size)


def _note(found: "OpenLedger", end: str, shard: int | None) -> bytes:
    """The checkpoint that a size or a file's name stands for."""
    from ledger.proof.notes import MAX_NOTE_BYTES
    from ledger.query import proofs

    if end.isascii() and end.isdecimal() and len(end) < 20:
        return proofs.checkpoint_at(found, proofs.only_shard(found, shard), int(end))
    return read_file(end, MAX_NOTE_BYTES)


def _tree(found: "OpenLedger", shard: int) -> "ShardTree":
    from ledger.query import proofs

    with counting("reading the log") as progress:
        return proofs.tree_of(found, shard, progress)


def _stem(out: str | None, default: str, ending: str) -> str:
    return default if out is None else out.removesuffix(ending)


def _write(found: "OpenLedger", shard: int, path: str, proof: bytes, size: int, entry: str | None = None) -> Written:
    write_file(Path(path), proof)
    log = found.about.verifier(shard).name
    return Written(proof=path, entry=entry, log=log, size=size, bytes=len(proof))


def _show(written: Written) -> None:
    print(f"{printable(written.proof)}  {written.bytes} bytes, for {written.log} with {written.size} entries")
    if written.entry is not None:
        print(f"{printable(written.entry)}  the entry's exact bytes")
