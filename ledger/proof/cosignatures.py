"""Cosignatures (https://c2sp.org/tlog-cosignature): a witness says when it knew no larger tree of a log than a checkpoint's.

    — witness.example/w1 JLXZ/gAAAABlU/EAa/KjCkPPksvZZ09uQbVX...

is a signature line of the checkpoint like the log's own, of an Ed25519 key of type 0x04: base64(key id || time || signature),
76 bytes before base64. Signed are two lines (`cosignature/v1`, `time <POSIX seconds>`) and the checkpoint's text.

Pure: no IO, no clock; the time is given.
"""

from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from ledger.errors import InputError, IntegrityError
from ledger.proof.checkpoints import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.proof.notes import (
    SignatureLine,
    Verifier,
    check_public_key,
    format_vkey,
    is_key_name,
    key_id,
    parse_note,
    parse_vkey,
)

__all__ = [
    "COSIGNATURE",
    "MAX_TIME",
    "Cosigned",
    "Verdict",
    "WitnessPolicy",
    "WitnessSigner",
    "WitnessVerifier",
    "judge",
]

COSIGNATURE: Final = 0x04
MAX_TIME: Final = 2**63 - 1
_TIME_BYTES: Final = 8
_LINE_BYTES: Final = _TIME_BYTES + 64
"""What follows the key id in a signature line."""


class WitnessVerifier:
    """A witness's public key with its name. It is no log's key: the type is part of the key id and of what is signed.

    Args:
        name: the witness's name.
        public_key: 32 bytes, Ed25519.

    Raises:
        IntegrityError: `malformed_vkey`.
    """

    __slots__ = ("_key", "key_id", "name", "public_key")

    def __init__(self, name: str, public_key: bytes) -> None:
        check_public_key(name, public_key)
        self.name = name
        self.public_key = public_key
        self.key_id = key_id(name, public_key, COSIGNATURE)
        self._key = Ed25519PublicKey.from_public_bytes(public_key)

    @classmethod
    def from_vkey(cls, vkey: str) -> "WitnessVerifier":
        """Read `name+<key id>+base64(0x04 || public key)`.

        Raises:
            IntegrityError: `malformed_vkey`; `unsupported_key`, where its type is another, such as a log's.
        """
        return cls(*parse_vkey(vkey, COSIGNATURE))

    @property
    def vkey(self) -> str:
        """The key as text, the form that is handed to others."""
        return format_vkey(self.name, self.public_key, COSIGNATURE)

    def is_by(self, line: SignatureLine) -> bool:
        """Whether the line claims to be of this key."""
        return line.name == self.name and line.key_id == self.key_id

    def time_of(self, text: str, line: SignatureLine) -> int | None:
        """The time of this witness's cosignature of a checkpoint's text, in POSIX seconds; None where the line is none."""
        if not self.is_by(line) or len(line.signature) != _LINE_BYTES:
            return None
        time = int.from_bytes(line.signature[:_TIME_BYTES], "big")
        if time > MAX_TIME:
            return None
        try:
            self._key.verify(line.signature[_TIME_BYTES:], _message(text, time))
        except InvalidSignature:
            return None
        return time

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WitnessVerifier) and self.vkey == other.vkey

    def __hash__(self) -> int:
        return hash(self.vkey)

    def __repr__(self) -> str:
        return f"WitnessVerifier({self.vkey!r})"


