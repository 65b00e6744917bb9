"""Signed notes (https://c2sp.org/signed-note): a text, an empty line, and signature lines of Ed25519 keys.

Pure: no IO. Parsing is strict: a second encoding of the same value would break "what is stored is what is signed".
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from hashlib import sha256
from typing import Final, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from ledger.errors import IntegrityError

__all__ = [
    "ED25519",
    "MAX_NOTE_BYTES",
    "MAX_SIGNATURE_LINES",
    "Note",
    "SignatureLine",
    "Signer",
    "Verifier",
    "add_signatures",
    "check_public_key",
    "decode_base64",
    "format_vkey",
    "is_key_name",
    "key_id",
    "open_note",
    "parse_note",
    "parse_signature_lines",
    "parse_vkey",
    "sign_note",
]

ED25519: Final = 0x01
MAX_NOTE_BYTES: Final = 1 << 20
MAX_SIGNATURE_LINES: Final = 100
_KEY_ID_BYTES: Final = 4
_PUBLIC_KEY_BYTES: Final = 32
_DASH: Final = "\u2014"
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NOT_IN_A_NAME = re.compile(r"[\x00-\x1f+\ud800-\udfff]")  # lone surrogates: what UTF-8 can't encode
_KEY_ID = re.compile(r"[0-9a-f]{8}")


class SignatureLine(Struct, frozen=True, kw_only=True):
    """One signature line of a note, parsed but not verified."""

    name: str
    """Who signed: the key's name."""
    key_id: bytes
    """4 bytes that tell the keys of one name apart."""
    signature: bytes
    """What follows the key id; 64 bytes for Ed25519."""

    def __str__(self) -> str:
        return f"{_DASH} {self.name} {b64encode(self.key_id + self.signature).decode()}\n"


class Note(Struct, frozen=True, kw_only=True):
    """A parsed note. `parse_note` verifies nothing; `open_note` does."""

    text: str
    """What is signed, its last newline included."""
    signatures: tuple[SignatureLine, ...]
    """All signature lines, those of unknown keys too."""

    def __bytes__(self) -> bytes:
        return (self.text + "\n" + "".join(str(line) for line in self.signatures)).encode()


class Verifier:
    """A public Ed25519 key with its name.

    Args:
        name: the key's name.
        public_key: 32 bytes.

    Raises:
        IntegrityError: `malformed_vkey`.
    """

    __slots__ = ("_key", "key_id", "name", "public_key")

    def __init__(self, name: str, public_key: bytes) -> None:
        check_public_key(name, public_key)
        self.name = name
        self.public_key = public_key
        self.key_id = key_id(name, public_key)
        self._key = Ed25519PublicKey.from_public_bytes(public_key)

    @classmethod
    def from_vkey(cls, vkey: str) -> "Verifier":
        """Read `name+<key id>+base64(type || public key)`.

        Raises:
            IntegrityError: `malformed_vkey`, also where the key id is not that of the name and the key;
                `unsupported_key`, where its type is not Ed25519.
        """
        return cls(*parse_vkey(vkey, ED25519))

    @property
    def vkey(self) -> str:
        """The key as text, the form that is handed to others."""
        return format_vkey(self.name, self.public_key)

    def renamed(self, name: str) -> "Verifier":
        """The same public key under another name, and so with another key id."""
        return Verifier(name, self.public_key)

    def is_by(self, line: SignatureLine) -> bool:
        """Whether the line claims to be of this key."""
        return line.name == self.name and line.key_id == self.key_id

    def verifies(self, text: str, line: SignatureLine) -> bool:
        """Whether the line is this key's valid signature of the text."""
        try:
            self._key.verify(line.signature, text.encode())
        except InvalidSignature:
            return False
        return self.is_by(line)

    def __repr__(self) -> str:
        return f"Verifier({self.vkey!r})"


class Signer:
    """An Ed25519 signing key with its name. Deterministic: the same key and text give the same bytes.

    Args:
        name: the key's name; for a log's key the origin of its checkpoints.
        seed: 32 bytes.

    Raises:
        ValueError: where the name can't be a key's or the seed has not 32 bytes.
    """

    __slots__ = ("_key", "name", "verifier")

    def __init__(self, name: str, seed: bytes) -> None:
        if not is_key_name(name):
            raise ValueError(f"not the name of a key: {name!r}")
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Verifier(name, self._key.public_key().public_bytes_raw())

    @property
    def vkey(self) -> str:
        """The public key as text."""
        return self.verifier.vkey

    def sign(self, text: str) -> SignatureLine:
        """Sign the text of a note (its last newline included)."""
        return SignatureLine(name=self.name, key_id=self.verifier.key_id, signature=self._key.sign(text.encode()))

    def __repr__(self) -> str:
        return f"Signer({self.vkey!r})"


def is_key_name(name: str) -> bool:
    """Whether a key may be named so: not empty, no white space, no control character, no `+`."""
    return bool(name) and not _NOT_IN_A_NAME.search(name) and not any(char.isspace() for char in name)


def key_id(name: str, public_key: bytes, key_type: int = ED25519) -> bytes:
    """The 4 bytes that stand for a key in a signature line."""
    return sha256(name.encode() + b"\n" + bytes([key_type]) + public_key).digest()[:_KEY_ID_BYTES]


def format_vkey(name: str, public_key: bytes, key_type: int = ED25519) -> str:
    """The verifier key of a public key: name, key id, type and key."""
    encoded = b64encode(bytes([key_type]) + public_key).decode()
    return f"{name}+{key_id(name, public_key, key_type).hex()}+{encoded}"


