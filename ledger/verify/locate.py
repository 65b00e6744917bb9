"""Which entry is it, and what was done to it? Asked once a segment is known to be bad; may take its time, within limits.

The signed root says *that* the entries of a segment are not those that were written. Which of them: one that breaks a rule by itself; or
one whose leaf hash is not the one that its account's next entry names, in this segment or a later one. A single flipped bit is
proven by flipping it back: then the leaf hash, or the root, is the one that was written.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ledger.errors import IntegrityError
from ledger.log.reader import segment_names
from ledger.log.segments import parse_segment
from ledger.proof.checkpoints import Checkpoint, format_hash
from ledger.proof.merkle import (
    Frontier,
    Hash,
    Index,
    Size,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_from_inclusion,
    split,
)
from ledger.storage import layout
from ledger.storage.store import Store
from ledger.verify.findings import CHANGED, BadError
from ledger.verify.forms import Facts
from ledger.verify.ranges import joined, range_of
from ledger.verify.reading import read_segment

__all__ = ["Suspect", "judged", "unflipped"]

_MAX_LATER_SEGMENTS: Final = 256
"""How many segments after the bad one are searched for the accounts' next entries."""
_MAX_TRIED: Final = 12
"""How many entries are tried bit by bit against the root: half a second each."""
_HASH: Final = re.compile("[0-9a-f]{64}")


class Suspect(msgspec.Struct, frozen=True):
    """A segment that is known to be bad, and what came before it."""

    store: Store
    shard: int
    first: int
    lines: list[bytes]
    frontier: Frontier
    """Before the segment."""
    checkpoint: Checkpoint | None
    """After it, where it is signed."""

    @property
    def name(self) -> str:
        """The segment's."""
        return layout.segment(self.shard, self.first)

    def root_with(self, lines: Sequence[bytes]) -> bytes:
        """The root after the segment, if these were its lines."""
        return joined(self.frontier, range_of(self.first, [leaf_hash(line) for line in lines])).root()

    def fits(self) -> bool:
        """Whether its entries are those that were signed."""
        signed = self.checkpoint
        return signed is not None and signed.size == self.end and signed.root == self.root_with(self.lines)

    @property
    def end(self) -> int:
        """The size after its lines."""
        return self.first + len(self.lines)

    def path(self, index: int) -> list[Hash]:
        """The inclusion proof of one of its entries in the tree after it."""
        leaves = [leaf_hash(line) for line in self.lines]
        complete: dict[tuple[int, int], bytes] = {}
        start = 0
        for node, height in zip(self.frontier.hashes, _heights(self.first), strict=True):
            complete[start, start + (1 << height)] = node
            start += 1 << height

        def subtree(lo: int, hi: int) -> bytes:
            known = complete.get((lo, hi))
            if known is not None:
                return known
            if hi - lo == 1:
                return leaves[lo - self.first]
            mid = lo + split(hi - lo)
            return node_hash(subtree(lo, mid), subtree(mid, hi))

        return inclusion_proof(Index(index), Size(self.end), subtree)


def _heights(size: int) -> list[int]:
    """The heights of the complete subtrees of a tree, largest first."""
    return [height for height in range(size.bit_length() - 1, -1, -1) if size >> height & 1]


class _Link(msgspec.Struct, frozen=True):
    """An entry and what the next one of its account says of it."""

    index: int
    named: str | None
    """The leaf hash (hex) that the next entry names; None where there is no next one that can be read."""
    successor: int
    """The index of that next entry."""


def judged(suspect: Suspect, broken: BadError | None, *, bit_by_bit: bool = True) -> BadError:
    """The problem of a segment that can be read.

    Args:
        suspect: the segment.
        broken: the first rule that an entry of it breaks, with its index; None where none does.
        bit_by_bit: whether it may be that one bit of an entry was flipped.
    """
    signed = suspect.checkpoint
    if broken is not None and (signed is None or suspect.fits()):
        return broken  # nobody can say that it was otherwise once: it was signed so, or not at all
    if signed is not None and signed.size != suspect.end and broken is None:
        return _of_another_size(signed, suspect)
    guess = _guessed(suspect, broken)
    flip = _proven_flip(suspect, guess, broken) if bit_by_bit else None
    return flip or _changed(suspect, guess, broken)


def _proven_flip(suspect: Suspect, guess: "_Guess | None", broken: BadError | None) -> BadError | None:
    if guess is None:
        return _any_flip(suspect) if broken is None else None
    flip = _flip(suspect, guess.index, guess.named)
    if flip is None and not guess.certain and guess.successor < suspect.end:
        flip = _flip(suspect, guess.successor, None)
    return flip


def _of_another_size(signed: Checkpoint, suspect: Suspect) -> BadError:
    kind = "stale" if signed.size < suspect.end else "truncated"
    why = "it is an older one" if kind == "stale" else "entries are missing before it"
    message = f"the checkpoint was signed for {signed.size} entries, there are {suspect.end}: {why}"
    index = suspect.first if kind == "stale" else suspect.end
    return BadError(kind, message, index=index, expected=str(signed.size), found=str(suspect.end))


