"""The key of a witness: made on first use, create-only, mode 0600. It is never a log's: its file has another form."""

import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from ledger.errors import IntegrityError, NotFoundError, StoreConflictError, UsageError
from ledger.proof.cosignatures import WitnessSigner
from ledger.proof.notes import is_key_name
from ledger.storage.local import LocalStore

__all__ = ["DEFAULT_NAME", "open_witness_key"]

DEFAULT_NAME: Final = "witness"
_FILE: Final = "witness.json"
_SEED_BYTES: Final = 32


class _WitnessKeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    witness: str
    """The witness's name. A log's signing key has `name` here instead, and so can't be taken for a witness's."""
    seed: bytes
    """Ed25519 seed, base64 in the file."""

    def __repr__(self) -> str:
        return f"_WitnessKeyFile({self.witness!r})"


def open_witness_key(place: Path, name: str | None = None) -> WitnessSigner:
    """Read the key of a witness, or make it where there is none; durable on return.

    Args:
        place: a directory, in which it is `witness.json`, or the file itself (`*.json`).
        name: the witness's name; `witness` for a new key where it is not given, else the one in the file.

    Raises:
        UsageError: `bad_name`; `wrong_keys`, where the key has another name.
        IntegrityError: `malformed_key`.
        StoreError: what the file system refused.
    """
    if name is not None and not is_key_name(name):
        raise UsageError("bad_name", f"{name!r} is no name for a witness", "use a name such as witness.example/w1")
    file = place if place.is_file() or (place.suffix == ".json" and not place.is_dir()) else place / _FILE
    store = LocalStore(file.parent, file_mode=0o600, dir_mode=0o700)
    try:
        data = store.get(file.name)
    except NotFoundError:
        made = _WitnessKeyFile(name or DEFAULT_NAME, secrets.token_bytes(_SEED_BYTES))
        with suppress(StoreConflictError):  # another process made it first: its key counts
            store.put(file.name, msgspec.json.encode(made) + b"\n")
        data = store.get(file.name)
    return _signer(file, data, name)


def _signer(file: Path, data: bytes, name: str | None) -> WitnessSigner:
    try:
        key = msgspec.json.decode(data, type=_WitnessKeyFile)
        signer = WitnessSigner(key.witness, key.seed)
    except (msgspec.MsgspecError, ValueError):
        # Without the cause: its text could quote what is in the file.
        hint = "give a directory for the witness's own key; a log's key is never a witness's"
        raise IntegrityError("malformed_key", f"{file} is not the key of a witness", hint) from None
    if name is not None and name != signer.name:
        raise UsageError(
            "wrong_keys", f"the key in {file} is that of {signer.name}", "leave --name out, or give another --key"
        )
    return signer
