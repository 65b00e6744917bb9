"""Files served as evidence are what the command line writes, and what checks them accepts: ours, and Go's libraries."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from cli.main import main
from ledger.api.tokens import Scope
from ledger.log.ledgerfile import read_ledger_file
from ledger.proof.cosignatures import WitnessSigner
from ledger.proof.notes import add_signatures, parse_note
from ledger.proof.tiles import WIDTH, new_bundles, new_tiles
from ledger.storage import layout
from ledger.storage.local import LocalStore
from tests.api.native.rig import write_more
from tests.api.rig import Server, answering, make_token, write_ledger
from tests.interop.conftest import goverify, verdict
from tests.worker.rig import wait_until

__all__ = ["goverify"]

SIZE = 530


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with two full tiles and a part of one."""
    return write_ledger(tmp_path_factory.mktemp("evidence") / "ledger", SIZE)


@pytest.fixture(scope="module")
def served(root: Path) -> Iterator[tuple[Server, str]]:
    """A server of it, and a token that may read all."""
    token = make_token(root, "reader", Scope.read)
    with answering(root) as (server, _):
        yield server, token


def fetch(served: tuple[Server, str], path: str) -> bytes:
    """A file."""
    answer = served[0].ask(path, token=served[1])
    assert answer.status == 200, answer.body
    return answer.body


def mirror(served: tuple[Server, str], directory: Path, size: int) -> None:
    """Fetch all that a tree of a size implies, as a client of C2SP's tlog-tiles does."""
    paths = ["checkpoint", *(tile.path for tile in new_tiles(0, size)), *(tile.bundle for tile in new_bundles(0, size))]
    for path in paths:
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(fetch(served, f"/v1/log/0/{path}"))


def test_the_tiles_are_those_that_the_command_line_writes(
    served: tuple[Server, str], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every file that the size implies, byte for byte."""
    mirror(served, tmp_path / "served", SIZE)
    assert main(["tiles", str(tmp_path / "written"), "--ledger", str(root)]) == 0
    capsys.readouterr()
    files = {path.relative_to(tmp_path / "served") for path in (tmp_path / "served").rglob("*") if path.is_file()}
    assert len(files) == 8
    for name in files:
        assert (tmp_path / "served" / name).read_bytes() == (tmp_path / "written" / "0000" / name).read_bytes(), name


def test_a_full_tile_never_changes_and_is_cached_so(served: tuple[Server, str]) -> None:
    """Parts of one too, for each is of one width; a checkpoint is asked for again."""
    server, token = served
    for path in ("tile/0/001", "tile/entries/001", "tile/0/002.p/18", "tile/0/002.p/7"):
        answer = server.ask(f"/v1/log/0/{path}", token=token)
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    part, whole = fetch(served, "/v1/log/0/tile/0/002.p/7"), fetch(served, "/v1/log/0000/tile/0/002.p/18")
    assert whole.startswith(part)
    assert (len(part), len(whole)) == (7 * 32, 18 * 32)
    assert server.ask("/v1/log/0/checkpoint", token=token).headers["cache-control"] == "private, no-cache"


def test_others_accept_the_tiles_and_reject_changed_ones(
    served: tuple[Server, str], root: Path, tmp_path: Path, goverify: Path
) -> None:
    """Go's tlog and tessera's fsck, on what a client fetched."""
    mirror(served, tmp_path, SIZE)
    vkey = read_ledger_file(LocalStore(root)).verifier(0).vkey
    assert verdict(goverify, "log", vkey, tmp_path) == "accepted"
    bundle = tmp_path / "tile/entries/000"
    bundle.write_bytes(bundle.read_bytes().replace(b'"acme"', b'"acne"', 1))
    assert verdict(goverify, "log", vkey, tmp_path).startswith("rejected: ")


def test_a_receipt_and_the_entry_are_accepted_together(
    served: tuple[Server, str], root: Path, tmp_path: Path, goverify: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By `ledger check` and by Go; with another entry by neither."""
    proof, entry = tmp_path / "r.tlog-proof", tmp_path / "entry.json"
    file = read_ledger_file(LocalStore(root))
    for index in (0, 255, 256, SIZE - 1):
        proof.write_bytes(fetch(served, f"/v1/receipts/0/{index}"))
        entry.write_bytes(fetch(served, f"/v1/entries/0/{index}"))
        assert main(["check", str(proof), "--vkey", file.vkey, "--entry", str(entry)]) == 0
        assert verdict(goverify, "receipt", file.verifier(0).vkey, proof, entry) == "accepted"
        entry.write_bytes(fetch(served, "/v1/entries/0/1"))
        assert main(["check", str(proof), "--vkey", file.vkey, "--entry", str(entry)]) == 3
    capsys.readouterr()


def test_a_deployment_has_the_receipt_of_its_entry(served: tuple[Server, str]) -> None:
    """By the beginning of its id; the answer names the file."""
    server, token = served
    (row,) = server.ask("/v1/scripts/b/deployments?account=acme&limit=1", token=token).json
    answer = server.ask(f"/v1/receipts/{row['deployment'][:13]}", token=token)
    shard, index = row["entry"].split("/")
    assert answer.body == fetch(served, f"/v1/receipts/{row['entry']}")
    assert answer.headers["content-disposition"] == f'attachment; filename="test-{int(shard):04d}-{index}.tlog-proof"'


def test_an_entry_is_its_exact_bytes(served: tuple[Server, str]) -> None:
    """What `show` says the leaf hash of."""
    server, token = served
    shown = server.ask("/v1/show/0/300", token=token).json
    assert sha256(b"\0" + fetch(served, "/v1/entries/0/300")).hexdigest() == shown["leaf_hash"]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?from=2022-11-28T09:01:00Z&to=2022-11-28T09:05:00Z",
        "?with_rest=true",
        "?unchanged=c&to=2022-11-28T09:00:00Z",
    ],
)
def test_an_account_proof_holds(
    served: tuple[Server, str], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], query: str
) -> None:
    """Of a range, of all, with what follows; the file is what `ledger prove` writes."""
    proof = tmp_path / "acme.account-proof"
    proof.write_bytes(fetch(served, f"/v1/accounts/acme/proof{query}"))
    assert main(["check", str(proof), "--vkey", read_ledger_file(LocalStore(root)).vkey]) == 0
    changed = proof.read_bytes().replace(b'"outcome":"deployed"', b'"outcome":"uploaded"', 1)
    assert changed != proof.read_bytes() or "unchanged" in query
    if changed != proof.read_bytes():
        proof.write_bytes(changed)
        assert main(["check", str(proof), "--vkey", read_ledger_file(LocalStore(root)).vkey]) == 3
    capsys.readouterr()


