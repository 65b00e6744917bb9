"""Files that commands are given and write: keys to check with, proofs."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.errors import InputError, IntegrityError, LedgerError, NotFoundError, StoreError, UsageError

if TYPE_CHECKING:
    from ledger.proof.notes import Verifier

__all__ = ["pinned_key", "read_file", "write_file"]

_MAX_KEY_BYTES: Final = 4096


def read_file(path: str, limit: int, hint: str = "") -> bytes:
    """The bytes of a file that somebody names.

    Raises:
        NotFoundError: `file_not_found`.
        InputError: `file_too_large`, above `limit` bytes.
        StoreError: `file_unreadable`.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError as error:
        raise NotFoundError("file_not_found", f"there is no file {path}", hint) from error
    except OSError as error:
        raise StoreError("file_unreadable", f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise NotFoundError("file_not_found", f"no file can be named {path!r}") from error
    if len(data) > limit:
        raise InputError("file_too_large", f"{path} has more than {limit} bytes", "is it the right file?")
    return data


def write_file(path: Path, data: bytes) -> None:
    """Write a file aside and rename it, so that it is there whole or not at all; one of that name is replaced.

    Raises:
        StoreError: `file_unwritable`.
    """
    temporary = path.with_name(f".{secrets.token_hex(6)}.tmp")
    try:
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError("file_unwritable", f"cannot write {path}: {error.strerror or error}") from error


def pinned_key(text: str) -> "Verifier":
    """The public key that `--vkey` gives: itself, or in a file.

    Raises:
        UsageError: `bad_vkey`.
    """
    from ledger.proof.notes import Verifier

    try:
        return Verifier.from_vkey(text)
    except IntegrityError as error:
        mistake = error
    except ValueError as error:  # bytes of a command line that are no text
        raise UsageError("bad_vkey", f"{text!r} is no key: it is not text") from error
    try:
        return Verifier.from_vkey(read_file(text, _MAX_KEY_BYTES).decode().removesuffix("\n"))
    except NotFoundError:
        raise _bad_key(mistake, text) from mistake
    except (IntegrityError, InputError) as error:
        raise _bad_key(error, f"the content of {text}") from error
    except UnicodeDecodeError as error:
        raise UsageError("bad_vkey", f"{text} holds no key: it is not text") from error


def _bad_key(error: LedgerError, what: str) -> UsageError:
    hint = error.hint or "give what `ledger key` or `ledger init` printed, or a file that holds it"
    return UsageError("bad_vkey", f"{what} is no key: {error.message}", hint)
