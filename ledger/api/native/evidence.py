"""Evidence as files that others check: checkpoints, tiles and bundles (C2SP), receipts, exact entries, account proofs.

A checkpoint is for every token: whoever has a receipt needs it, and it says a size and a root, no more. Tiles and bundles are of all
accounts of a shard, so they need a token for all accounts. A receipt and an entry are of one account.
"""

# ruff: noqa: FBT002 (the parameters of a request are its handler's arguments)

import re
from collections.abc import Callable
from typing import Annotated, Any, Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, QueryParameter

from ledger.api.access import require
from ledger.api.native.asked import Asked
from ledger.api.native.operations import Index, Shard
from ledger.api.problems import RefusalError
from ledger.api.tokens import Scope
from ledger.errors import NotFoundError
from ledger.log.tiles import read_bundle
from ledger.proof.tiles import WIDTH, Tile, parse_tile_path
from ledger.query import accountproofs, proofs
from ledger.query.lookup import EntryId, parse_entry_id
from ledger.query.opened import OpenLedger
from ledger.query.plain import timestamp
from ledger.query.showing import entry_line
from ledger.storage.local import LocalStore
from ledger.witness.stored import cosigned_checkpoint

__all__ = ["HANDLERS"]

TEXT: Final = "text/plain"
BYTES: Final = "application/octet-stream"
_FOREVER: Final = "private, max-age=31536000, immutable"
_SHARD: Final = re.compile(r"[0-9]{1,4}")

Newest = Annotated[
    bool,
    Parameter(
        description="Prove it in the newest checkpoint, although an older one that reaches it is cosigned by witnesses."
    ),
]


def _file(path: str, summary: str, media_type: str) -> Callable[[Callable[..., Any]], HTTPRouteHandler]:
    return get(
        path,
        guards=[require(Scope.read)],
        summary=summary,
        media_type=media_type,
        tags=["evidence"],
    )


@_file("/log/{shard:str}/checkpoint", "A signed checkpoint", TEXT)
async def checkpoint(
    shard: Shard,
    asker: Asked,
    size: Annotated[
        int | None, Parameter(ge=1, le=1 << 53, description="When the shard had so many entries; default: now.")
    ] = None,
    cosigned: Annotated[bool, Parameter(description="The newest that witnesses have cosigned.")] = False,
) -> Response[str]:
    """A C2SP signed note, with the cosignatures that it has. There is one for each size at which a segment ended."""
    number = _shard(asker, shard)

    def ask(ledger: OpenLedger) -> bytes:
        if not cosigned:
            return proofs.checkpoint_at(ledger, number, size)
        note = cosigned_checkpoint(ledger.store, number, size)
        if note is None:
            raise NotFoundError("no_checkpoint", "no witness has cosigned it", "ask without cosigned=true")
        return note

    note = await asker.pool.ask(asker.sight, ask)
    return _sent(note, TEXT, "private, no-cache")  # of any size: it may be cosigned later


@_file("/log/{shard:str}/tile/{rest:path}", "A tile or an entry bundle", BYTES)
async def tile(shard: Shard, rest: str, asker: Asked) -> Response[bytes]:
    """C2SP tlog-tiles: `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`. For tokens for all accounts."""
    if not asker.caller.sees_all:
        hint = "its tiles hold the entries of all of them"
        raise RefusalError(403, "all_accounts", "this needs a token for all accounts", hint)
    number = _shard(asker, shard)
    parsed = parse_tile_path(f"tile/{rest.lstrip('/')}")
    size = asker.sight.sizes[number]
    if parsed is None or _reach(parsed[0]) > size:
        raise NotFoundError("no_such_tile", "the log has no such tile", "a checkpoint's size says which there are")
    wanted, is_bundle = parsed

    def ask(ledger: OpenLedger) -> bytes:
        with asker.pool.trees.of(ledger, number, _reach(wanted)) as tree:
            if is_bundle:
                return read_bundle(LocalStore(ledger.root), number, tree, wanted)
            return tree.tile(*wanted)

    return _sent(await asker.pool.ask(asker.sight, ask), BYTES, _FOREVER)


@_file("/entries/{shard:str}/{index:str}", "An entry's exact bytes", "application/json")
async def entry(shard: Shard, index: Index, asker: Asked) -> Response[bytes]:
    """The bytes whose leaf hash the log commits to; no line feed follows them."""
    place = _place(shard, index)
    line = await asker.pool.ask(asker.sight, lambda ledger: entry_line(ledger, place))
    return _sent(line, "application/json", _FOREVER)


