"""Files that commands are given and write: keys to check with, proofs."""

import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from ledger.errors import InputError, IntegrityError, LedgerError, NotFoundError, StoreError, UsageError

if TYPE_CHECKING:
    from ledger.proof.cosignatures import WitnessPolicy
    from ledger.proof.notes import Verifier

__all__ = ["check_absent", "pinned_key", "read_file", "witness_policy", "write_file"]

T = TypeVar("T")
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


def check_absent(path: Path) -> None:
    """Raise UsageError `file_exists` where there is something of that name: before the work that would be in vain."""
    if os.path.lexists(path):
        raise _exists(path)


def write_file(path: Path, data: bytes, *, replace: bool = True) -> None:
    """Write a file aside and rename it, so that it is there whole or not at all.

    Args:
        path: where.
        data: its content.
        replace: whether it takes the place of one of that name.

    Raises:
        UsageError: `file_exists`, where it is not to be replaced.
        StoreError: `file_unwritable`.
    """
    temporary = path.with_name(f".{secrets.token_hex(6)}.tmp")
    try:
        try:
            temporary.write_bytes(data)
            if replace:
                temporary.replace(path)
            else:
                os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise StoreError("file_unwritable", f"cannot write {path}: {error.strerror or error}") from error


def pinned_key(text: str) -> "Verifier":
    """The public key that `--vkey` gives: itself, or in a file.

    Raises:
        UsageError: `bad_vkey`.
    """
    from ledger.proof.notes import Verifier

    return _key(text, Verifier.from_vkey)


def witness_policy(witnesses: Sequence[str] | None, quorum: int | None) -> "WitnessPolicy | None":
    """What `--witness` and `--witnesses` ask for; None where neither is given.

    Raises:
        UsageError: `bad_vkey`; `bad_quorum`, where more are wanted than there are.
        InputError: `bad_quorum`, `same_witness`.
    """
    from ledger.proof.cosignatures import WitnessPolicy, WitnessVerifier

    if not witnesses and quorum is None:
        return None
    keys = tuple(_key(text, WitnessVerifier.from_vkey) for text in witnesses or ())
    return WitnessPolicy(witnesses=keys, quorum=len(keys) if quorum is None else quorum)


def _key(text: str, read: Callable[[str], T]) -> T:
    """A public key: itself, or in a file."""
    try:
        return read(text)
    except IntegrityError as error:
        mistake = error
        if not text:
            raise _bad_key(mistake, "an empty text") from error
    except ValueError as error:  # bytes of a command line that are no text
        raise UsageError("bad_vkey", f"{text!r} is no key: it is not text") from error
    try:
        return read(read_file(text, _MAX_KEY_BYTES).decode().removesuffix("\n"))
    except NotFoundError:
        raise _bad_key(mistake, text) from mistake
    except (IntegrityError, InputError) as error:
        raise _bad_key(error, f"the content of {text}") from error
    except UnicodeDecodeError as error:
        raise UsageError("bad_vkey", f"{text} holds no key: it is not text") from error


def _exists(path: Path) -> UsageError:
    return UsageError("file_exists", f"{path} exists", "name another file, or replace it with --force")


def _bad_key(error: LedgerError, what: str) -> UsageError:
    hint = error.hint or "give what `ledger key` or `ledger init` printed, or a file that holds it"
    return UsageError("bad_vkey", f"{what} is no key: {error.message}", hint)
