"""Who asks, and which accounts are theirs."""

from typing import Any

from litestar import Router, get

from ledger.api.access import Caller, require
from ledger.api.platform.envelopes import Answer, answer, listed
from ledger.api.platform.gateway import Gateway, PlatformRequest
from ledger.api.tokens import Scope

__all__ = ["people_routes"]

_READ = [require(Scope.read)]
_TAGS = ["platform: accounts"]
_MARKS = frozenset("*?[")


@get("/user", guards=_READ, operation_id="getUser", tags=_TAGS)
async def get_user(caller: Caller) -> Answer:
    """Whoever the token is: the actor of what it changes."""
    return answer({"id": caller.id, "email": caller.email or caller.id})


@get("/user/tokens/verify", guards=_READ, operation_id="verifyToken", tags=_TAGS)
async def verify_token(caller: Caller) -> Answer:
    """That the token is one: whoever gets this answer has it."""
    return answer({"id": caller.id, "status": "active"})


@get("/memberships", guards=_READ, operation_id="listMemberships", tags=_TAGS)
async def list_memberships(gateway: Gateway, caller: Caller, request: PlatformRequest) -> Answer:
    """The accounts of the token, as the tools look for one where none is named."""
    members = [{"id": account["id"], "account": account} for account in _accounts(gateway, caller)]
    return listed(members, request.query_params)


@get("/accounts", guards=_READ, operation_id="listAccounts", tags=_TAGS)
async def list_accounts(gateway: Gateway, caller: Caller, request: PlatformRequest) -> Answer:
    """The accounts of the token: those that it names, and those of the ledger that fit it."""
    return listed(_accounts(gateway, caller), request.query_params)


def _accounts(gateway: Gateway, caller: Caller) -> list[dict[str, Any]]:
    named = {account for account in caller.token.accounts if not _MARKS & set(account)}
    known = {account for account in gateway.live.accounts() if caller.sees(account)}
    return [{"id": account, "name": account} for account in sorted(named | known)]


def people_routes() -> Router:
    """These handlers."""
    return Router("/", route_handlers=[get_user, verify_token, list_memberships, list_accounts])
