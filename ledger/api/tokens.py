"""API tokens as the ledger keeps them: `tokens/<id>.json`, and `tokens/<id>.revoked.json` once one is revoked.

A token is 256 random bits, of which only the SHA-256 is kept. Nobody can guess such a token or find it in a list, so a slow hash
(scrypt, Argon2) would protect nothing and cost each request what it costs an attacker.
"""

import hmac
import re
import secrets
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Final, NamedTuple, TypeVar

import msgspec

from ledger.errors import IntegrityError, NotFoundError, UsageError
from ledger.storage import layout
from ledger.storage.opening import open_store
from ledger.storage.store import Store

__all__ = [
    "Presented",
    "Scope",
    "StoredTokens",
    "TokenFile",
    "TokenRow",
    "Wish",
    "create_token",
    "find_token",
    "list_tokens",
    "parse_presented",
    "read_tokens",
    "revoke_token",
    "rows_of",
    "token_store",
]

_PREFIX: Final = "dlt_"
"""Every token begins so, for those who search code for leaked ones."""
_ID_BYTES: Final = 8
_SECRET_BYTES: Final = 32
_TOKEN = re.compile(r"dlt_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
_LIKE_ID = re.compile(r"[0-9a-f]{4,16}")
_ACCOUNTS = re.compile(r"[A-Za-z0-9._*?\[\]!-]{1,255}")
_MAX_TEXT: Final = 255


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


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a new token is to be."""

    name: str
    accounts: tuple[str, ...]
    scopes: tuple[Scope, ...]
    expires_at: datetime | None = None
    email: str = ""
    on_behalf_of: str = ""
    rate: float | None = None


class _Revocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    revoked_at: datetime


_Form = TypeVar("_Form", TokenFile, _Revocation)


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


class TokenRow(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it is listed."""

    id: str
    name: str
    accounts: tuple[str, ...]
    scopes: tuple[Scope, ...]
    state: str
    """active, expired or revoked."""
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    email: str | None
    on_behalf_of: str | None
    rate: float | None


def token_store(location: str) -> Store:
    """The ledger's store, for tokens: what it creates is for its owner alone."""
    return open_store(location, file_mode=0o600, dir_mode=0o700)


def create_token(store: Store, wish: Wish, now: datetime) -> tuple[TokenFile, str]:
    """Make a token; durable on return.

    Returns:
        What is kept of it, and the token itself, which is kept nowhere.

    Raises:
        UsageError: `bad_token_name`, `token_exists`, `bad_account`, `no_scope`, `bad_expiry`, `bad_identity`, `bad_rate`.
    """
    _check(wish, now)
    if any(row.name == wish.name and row.state == "active" for row in list_tokens(store, now)):
        raise UsageError(
            "token_exists", f"there is a token {wish.name} already", "choose another name, or revoke that one"
        )
    token_id = secrets.token_hex(_ID_BYTES)
    text = f"{_PREFIX}{token_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    token = TokenFile(
        id=token_id,
        name=wish.name,
        hash=sha256(text.encode()).hexdigest(),
        accounts=wish.accounts,
        scopes=tuple(scope for scope in Scope if scope in wish.scopes),
        created_at=now,
        expires_at=wish.expires_at,
        email=wish.email,
        on_behalf_of=wish.on_behalf_of,
        rate=wish.rate,
    )
    # Crash after this: a token that nobody knows, which `ledger tokens list` shows.
    store.put(layout.token(token_id), msgspec.json.encode(token) + b"\n")
    return token, text


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
                revoked[parsed.id] = at or _read(store, name, _Revocation).revoked_at
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


def list_tokens(store: Store, now: datetime) -> list[TokenRow]:
    """All tokens, the newest first; what is damaged is none."""
    return rows_of(read_tokens(store), now)


def rows_of(stored: StoredTokens, now: datetime) -> list[TokenRow]:
    """Tokens as they are listed, the newest first."""
    found = sorted(stored.tokens.values(), key=lambda token: (token.created_at, token.id), reverse=True)
    return [_row(token, stored.revoked.get(token.id), now) for token in found]


