"""Checkpoints (https://c2sp.org/tlog-checkpoint): a signed note of a log's origin, tree size and root hash.

    ledger.example/audit
    1000
    Y4r6mAIpJbrP3a2xXvIv0BmcGsmcKXO2FYJD0T/OBcI=

Pure: no IO. The key's name is the origin, so that a checkpoint of one shard can't be shown as another's.
"""

import re
from base64 import b64encode
from typing import Final, NoReturn

from msgspec import Struct

from ledger.errors import IntegrityError
from ledger.proof.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE, Hash, Size
from ledger.proof.notes import Signer, Verifier, decode_base64, open_note, parse_note, sign_note

__all__ = [
    "Checkpoint",
    "format_hash",
    "open_checkpoint",
    "parse_checkpoint",
    "parse_decimal",
    "parse_hash",
    "read_unverified",
    "sign",
]

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_FIXED_LINES: Final = 3


class Checkpoint(Struct, frozen=True, kw_only=True):
    """What a log commits to: that its tree of this size has this root."""

    origin: str
    """Which log: `<ledger name>/<shard, 4 digits>`."""
    size: Size
    """How many entries the tree has."""
    root: Hash
    """The tree's root, 32 bytes."""
    extensions: tuple[str, ...] = ()
    """Further lines, signed too. Never written by this ledger, accepted on reading."""

    @property
    def text(self) -> str:
        """What is signed: the lines with their newlines."""
        return "".join(f"{line}\n" for line in (self.origin, self.size, format_hash(self.root), *self.extensions))


def parse_decimal(text: str) -> int:
    """The number that the text is the one canonical decimal of, 0 to 2^63 - 1.

    Raises:
        ValueError: for signs, leading zeros, spaces, underscores, other scripts' digits and numbers too large.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise ValueError(f"not a canonical decimal: {text[:40]!r}")
    return int(text)


def parse_hash(text: str) -> Hash:
    """The hash that the text is the one canonical base64 of.

    Raises:
        ValueError: for anything else.
    """
    data = decode_base64(text)
    if data is None or len(data) != HASH_BYTES:
        raise ValueError(f"not the base64 of a hash: {text[:60]!r}")
    return Hash(data)


def format_hash(data: bytes) -> str:
    """The canonical base64 of a hash: 44 characters."""
    return b64encode(data).decode()


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint (without signatures) strictly.

    Raises:
        IntegrityError: `malformed_checkpoint`.
    """
    lines = text.split("\n")
    if lines.pop() != "":
        _malformed("its last line has no newline")
    if len(lines) < _FIXED_LINES or "" in lines:
        _malformed("it needs an origin, a size and a root, and no empty line")
    try:
        size, root = Size(parse_decimal(lines[1])), parse_hash(lines[2])
    except ValueError as error:
        _malformed(str(error))
    if size == 0 and root != EMPTY_ROOT:
        _malformed("its root is not that of the empty tree")
    checkpoint = Checkpoint(origin=lines[0], size=size, root=root, extensions=tuple(lines[_FIXED_LINES:]))
    if checkpoint.text != text:
        _malformed("it is not in canonical form")
    return checkpoint


def sign(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """The signed checkpoint, the same bytes each time.

    A log must never sign two inconsistent ones: what was signed for a batch that lost its race must not leave the process.

    Raises:
        ValueError: where the key's name is not the origin, or the checkpoint could not be read back.
    """
    if signer.name != checkpoint.origin:
        raise ValueError(f"the key {signer.name} can't sign for {checkpoint.origin}")
    text = checkpoint.text
    if _read_back(text) != checkpoint:
        raise ValueError(f"not a checkpoint: {text!r}")
    return sign_note(text, signer)


def open_checkpoint(data: bytes, verifier: Verifier) -> Checkpoint:
    """Read a signed checkpoint of the log whose key is given, and verify it.

    Raises:
        IntegrityError: `malformed_note`, `bad_signature`, `wrong_key`, `malformed_checkpoint`, or `wrong_origin` where the key
            has signed another log's checkpoint.
    """
    checkpoint = parse_checkpoint(open_note(data, [verifier]).text)
    if checkpoint.origin != verifier.name:
        raise IntegrityError("wrong_origin", f"the checkpoint is of {checkpoint.origin!r}, not of {verifier.name!r}")
    return checkpoint


def read_unverified(data: bytes) -> Checkpoint:
    """Read a signed checkpoint without a key. What it says is a claim: use it for messages and for lag, never as evidence.

    Raises:
        IntegrityError: `malformed_note` or `malformed_checkpoint`.
    """
    return parse_checkpoint(parse_note(data).text)


def _read_back(text: str) -> Checkpoint | None:
    try:
        return parse_checkpoint(text)
    except IntegrityError:
        return None


def _malformed(why: str) -> NoReturn:
    raise IntegrityError("malformed_checkpoint", f"not a checkpoint: {why}")
