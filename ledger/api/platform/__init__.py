"""The API that wrangler speaks."""

from litestar import Router
from litestar.datastructures import CacheControlHeader
from litestar.di import Provide

from ledger.api.platform.assets import asset_routes
from ledger.api.platform.changing import change_routes
from ledger.api.platform.describing import describe_routes
from ledger.api.platform.elsewhere import elsewhere_routes
from ledger.api.platform.envelopes import refused
from ledger.api.platform.gateway import Call, Gateway, gateway_of
from ledger.api.platform.listing import list_routes
from ledger.api.platform.people import people_routes
from ledger.api.platform.queues import queue_routes
from ledger.api.platform.uploading import upload_routes
from ledger.gateway.refusals import GatewayError

__all__ = ["platform_routes"]


def platform_routes() -> list[Router]:
    """The handlers of the platform's paths."""
    parts = (
        list_routes,
        describe_routes,
        upload_routes,
        asset_routes,
        change_routes,
        people_routes,
        queue_routes,
        elsewhere_routes,
    )
    return [
        Router(
            "/",
            route_handlers=[part() for part in parts],
            dependencies={"gateway": Provide(gateway_of, sync_to_thread=False)},
            exception_handlers={GatewayError: refused},
            signature_types=[Call, Gateway],
            cache_control=CacheControlHeader(no_store=True),  # they name people, who may be erased a moment later
            request_max_body_size=None,  # the server has a limit of its own, before Litestar's
        )
    ]
