"""Who may be told who people are, and that they were told."""

import asyncio
from collections.abc import Collection

from ledger.api.access import Caller, Connection
from ledger.api.context import Context
from ledger.api.tokens import Scope

__all__ = ["may_name"]


async def may_name(
    context: Context, caller: Caller, request: Connection, account: str, pseudonyms: Collection[str]
) -> bool:
    """Whether an answer may say who these people of an account are; that it does is in the audit trail when this returns.

    Ask with all of an answer's people at once, and only for those that it will really name. False without the scope `audit`: show
    pseudonyms.

    Raises:
        StoreError: `audit_unwritten`: say nothing.
    """
    if not caller.may(Scope.audit) or not caller.sees(account):
        return False
    if pseudonyms:
        written = context.trail.named(
            token=caller.id,
            name=caller.name,
            route=request.scope["path_template"],
            account=account,
            pseudonyms=pseudonyms,
        )
        await asyncio.wrap_future(written)
    return True
