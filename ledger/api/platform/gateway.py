"""What the platform's handlers work with: keys, blobs, and who is named to whom; one of each for a server."""

import asyncio
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
from litestar import Request
from litestar.di import Provide

from ledger.api.access import Caller
from ledger.api.context import Context
from ledger.api.naming import may_name
from ledger.api.platform.accountkeys import open_account_keys
from ledger.api.platform.rendered import Rendered
from ledger.gateway.objects import Author, Name
from ledger.gateway.refusals import no_script
from ledger.gateway.secretvalues import Seal
from ledger.gateway.zones import zones_of
from ledger.live.script import LiveScript
from ledger.model.events import Actor
from ledger.model.said import SealedActor
from ledger.model.state import Account, Script
from ledger.storage.blobs import BlobStore

__all__ = ["CALL", "Call", "Gateway", "PlatformRequest", "gateway_of"]

PlatformRequest = Request[Any, Any, Any]

_NOBODY: Final = Author("unknown", "unknown")
_ERASED: Final = "erased"
_WITHHELD: Final = "withheld"


class Gateway:
    """What handlers work with; they get it as the dependency `gateway`."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.live = context.live
        self.settings = context.settings
        self.blobs = BlobStore(context.live.store)
        self.keys = open_account_keys(context.settings.ledger, context.settings.keys, context.about.name)
        self.rendered = Rendered()

    def state(self, account: str) -> Account | None:
        """An account as it is now, only to be read."""
        return self.live.account(account)

    def script_state(self, account: str, script: str) -> Script | None:
        """A script's state; None where it does not exist (it may have been deleted)."""
        found = self.live.account(account)
        state = None if found is None else found.scripts.get(script)
        return None if state is None or state.newest is None else state

    def existing(self, account: str, script: str) -> LiveScript:
        """A script that exists.

        Raises:
            GatewayError: 10007.
        """
        found = self.live.script(account, script)
        if found is None or found.script.newest is None:
            raise no_script()
        return found

    def seal(self, account: str) -> Seal:
        """Makes MACs under an account's key, which is read (or made) when the first one is asked for: for threads that may wait."""

        def seal(value: bytes) -> str:
            return self.keys.mac(account)(value)

        return seal

    def zones(self) -> dict[str, str]:
        """The zones of the settings: name to id."""
        return zones_of(self.settings.platform_zones or "")


class Call(NamedTuple):
    """One request about an account, as a handler gets it: the dependency `call`."""

    gateway: Gateway
    caller: Caller
    request: PlatformRequest
    account: str

    def existing(self, script: str) -> LiveScript:
        """A script of the account; see `Gateway.existing`."""
        return self.gateway.existing(self.account, script)

    async def names(self, actors: Iterable[SealedActor | None]) -> tuple[Name, frozenset[str]]:
        """How actors of the account are named to the caller, and the pseudonyms of those whom only the scope `audit` shows.

        Whoever asks is shown themselves. That others are shown is in the audit trail when this returns.
        """
        wanted = {actor for actor in actors if actor is not None}
        opened = await asyncio.to_thread(
            lambda: {actor: self.gateway.live.names.actor(self.account, actor) for actor in wanted}
        )
        others = frozenset(
            actor.pseudonym for actor, found in opened.items() if found is not None and not _is(self.caller, found)
        )
        shows = await self.may_show(others)

        def name(actor: SealedActor | None) -> Author:
            if actor is None:
                return _NOBODY
            found = opened.get(actor)
            if found is None:
                return Author(actor.pseudonym, _ERASED)
            if not shows and not _is(self.caller, found):
                return Author(actor.pseudonym, _WITHHELD)
            return _author(found)

        return name, others if shows else frozenset()

    async def may_show(self, pseudonyms: Collection[str]) -> bool:
        """Whether others may be named to the caller; see `may_name`."""
        return not pseudonyms or await may_name(
            self.gateway.context, self.caller, self.request, self.account, pseudonyms
        )


def _call_of(gateway: Gateway, caller: Caller, request: PlatformRequest, account: str) -> Call:
    """A request whose path names an account."""
    return Call(gateway, caller, request, account)


CALL: Final = {"call": Provide(_call_of, sync_to_thread=False)}
"""The dependency, for handlers that have it: the document would miss the account of one that has not."""

_gateways: WeakKeyDictionary[Context, Gateway] = WeakKeyDictionary()


def gateway_of(context: Context) -> Gateway:
    """The gateway of a server."""
    found = _gateways.get(context)
    if found is None:
        found = _gateways[context] = Gateway(context)
    return found


def _is(caller: Caller, actor: Actor) -> bool:
    """Whether an actor is whoever asks."""
    return actor.id == caller.id or bool(caller.email and actor.email == caller.email)


def _author(actor: Actor) -> Author:
    texts = (actor.email, actor.on_behalf_of)
    return Author(actor.id, next((text for text in texts if text is not msgspec.UNSET), actor.id))
