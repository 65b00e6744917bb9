"""Whether the server is alive, whether it is ready, and its numbers."""

from typing import Final

import msgspec
from litestar import Response, Router, get
from litestar.openapi.datastructures import ResponseSpec

from ledger.api.access import OPEN, Caller, require
from ledger.api.context import Context
from ledger.api.metrics import CONTENT_TYPE
from ledger.api.problems import RefusalError
from ledger.api.tokens import Scope

__all__ = ["health_routes"]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe answers."""

    status: str
    """`ok` or `failing`."""
    reasons: list[str]
    """One sentence each; empty where it is ok."""


_FAILING: Final = {503: ResponseSpec(Health, description="It is not; the reasons say why.", generate_examples=False)}


@get(
    "/healthz",
    opt={OPEN: True},
    operation_id="healthz",
    summary="Whether the server is alive",
    tags=["operation"],
    responses=_FAILING,
)
async def healthz(context: Context) -> Response[Health]:
    """Whether the server can do its work: 503 where it should be looked at, or started again."""
    return _answer(_broken(context))


@get(
    "/readyz",
    opt={OPEN: True},
    operation_id="readyz",
    summary="Whether the server is ready",
    tags=["operation"],
    responses=_FAILING,
)
async def readyz(context: Context) -> Response[Health]:
    """Whether requests should be sent here: 503 while it stops, cannot read the ledger, or cannot tell which tokens were revoked."""
    reasons = _broken(context)
    if context.stopping.is_set():
        reasons.append("the server is stopping")
    behind = context.live.problem()
    if behind is not None:
        reasons.append(f"what is shown may be behind the log: {behind.code}")
    if context.registry.is_stale:
        reasons.append("it cannot be read which tokens were revoked")
    return _answer(reasons)


@get(
    "/metrics",
    guards=[require(Scope.read)],
    operation_id="metrics",
    summary="Numbers for Prometheus",
    tags=["operation"],
    media_type=CONTENT_TYPE,
)
async def metrics(context: Context, caller: Caller) -> Response[bytes]:
    """In Prometheus's text format. For tokens of all accounts: the numbers are about all of them."""
    if not caller.sees_all:
        raise RefusalError(403, "all_accounts", "this is for tokens of all accounts", "make one with --account '*'")
    return Response(context.metrics.text(), media_type=CONTENT_TYPE)


def health_routes() -> list[Router]:
    """These handlers."""
    return [Router("/", route_handlers=[healthz, readyz, metrics])]


def _broken(context: Context) -> list[str]:
    return [] if context.trail.failure is None else [context.trail.failure]


def _answer(reasons: list[str]) -> Response[Health]:
    verdict = Health(status="failing" if reasons else "ok", reasons=reasons)
    return Response(verdict, status_code=503 if reasons else 200)
