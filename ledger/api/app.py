"""The Litestar app: every handler behind admission, every error in its form."""

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.routes import HTTPRoute

from ledger.api.access import OPEN, Caller, Connection, caller_of, scope_of_guard
from ledger.api.admission import Admission
from ledger.api.context import Context
from ledger.api.describing import describing_routes
from ledger.api.document import build_document
from ledger.api.health import health_routes
from ledger.api.native import native_routes
from ledger.api.platform import platform_routes
from ledger.api.problems import responses

__all__ = ["all_routes", "create_app"]


def create_app(context: Context) -> Litestar:
    """The app of a server.

    Handlers get `context` and, unless they are open to all, `caller` as dependencies. Raises RuntimeError for a handler that neither
    is open to all (`opt`) nor has a guard of `require`.
    """
    app = Litestar(
        route_handlers=[*all_routes(), *describing_routes(lambda: build_document(all_routes()))],
        dependencies={
            "context": Provide(lambda: context, sync_to_thread=False),
            "caller": Provide(_caller, sync_to_thread=False),
        },
        middleware=[DefineMiddleware(Admission, context=context)],
        exception_handlers=responses(context.log),
        openapi_config=None,
        logging_config=None,
        # Both could be switched on by the environment, and would show tracebacks.
        debug=False,
        pdb_on_exception=False,
        signature_types=[Caller, Context],
    )
    _check_guarded(app)
    return app


def all_routes() -> list[Router]:
    """The handlers of everything that the document describes."""
    return [*health_routes(), *platform_routes(), *native_routes()]


def _caller(request: Connection) -> Caller:
    return caller_of(request)


def _check_guarded(app: Litestar) -> None:
    """No handler is open to all by mistake."""
    for route in app.routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else (route.route_handler,):
            if getattr(handler, "http_methods", None) == {"OPTIONS"}:
                continue  # Litestar's own: says which methods there are, to whoever has a token
            guards = [scope_of_guard(guard) for guard in handler.resolve_guards()]
            if not handler.opt.get(OPEN) and not any(guards):
                raise RuntimeError(f"{route.path}: a handler without a guard that asks for a scope")
