"""API tokens: making, listing, finding and revoking them; what they are is in `ledger.api.tokenfiles`, and can be had from here too."""

import re
import secrets
from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec

from ledger.api.tokenfiles import (
    Presented,
    Revocation,
    Scope,
    StoredTokens,
    TokenFile,
    parse_presented,
    read_tokens,
    token_store,
)
from ledger.errors import NotFoundError, UsageError
from ledger.storage import layout
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
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LIKE_ID = re.compile(r"[0-9a-f]{4,16}")
_ACCOUNTS = re.compile(r"[A-Za-z0-9._*?\[\]!-]{1,255}")
_MAX_TEXT: Final = 255


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a new token is to be."""

    name: str
    accounts: tuple[str, ...]
    scopes: tuple[Scope, ...]
    expires_at: datetime | None = None
    email: str = ""
    on_behalf_of: str = ""
    rate: float | None = None


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
    revocation = msgspec.json.encode(Revocation(row.id, now)) + b"\n"
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