@_file("/receipts/{id:str}", "A receipt for the entry that made a version or deployment", TEXT)
async def receipt(
    id: Annotated[str, Parameter(description="The beginning of the id.")], asker: Asked, newest: Newest = False
) -> Response[bytes]:
    """A C2SP tlog-proof: with it, the entry's exact bytes (`/v1/entries`) and the ledger's public key the entry is proved offline."""
    return await _receipt(asker, lambda ledger: proofs.locate(ledger, id), newest=newest)


@_file("/receipts/{shard:str}/{index:str}", "A receipt for an entry", TEXT)
async def receipt_of_entry(shard: Shard, index: Index, asker: Asked, newest: Newest = False) -> Response[bytes]:
    """Likewise, by its place in the log."""
    place = _place(shard, index)
    return await _receipt(asker, lambda _: place, newest=newest)


@_file("/accounts/{account:str}/proof", "An account proof", TEXT)
async def account_proof(
    account: Annotated[str, Parameter(description="Whose entries.")],
    asker: Asked,
    start: Annotated[str | None, QueryParameter(name="from", description="Recorded then or later.")] = None,
    end: Annotated[str | None, QueryParameter(name="to", description="Recorded before that.")] = None,
    unchanged: Annotated[str | None, Parameter(description="And that nothing changed this script.")] = None,
    with_rest: Annotated[
        bool,
        Parameter(
            description="Show what follows in the log, OTHER ACCOUNTS' entries too. For tokens for all accounts."
        ),
    ] = False,
) -> Response[bytes]:
    """All entries of an account in a range of recorded time, none left out. `ledger check` checks it."""
    if with_rest and not asker.caller.sees_all:
        raise RefusalError(403, "all_accounts", "with_rest needs a token for all accounts")
    bounds = [None if text is None else timestamp(asker.moment(text)) for text in (start, end)]

    def ask(ledger: OpenLedger) -> bytes:
        shard = accountproofs.account_home(ledger, account)
        # A tree of its own: this may take long, and the others are waited for.
        made = accountproofs.make_account_proof(
            ledger,
            proofs.tree_of(ledger, shard, ledger.go_on),
            account,
            shard,
            accountproofs.Range(start=bounds[0], end=bounds[1]),
            unchanged=unchanged,
            with_rest=with_rest,
            progress=ledger.go_on,
        )
        return bytes(made.proof)

    proof = await asker.pool.ask(asker.sight, ask)
    return _sent(proof, TEXT, "private, no-cache", f"{account}.account-proof")


async def _receipt(asker: Asked, find: Callable[[OpenLedger], EntryId], *, newest: bool) -> Response[bytes]:
    def ask(ledger: OpenLedger) -> tuple[bytes, EntryId]:
        place = find(ledger)
        entry_line(ledger, place)  # is there, and may be seen
        note = None if newest else proofs.cosigned_reaching(ledger, place)
        with asker.pool.trees.of(ledger, place.shard) as tree:
            return bytes(proofs.make_receipt(ledger, place, tree, note).receipt), place

    proof, place = await asker.pool.ask(asker.sight, ask)
    name = f"{asker.context.about.name}-{place.shard:04d}-{place.index}.tlog-proof"
    return _sent(proof, TEXT, "private, no-cache", name)


def _sent(content: bytes, media_type: str, kept: str, name: str | None = None) -> Response[Any]:
    headers = {"cache-control": kept, "vary": "authorization"}
    if name is not None:
        headers["content-disposition"] = f'attachment; filename="{name}"'
    return Response(content, media_type=media_type, headers=headers)


def _shard(asker: Asked, text: str) -> int:
    if not _SHARD.fullmatch(text) or int(text) >= len(asker.sight.sizes):
        raise NotFoundError(
            "shard_not_found", "the ledger has no such shard", f"its shards are 0 to {len(asker.sight.sizes) - 1}"
        )
    return int(text)


def _place(shard: str, index: str) -> EntryId:
    found = parse_entry_id(f"{shard}/{index}")
    if found is None:
        raise NotFoundError("entry_not_found", "this is the place of no entry", "give a shard's number and an index")
    return found


def _reach(tile: Tile) -> int:
    """How many entries a tree must have to imply a tile."""
    return (tile.number * WIDTH + tile.width) << (8 * tile.level)


HANDLERS = [checkpoint, tile, entry, receipt, receipt_of_entry, account_proof]