class WitnessSigner:
    """A witness's signing key. Whether a checkpoint may be cosigned is decided elsewhere (`ledger.proof.witnessing`).

    Args:
        name: the witness's name.
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
        self.verifier = WitnessVerifier(name, self._key.public_key().public_bytes_raw())

    @property
    def vkey(self) -> str:
        """The public key as text."""
        return self.verifier.vkey

    def sign(self, text: str, time: int) -> SignatureLine:
        """Cosign a checkpoint's text (its last newline included, without signatures) at a time in POSIX seconds.

        Raises:
            ValueError: where the time is out of range.
            IntegrityError: `malformed_checkpoint`.
        """
        if not 0 <= time <= MAX_TIME:
            raise ValueError(f"not a time for a cosignature: {time}")
        parse_checkpoint(text)
        signature = time.to_bytes(_TIME_BYTES, "big") + self._key.sign(_message(text, time))
        return SignatureLine(name=self.name, key_id=self.verifier.key_id, signature=signature)

    def __repr__(self) -> str:
        return f"WitnessSigner({self.vkey!r})"


class WitnessPolicy(Struct, frozen=True, kw_only=True):
    """Whose cosignatures count, and how many are wanted.

    Raises:
        InputError: `bad_quorum`, where it is not between 0 and the number of witnesses; `same_witness`, where one key is there
            twice, under two names perhaps, and would count twice.
    """

    witnesses: tuple[WitnessVerifier, ...]
    quorum: int

    def __post_init__(self) -> None:
        if not 0 <= self.quorum <= len(self.witnesses):
            raise InputError(
                "bad_quorum",
                f"{self.quorum} of {len(self.witnesses)} witnesses cannot be asked for",
                "name more witnesses, or ask for fewer",
            )
        if len({witness.public_key for witness in self.witnesses}) != len(self.witnesses):
            raise InputError("same_witness", "two of the witnesses have the same key", "name each witness once")


class Cosigned(Struct, frozen=True, kw_only=True):
    """That a witness has cosigned a checkpoint."""

    witness: WitnessVerifier
    time: int
    """POSIX seconds, by the witness's clock: then it knew no larger tree of this log."""


class Verdict(Struct, frozen=True, kw_only=True):
    """A checkpoint whose log signature is valid, and who has cosigned it."""

    checkpoint: Checkpoint
    cosigned: tuple[Cosigned, ...]
    """In the order of the policy's witnesses."""
    missing: tuple[WitnessVerifier, ...]
    quorum: int

    @property
    def witnessed(self) -> bool:
        """Whether as many have cosigned as the policy wants. Where not, the checkpoint is valid all the same: *unwitnessed*."""
        return len(self.cosigned) >= self.quorum


def judge(data: bytes, log: Verifier, policy: WitnessPolicy) -> Verdict:
    """Read a signed checkpoint, verify the log's signature and see which of the policy's witnesses have cosigned it.

    Lines of other keys are ignored. Too few cosignatures are no error but a verdict of their own.

    Raises:
        IntegrityError: what `open_checkpoint` raises; `bad_signature` also where a line of a witness of the policy is not valid.
        InputError: `log_is_witness`, where the log's own key is among the witnesses.
    """
    if any(witness.public_key == log.public_key for witness in policy.witnesses):
        raise InputError("log_is_witness", f"the key of {log.name} is no witness of itself", "name other witnesses")
    checkpoint, note = open_checkpoint(data, log), parse_note(data)
    times = {witness: _newest(witness, note.text, note.signatures) for witness in policy.witnesses}
    return Verdict(
        checkpoint=checkpoint,
        cosigned=tuple(Cosigned(witness=witness, time=time) for witness, time in times.items() if time is not None),
        missing=tuple(witness for witness, time in times.items() if time is None),
        quorum=policy.quorum,
    )


def _newest(witness: WitnessVerifier, text: str, lines: Sequence[SignatureLine]) -> int | None:
    """The latest time at which a witness cosigned a text; a checkpoint that grew no further may be cosigned again."""
    newest = None
    for line in lines:
        if witness.is_by(line):
            time = witness.time_of(text, line)
            if time is None:
                raise IntegrityError(
                    "bad_signature",
                    f"the cosignature of {witness.name} is not valid",
                    "the checkpoint or the cosignature was changed",
                )
            newest = time if newest is None else max(newest, time)
    return newest


def _message(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()
