"""The Rust crate metamorphic-log accepts our checkpoints and proofs, and rejects changed ones."""

from base64 import b64decode
from collections.abc import Callable
from functools import partial
from pathlib import Path

import metamorphic_log as rust
import pytest

from tests.interop.logs import Shown, show
from tests.proof.trees import leaf, subtree


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """A log of a thousand entries with checkpoints at the edges of tiles."""
    return show(tmp_path_factory.mktemp("rust"), 1, 255, 256, 257, 1000)


def rejects(ask: Callable[[], object]) -> None:
    """It raises its own error, and no other."""
    with pytest.raises(rust.VerifyError):
        ask()


def test_checkpoints_are_accepted_and_changed_ones_rejected(shown: Shown) -> None:
    """Size and root as we mean them; another size, root or key is refused."""
    for size, note in shown.notes.items():
        head = rust.checkpoint_verify(note.decode(), [shown.vkey])
        assert (head.origin, head.size, head.root) == ("test/0000", size, subtree(0, size))
    newest = shown.tree.note.decode()
    rejects(lambda: rust.checkpoint_verify(newest.replace("\n1000\n", "\n1001\n"), [shown.vkey]))
    rejects(lambda: rust.checkpoint_verify(newest.replace("test/0000\n", "test/0001\n"), [shown.vkey]))
    rejects(lambda: rust.checkpoint_verify(newest, []))


@pytest.mark.parametrize("index", [0, 1, 255, 256, 700, 767, 768, 999])
def test_inclusion_proofs_are_accepted_and_changed_ones_rejected(shown: Shown, index: int) -> None:
    """Another index, another entry, a hash left out."""
    receipt = shown.receipt(index)
    note, path = receipt.note.decode(), list(receipt.path)
    rust.checkpoint_verify_inclusion(note, [shown.vkey], index, leaf(index), path)
    rejects(lambda: rust.checkpoint_verify_inclusion(note, [shown.vkey], index ^ 1, leaf(index), path))
    rejects(lambda: rust.checkpoint_verify_inclusion(note, [shown.vkey], index, leaf(index + 1), path))
    rejects(lambda: rust.checkpoint_verify_inclusion(note, [shown.vkey], index, leaf(index), path[:-1]))


def test_growth_proofs_are_accepted_and_changed_ones_rejected(shown: Shown) -> None:
    """From each older checkpoint; and not the other way round."""
    verify = rust.checkpoint_verify_consistency
    for size, note in list(shown.notes.items())[:-1]:
        growth = shown.growth(size, note)
        old, new, path = growth.old.decode(), growth.new.decode(), list(growth.path)
        verify(old, new, [shown.vkey], path)
        rejects(partial(verify, new, old, [shown.vkey], path))
        rejects(partial(verify, old, new, [shown.vkey], path[1:]))


def test_a_receipt_file_is_read_by_its_lines(shown: Shown, tmp_path: Path) -> None:
    """Whoever knows the format needs nothing of ours to check one."""
    head, note = bytes(shown.receipt(700)).decode().split("\n\n", 1)
    first, index, *hashes = head.split("\n")
    assert first == "c2sp.org/tlog-proof@v1"
    number = int(index.removeprefix("index "))
    rust.checkpoint_verify_inclusion(note, [shown.vkey], number, leaf(700), [b64decode(line) for line in hashes])
