"""API tokens as the ledger keeps them: `tokens/<id>.json`, and `tokens/<id>.revoked.json` once one is revoked.

A token is 256 random bits, of which only the SHA-256 is kept. Nobody can guess such a token or find it in a list, so a slow hash
(scrypt, Argon2) would protect nothing and cost each request what it costs an attacker.
"""

import hmac
import re
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import NamedTuple, TypeVar

import msgspec

from ledger.errors import IntegrityError, NotFoundError
from ledger.storage import layout
from ledger.storage.opening import open_store
from ledger.storage.store import Store

__all__ = [
    "Presented",
    "Revocation",
    "Scope",
    "StoredTokens",
    "TokenFile",
    "parse_presented",
    "read_tokens",
    "token_store",
]

_TOKEN = re.compile(r"dlt_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_HASH = re.compile(r"[0-9a-f]{64}")


class Scope(StrEnum):
    """What a token may be used for."""

    read = "read"
    """Asking."""
    write = "write"
    """Sending changes."""
    audit = "audit"
    """Seeing who people are: their ids and addresses in place of pseudonyms."""
    admin = "admin"
    """All of these."""


class TokenFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is kept of a token."""

    id: str
    """16 hex digits; part of the token, and what the log names as the actor."""
    name: str
    hash: str
    """SHA-256 of the token, in hex."""
    accounts: tuple[str, ...]
    """Globs; it is for accounts that fit one of them."""
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None = None
    email: str = ""
    """The address of whoever it was made for, if it is to stand beside what the token does."""
    on_behalf_of: str = ""
    """The id of the user for whom it acts."""
    rate: float | None = None
    """Requests a second; None: the server's."""

    def is_for(self, account: str) -> bool:
        """Whether it may be used on an account."""
        return any(fnmatchcase(account, glob) for glob in self.accounts)

    def fits(self, presented: "Presented") -> bool:
        """Whether this is the token that was presented; takes the same time whether or not it is."""
        return hmac.compare_digest(self.hash, presented.hash)


class Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What says that a token is revoked."""

    id: str
    revoked_at: datetime


_Form = TypeVar("_Form", TokenFile, Revocation)


class Presented(NamedTuple):
    """A token as somebody showed it: its id, and the hash of all of it."""

    id: str
    hash: str


class StoredTokens(NamedTuple):
    """All tokens of a ledger."""

    tokens: dict[str, TokenFile]
    """By id."""
    revoked: dict[str, datetime]
    """When, by id."""
    damaged: list[str]
    """Names of objects that are not as they were written: a token of them is none."""


def token_store(location: str) -> Store:
    """The ledger's store, for tokens: what it creates is for its owner alone."""
    return open_store(location, file_mode=0o600, dir_mode=0o700)


def parse_presented(text: str) -> Presented | None:
    """What somebody shows as a token, or None where it has not the form of one."""
    match = _TOKEN.fullmatch(text)
    return Presented(match[1], sha256(text.encode()).hexdigest()) if match else None


def read_tokens(store: Store, known: StoredTokens | None = None) -> StoredTokens:
    """All tokens; those in `known` are not read again, for none is ever changed.

    Raises:
        StoreError: they cannot be listed or read.
    """
    tokens: dict[str, TokenFile] = {}
    revoked: dict[str, datetime] = {}
    damaged: list[str] = []
    for name in store.list(layout.TOKENS):
        parsed = layout.parse_token(name)
        if parsed is None:
            continue
        try:
            if parsed.is_revocation:
                at = known.revoked.get(parsed.id) if known else None
                revoked[parsed.id] = at or _read(store, name, Revocation).revoked_at
            else:
                token = known.tokens.get(parsed.id) if known else None
                tokens[parsed.id] = token or _read(store, name, TokenFile)
        except NotFoundError:
            continue  # removed since it was listed
        except IntegrityError:
            damaged.append(name)
            if parsed.is_revocation:  # whatever is in it: somebody meant to revoke the token
                revoked[parsed.id] = datetime.fromtimestamp(0, UTC)
    return StoredTokens(tokens, revoked, damaged)


def _read(store: Store, name: str, form: type[_Form]) -> _Form:
    try:
        found = msgspec.json.decode(store.get(name), type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise IntegrityError("bad_token_file", f"{name} is damaged", "remove it") from error
    parsed = layout.parse_token(name)
    if parsed is None or parsed.id != found.id or not _is_sound(found):
        raise IntegrityError("bad_token_file", f"{name} is not as it was written", "remove it")
    return found


def _is_sound(found: "TokenFile | Revocation") -> bool:
    """Whether what was read can be compared: times know their zone, a hash is one."""
    if isinstance(found, Revocation):
        return found.revoked_at.tzinfo is not None
    times = (found.created_at, found.expires_at or found.created_at)
    return _HASH.fullmatch(found.hash) is not None and all(time.tzinfo is not None for time in times)