def find_token(store: Store, text: str, now: datetime) -> TokenRow:
    """The token of that name, or with an id that begins so; of several with one name the newest, an active one before others.

    Raises:
        NotFoundError: `token_not_found`.
        UsageError: `ambiguous_token`.
    """
    rows = list_tokens(store, now)
    named = sorted((row for row in rows if row.name == text), key=lambda row: row.state != "active")
    if named:
        return named[0]
    found = [row for row in rows if row.id.startswith(text)] if text else []
    if not found:
        raise NotFoundError("token_not_found", f"there is no token {text}", "`ledger tokens list` shows all")
    if len(found) > 1:
        raise UsageError(
            "ambiguous_token", f"{len(found)} tokens have an id that begins with {text}", "give more digits"
        )
    return found[0]


def revoke_token(store: Store, text: str, now: datetime) -> TokenRow:
    """Revoke a token, for good; durable on return, and no error where it was revoked before.

    Raises:
        NotFoundError: `token_not_found`.
        UsageError: `ambiguous_token`.
    """
    row = find_token(store, text, now)
    revocation = msgspec.json.encode(_Revocation(row.id, now)) + b"\n"
    store.put_many([(layout.token_revocation(row.id), revocation)])
    return msgspec.structs.replace(row, state="revoked", revoked_at=row.revoked_at or now)


def _check(wish: Wish, now: datetime) -> None:
    if not _NAME.fullmatch(wish.name) or _LIKE_ID.fullmatch(wish.name):
        raise UsageError(
            "bad_token_name",
            f"{wish.name!r} is no name for a token",
            "use letters, digits, dots and dashes, such as ci-checkout; it must not look like an id",
        )
    bad = next((glob for glob in wish.accounts if not _ACCOUNTS.fullmatch(glob)), None)
    if bad is not None or not wish.accounts:
        raise UsageError("bad_account", f"{bad!r} is no account", "give an account, a glob such as 'acme-*', or '*'")
    if not wish.scopes:
        raise UsageError("no_scope", "what may the token be used for?", "give --scope read, write, audit or admin")
    if wish.expires_at is not None and wish.expires_at <= now:
        raise UsageError("bad_expiry", "a token that has expired already is of no use", "give a later time")
    if any(len(text) > _MAX_TEXT or not text.isprintable() for text in (wish.email, wish.on_behalf_of)):
        raise UsageError("bad_identity", "that is no id or address of a person", "one line of at most 255 characters")
    if wish.rate is not None and not 0 < wish.rate < 1_000_000:
        raise UsageError("bad_rate", f"{wish.rate:g} is no number of requests a second", "more than 0")


def _read(store: Store, name: str, form: type[_Form]) -> _Form:
    try:
        found = msgspec.json.decode(store.get(name), type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise IntegrityError("bad_token_file", f"{name} is damaged", "remove it") from error
    parsed = layout.parse_token(name)
    if parsed is None or parsed.id != found.id or not _is_sound(found):
        raise IntegrityError("bad_token_file", f"{name} is not as it was written", "remove it")
    return found


def _is_sound(found: "TokenFile | _Revocation") -> bool:
    """Whether what was read can be compared: times know their zone, a hash is one."""
    if isinstance(found, _Revocation):
        return found.revoked_at.tzinfo is not None
    times = (found.created_at, found.expires_at or found.created_at)
    return _HASH.fullmatch(found.hash) is not None and all(time.tzinfo is not None for time in times)


def _row(token: TokenFile, revoked_at: datetime | None, now: datetime) -> TokenRow:
    expired = token.expires_at is not None and token.expires_at <= now
    return TokenRow(
        id=token.id,
        name=token.name,
        accounts=token.accounts,
        scopes=token.scopes,
        state="revoked" if revoked_at else "expired" if expired else "active",
        created_at=token.created_at,
        expires_at=token.expires_at,
        revoked_at=revoked_at,
        email=token.email or None,
        on_behalf_of=token.on_behalf_of or None,
        rate=token.rate,
    )