def _changed(suspect: Suspect, guess: "_Guess | None", broken: BadError | None) -> BadError:
    """The problem of entries that are not those that were signed."""
    if broken is not None and (guess is None or broken.index == guess.index):
        if broken.kind not in CHANGED:
            return broken
        message = f"changed after it was signed: {broken.message}"
        return BadError("entry_edited", message, index=broken.index, expected=broken.expected, found=broken.found)
    expected = None if suspect.checkpoint is None else format_hash(suspect.checkpoint.root)
    found = format_hash(suspect.root_with(suspect.lines))
    roots = f"the checkpoint was signed for the root {expected}, the entries hash to {found}"
    if guess is not None:
        leaf = _leaf(suspect, guess.index)
        message = f"the entry's leaf hash is {leaf}, its account's next entry names {guess.named}; {roots}"
        named = guess.named
        return BadError("entry_edited", message, index=guess.index, exact=guess.certain, expected=named, found=leaf)
    message = f"{roots}; which of the entries {suspect.first} to {suspect.end - 1} was changed cannot be told"
    only = len(suspect.lines) == 1
    return BadError("entry_edited", message, index=suspect.first, exact=only, expected=expected, found=found)


class _Guess(msgspec.Struct, frozen=True):
    """The first entry that seems to have been changed."""

    index: int
    certain: bool
    named: str | None
    """The leaf hash that it should have, where another entry names it."""
    successor: int
    """The entry that names it, which may be the one that was changed."""


def _guessed(suspect: Suspect, broken: BadError | None) -> _Guess | None:
    """Which entry it is; None where neither a rule nor an account's chain tells."""
    links = {link.index: link for link in _links(suspect)}
    wrong = {index for index, link in links.items() if link.named is not None and link.named != _leaf(suspect, index)}
    own = None if broken is None else broken.index
    for index in sorted(wrong):
        link = links[index]
        if own is not None and own < index:
            break
        if link.successor in wrong and own == link.successor:
            continue  # the next one is bad by itself: what it names says nothing
        after = links.get(link.successor)
        vouched = after is not None and after.named is not None and link.successor not in wrong
        return _Guess(index, link.successor >= suspect.end or vouched, link.named, link.successor)
    if own is None:
        return None
    return _Guess(own, True, links[own].named if own in wrong else None, own)


def _leaf(suspect: Suspect, index: int) -> str:
    return leaf_hash(suspect.lines[index - suspect.first]).hex()


def _links(suspect: Suspect) -> list[_Link]:
    """Each entry of the segment that has an account, with what the account's next entry says of it."""
    waiting: dict[str, tuple[int, int]] = {}
    links: list[_Link] = []
    for index, facts in _read(suspect.lines, suspect.first):
        _link(facts, index, waiting, links)
        if facts.account is not None and isinstance(facts.account_index, int):
            waiting[facts.account] = index, facts.account_index
    for number, (first, name) in enumerate(segment_names(suspect.store, suspect.shard, after=suspect.name)):
        if not waiting or number >= _MAX_LATER_SEGMENTS:
            break
        for index, facts in _read(_lines(suspect.store, name), first):
            _link(facts, index, waiting, links)
    links += (_Link(index, None, index) for index, _ in waiting.values())
    return sorted(links, key=lambda link: link.index)


def _link(facts: Facts, index: int, waiting: dict[str, tuple[int, int]], links: list[_Link]) -> None:
    before = waiting.pop(facts.account or "", None)
    if before is not None:
        follows = facts.account_index == before[1] + 1 and isinstance(facts.account_prev, str)
        links.append(_Link(before[0], str(facts.account_prev) if follows else None, index))


def _read(lines: Sequence[bytes], first: int) -> Iterator[tuple[int, Facts]]:
    for index, line in enumerate(lines, first):
        try:
            yield index, _decode_facts(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue


_decode_facts: Final = msgspec.json.Decoder(Facts).decode


def _lines(store: Store, name: str) -> list[bytes]:
    data = read_segment(store, name)
    try:
        return [] if data is None else parse_segment(data, name).lines
    except IntegrityError:
        return []


# --- bits ------------------------------------------------------------------------------------------------------------------------------


def unflipped(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The bytes with each of their bits flipped, one at a time: its place (in bits) and the bytes."""
    changed = bytearray(data)
    for place in range(len(data) * 8):
        changed[place >> 3] ^= 1 << (place & 7)
        yield place, bytes(changed)
        changed[place >> 3] ^= 1 << (place & 7)


def _flip(suspect: Suspect, index: int, named: str | None) -> BadError | None:
    """The proof that one bit of an entry was flipped, if one was."""
    line = suspect.lines[index - suspect.first]
    was = None if named is None else bytes.fromhex(named) if _HASH.fullmatch(named) else None
    signed, size = suspect.checkpoint, suspect.end
    path = suspect.path(index) if was is None and signed is not None and signed.size == size else None
    if was is None and path is None:
        return None
    for place, other in unflipped(line):
        leaf = leaf_hash(other)
        if (
            leaf == was
            if path is None
            else signed and root_from_inclusion(Index(index), Size(size), leaf, path) == signed.root
        ):
            byte = place >> 3
            message = f"one bit of the entry was flipped: its byte {byte} is {line[byte]:#04x}, it was {other[byte]:#04x} when it was signed"
            return BadError(
                "bit_flip", message, index=index, expected=f"{other[byte]:#04x}", found=f"{line[byte]:#04x}"
            )
    return None


def _any_flip(suspect: Suspect) -> BadError | None:
    """The same for the entries of which nothing later says anything, as far as they are few."""
    vouched = {link.index for link in _links(suspect) if link.named is not None}
    open_ = [index for index in range(suspect.first, suspect.end) if index not in vouched]
    for index in open_[:_MAX_TRIED]:
        flip = _flip(suspect, index, None)
        if flip is not None:
            return flip
    return None