def parse_vkey(vkey: str, key_type: int) -> tuple[str, bytes]:
    """The name and the public key in `name+<key id>+base64(type || public key)`, where the key is of this type.

    Raises:
        IntegrityError: `malformed_vkey`, also where the key id is not that of the name and the key; `unsupported_key`, where the
            type is another: a log's key is no witness's, and the other way round.
    """
    name, _, rest = vkey.partition("+")
    id_hex, _, encoded = rest.partition("+")
    key = decode_base64(encoded)
    if not _KEY_ID.fullmatch(id_hex) or not key:
        raise IntegrityError("malformed_vkey", f"not a verifier key: {vkey!r}", "it looks like name+0a1b2c3d+AbC...=")
    if key[0] != key_type:
        raise IntegrityError(
            "unsupported_key",
            f"the key {name!r} has the type {key[0]:#04x}; here one of type {key_type:#04x} is needed",
        )
    check_public_key(name, key[1:])
    expected = key_id(name, key[1:], key_type).hex()
    if expected != id_hex:
        raise IntegrityError("malformed_vkey", f"the key id of {vkey!r} should be {expected}", "copy the key again")
    return name, key[1:]


def check_public_key(name: str, public_key: bytes) -> None:
    """Refuse what can't be an Ed25519 key with a name.

    Raises:
        IntegrityError: `malformed_vkey`.
    """
    if not is_key_name(name):
        raise IntegrityError("malformed_vkey", f"not the name of a key: {name!r}")
    if len(public_key) != _PUBLIC_KEY_BYTES:
        raise IntegrityError(
            "malformed_vkey", f"the key {name} has {len(public_key)} bytes instead of {_PUBLIC_KEY_BYTES}"
        )


def decode_base64(text: str) -> bytes | None:
    """The bytes that the text is the one canonical standard base64 of, or None."""
    try:
        data = b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        return None
    # Spare bits and superfluous padding decode too; only the encoder's own output is canonical.
    return data if b64encode(data).decode() == text else None


def parse_note(data: bytes) -> Note:
    """Read a note strictly, without verifying anything.

    Raises:
        IntegrityError: `malformed_note`.
    """
    if len(data) > MAX_NOTE_BYTES:
        _malformed(f"it has more than {MAX_NOTE_BYTES} bytes")
    try:
        content = data.decode("utf-8")
    except UnicodeDecodeError:
        _malformed("it is not UTF-8")
    if _CONTROL.search(content):
        _malformed("it has a control character")
    if not content.endswith("\n"):
        _malformed("its last line has no newline")
    end = content.rfind("\n\n")  # the text itself may have empty lines, the signatures none: the last one parts them
    if end < 0:
        _malformed("no empty line parts text and signatures")
    return Note(text=content[: end + 1], signatures=parse_signature_lines(content[end + 2 :]))


def parse_signature_lines(text: str) -> tuple[SignatureLine, ...]:
    """Read signature lines, each with its newline, strictly and without verifying anything.

    Raises:
        IntegrityError: `malformed_note`, also where there are none or too many.
    """
    lines = text.removesuffix("\n").split("\n") if text else []
    if not 1 <= len(lines) <= MAX_SIGNATURE_LINES:
        _malformed(f"it has {len(lines)} signature lines, not 1 to {MAX_SIGNATURE_LINES}")
    if not text.endswith("\n"):
        _malformed("its last line has no newline")
    return tuple(_parse_line(line) for line in lines)


def open_note(data: bytes, verifiers: Iterable[Verifier]) -> Note:
    """Read a note and verify it: at least one known key has signed it, and no signature line of a known key is bad.

    Lines of unknown keys are ignored (witnesses, keys to come), as the specification asks.

    Raises:
        IntegrityError: `malformed_note`, `bad_signature`, or `wrong_key` where no known key has signed.
    """
    note, known = parse_note(data), list(verifiers)
    signed = False
    for line in note.signatures:
        for verifier in known:
            if verifier.is_by(line):
                if not verifier.verifies(note.text, line):
                    raise IntegrityError(
                        "bad_signature",
                        f"the signature of {line.name} is not valid",
                        "the text or the signature was changed",
                    )
                signed = True
    if not signed:
        found = ", ".join(f"{line.name}+{line.key_id.hex()}" for line in note.signatures)
        expected = ", ".join(f"{verifier.name}+{verifier.key_id.hex()}" for verifier in known)
        raise IntegrityError(
            "wrong_key", f"the note is signed by {found}, not by {expected}", "is this the right verifier key?"
        )
    return note


def sign_note(text: str, *signers: Signer) -> bytes:
    """The signed note (requires a text that ends with a newline and has no control characters, and at least one signer)."""
    if not signers or not text.endswith("\n") or _CONTROL.search(text):
        raise ValueError("a note needs a signer and a text of whole lines without control characters")
    return bytes(Note(text=text, signatures=tuple(signer.sign(text) for signer in signers)))


def add_signatures(data: bytes, lines: Iterable[SignatureLine]) -> bytes:
    """The note with more signature lines after its own; those that it has already are not added again.

    Raises:
        IntegrityError: `malformed_note`.
    """
    note = parse_note(data)
    new = [line for line in dict.fromkeys(lines) if line not in note.signatures]
    return bytes(Note(text=note.text, signatures=(*note.signatures, *new)))


def _parse_line(line: str) -> SignatureLine:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != _DASH or not is_key_name(parts[1]):
        _malformed(f"not a signature line: {line[:200]!r}")
    blob = decode_base64(parts[2])
    if blob is None or len(blob) <= _KEY_ID_BYTES:
        _malformed(f"not the base64 of a signature: {parts[2][:200]!r}")
    return SignatureLine(name=parts[1], key_id=blob[:_KEY_ID_BYTES], signature=blob[_KEY_ID_BYTES:])


def _malformed(why: str) -> NoReturn:
    raise IntegrityError("malformed_note", f"not a signed note: {why}")