def test_a_script_that_was_changed_is_not_proved_unchanged(served: tuple[Server, str]) -> None:
    """It is said so."""
    answer = served[0].ask("/v1/accounts/acme/proof?unchanged=a", token=served[1])
    assert (answer.status, answer.json["code"]) == (400, "script_changed")


def test_what_is_recorded_later_has_tiles_and_receipts_too(tmp_path: Path) -> None:
    """The server's trees grow with the log."""
    root = write_ledger(tmp_path / "ledger", 200)
    token = make_token(root, "reader", Scope.read)
    with answering(root) as (server, context):
        served = server, token
        fetch(served, "/v1/log/0/tile/0/000.p/200")
        fetch(served, "/v1/receipts/0/3")
        assert server.ask("/v1/log/0/tile/0/000", token=served[1]).status == 404
        write_more(root, 200, 300)
        wait_until(lambda: context.live.sizes() == {0: 300}, 20)
        assert len(fetch(served, "/v1/log/0/tile/0/000")) == WIDTH * 32
        assert b"\n300\n" in fetch(served, "/v1/receipts/0/299")
        assert b"\n300\n" in fetch(served, "/v1/log/0/checkpoint")
        assert b"\n200\n" in fetch(served, "/v1/log/0/checkpoint?size=200")


def test_cosigned_checkpoints_are_served(tmp_path: Path) -> None:
    """Where witnesses have cosigned; a receipt is proved in such a one, unless the newest is wanted."""
    root = write_ledger(tmp_path / "ledger", 100)
    store = LocalStore(root)
    token = make_token(root, "reader", Scope.read)
    with answering(root) as (server, _):
        served = server, token
        note = fetch(served, "/v1/log/0/checkpoint?size=50")
        line = WitnessSigner("w.example", b"\1" * 32).sign(parse_note(note).text, 1_700_000_000)
        cosigned = add_signatures(note, [line])
        store.put(layout.witnessed(0, 50, line.key_id.hex()), cosigned)
        assert fetch(served, "/v1/log/0/checkpoint?cosigned=true") == cosigned != note
        assert fetch(served, "/v1/receipts/0/3").endswith(cosigned)
        assert b"\n100\n" in fetch(served, "/v1/receipts/0/3?newest=true")
        assert b"\n100\n" in fetch(served, "/v1/receipts/0/60")
