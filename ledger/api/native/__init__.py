"""The ledger's own API, under `/v1`."""

from litestar import Router

__all__ = ["native_routes"]


def native_routes() -> list[Router]:
    """The handlers of the ledger's own paths."""
    return []
