"""The API that wrangler speaks."""

from litestar import Router

__all__ = ["platform_routes"]


def platform_routes() -> list[Router]:
    """The handlers of the platform's paths."""
    return []
