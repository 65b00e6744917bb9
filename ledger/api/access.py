"""Who asks, and what they may: tokens on admission, scopes and accounts in front of each handler."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.types import Guard

from ledger.api.problems import RefusalError
from ledger.api.tokenfiles import Scope, TokenFile

__all__ = [
    "ANONYMOUS",
    "CHALLENGE",
    "OPEN",
    "Caller",
    "Connection",
    "caller_of",
    "check_account",
    "presented_token",
    "require",
    "scope_of_guard",
]

OPEN: Final = "open"
"""A handler with this among its `opt` answers everybody."""
CHALLENGE: Final = {"www-authenticate": 'Bearer realm="ledger"'}
_SEES_ALL: Final = "*"

Connection = ASGIConnection[Any, Any, Any, Any]


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever a request is made by; handlers get it as the dependency `caller`."""

    token: TokenFile

    @property
    def id(self) -> str:
        """The token's id."""
        return self.token.id

    @property
    def name(self) -> str:
        """The token's name."""
        return self.token.name

    @property
    def email(self) -> str:
        """The address of whoever the token was made for; may be empty."""
        return self.token.email

    @property
    def is_anonymous(self) -> bool:
        """Whether no token was shown, to a server that is open to all."""
        return not self.token.hash

    def may(self, scope: Scope) -> bool:
        """Whether the token was made for this."""
        return scope in self.token.scopes or Scope.admin in self.token.scopes

    def sees(self, account: str) -> bool:
        """Whether the token was made for this account."""
        return self.token.is_for(account)

    @property
    def sees_all(self) -> bool:
        """Whether it was made for all accounts, those too that do not exist yet."""
        return _SEES_ALL in self.token.accounts

    def actor(self, request: Connection) -> dict[str, str]:
        """Who acts, as a change event says it: the token, for whom, from where."""
        found = {"type": "token", "id": self.id}
        client = request.client.host if request.client else ""
        agent = request.headers.get("user-agent", "")
        rest = (
            ("email", self.email),
            ("ip", client),
            ("user_agent", agent[:255]),
            ("on_behalf_of", self.token.on_behalf_of),
        )
        return found | {name: value for name, value in rest if value}


ANONYMOUS: Final = Caller(
    token=TokenFile(
        id="anonymous",
        name="anonymous",
        hash="",
        accounts=(_SEES_ALL,),
        scopes=(Scope.admin,),
        created_at=datetime.fromtimestamp(0, UTC),
    )
)
"""Whoever shows no token to a server that was started with `--insecure`."""


def presented_token(headers: Mapping[str, str]) -> tuple[str, str | None] | None:
    """The token that a request shows, and the address beside it; None where it shows none.

    `Authorization: Bearer TOKEN`, or as older clients of the platform do it `X-Auth-Key: TOKEN` with `X-Auth-Email`.
    """
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and text.strip():
        return text.strip(), None
    key = headers.get("x-auth-key", "").strip()
    return (key, headers.get("x-auth-email", "").strip()) if key else None


def caller_of(connection: Connection) -> Caller:
    """Whoever makes a request that was let in."""
    found = connection.scope.get("user")
    if not isinstance(found, Caller):
        raise RefusalError(401, "not_authenticated", "this needs a token", headers=CHALLENGE)
    return found


def require(scope: Scope) -> Guard:
    """The guard of a handler: its caller has the scope, and the account in its path (`account`), if there is one, is theirs.

    Raises:
        RefusalError: 403 `scope_missing`; 404 `no_such_account`, whether or not there is one.
    """

    async def guard(
        connection: Connection, _: BaseRouteHandler
    ) -> None:  # async: Litestar wraps others, and hides `scope`
        caller = caller_of(connection)
        account = connection.path_params.get("account")
        if account is not None:
            check_account(caller, str(account))
        if not caller.may(scope):
            raise RefusalError(
                403, "scope_missing", f"the token has not the scope {scope}", "make one with ledger tokens create"
            )

    guard.scope = scope  # type: ignore[attr-defined]  # `create_app` refuses handlers that nothing guards
    return guard


def check_account(caller: Caller, account: str) -> None:
    """Refuse an account that is not the caller's as one that does not exist.

    Raises:
        RefusalError: 404 `no_such_account`.
    """
    if not caller.sees(account):
        raise RefusalError(404, "no_such_account", "there is no such account")


def scope_of_guard(guard: Any) -> Scope | None:
    """The scope that a guard made by `require` asks for."""
    found = getattr(guard, "scope", None)
    return found if isinstance(found, Scope) else None
