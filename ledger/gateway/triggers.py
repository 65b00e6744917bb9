"""How a script is reached: what the platform's tools say of routes, domains, schedules, queues and the subdomain, as an event's `data`."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ledger.gateway.jsonbody import member
from ledger.gateway.refusals import refuse
from ledger.gateway.secretvalues import refuse_hidden

__all__ = [
    "consumer",
    "domains",
    "no_consumer",
    "queue_id",
    "queue_name",
    "routes",
    "schedules",
    "script_settings",
    "subdomain",
    "zone_route",
]

_SUBDOMAIN: Final = ("enabled", "previews_enabled")
_NOT_KEPT_OF_QUEUES: Final = ("script_name", "type")
_NOT_KEPT_OF_DOMAINS: Final = ("hostname", "zone_name")


def schedules(body: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`PUT .../schedules`: all crons of the script.

    Raises:
        GatewayError: one has no expression.
    """
    return {"crons": {"replace": {_text(item, "cron"): {} for item in body}}}


def routes(body: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`PUT .../routes`: all routes of the script; zones as they were sent, by name, by id, or not at all.

    Raises:
        GatewayError: one has no pattern.
    """
    return {"routes": {"replace": {_text(item, "pattern"): _zone(item) for item in body}}}


def zone_route(zone: str, body: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """`POST /zones/{zone}/workers/routes`: the script, and the route that is given to it.

    Raises:
        GatewayError: it has no pattern or script.
    """
    return _text(body, "script"), {"routes": {"merge": {_text(body, "pattern"): {"zone_id": zone}}}}


def domains(body: Mapping[str, Any]) -> dict[str, Any]:
    """`PUT .../domains/records`: all custom domains of the script.

    Raises:
        GatewayError: one has no host name.
    """
    found = {}
    for origin in member(body, "origins", list, []):
        if not isinstance(origin, dict):
            raise refuse("an origin must be an object")
        rest = {name: value for name, value in origin.items() if name not in _NOT_KEPT_OF_DOMAINS and value is not None}
        refuse_hidden(rest)
        found[_text(origin, "hostname")] = _zone(origin) | rest
    return {"domains": {"replace": found}}


def subdomain(body: Mapping[str, Any]) -> dict[str, Any]:
    """`POST .../subdomain`: what is absent stays as it is.

    Raises:
        GatewayError: one is neither true nor false.
    """
    said = {name: body[name] for name in _SUBDOMAIN if body.get(name) is not None}
    if not said or not all(isinstance(value, bool) for value in said.values()):
        raise refuse("`enabled` and `previews_enabled` are true or false")
    return {"subdomain": {"merge": said}}


def script_settings(body: Mapping[str, Any]) -> dict[str, Any]:
    """`PATCH .../script-settings`: each setting whole, null takes it away.

    Raises:
        GatewayError: a secret's value is among them.
    """
    refuse_hidden(body)
    return {"settings": {"merge": dict(body)}}


def consumer(queue: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A script consumes a queue; the rest of the body says how.

    Raises:
        GatewayError: a secret's value is in it.
    """
    said = {name: value for name, value in body.items() if name not in _NOT_KEPT_OF_QUEUES and value is not None}
    refuse_hidden(said)
    return {"queues": {"merge": {queue: {"type": "worker", **said}}}}


def no_consumer(queue: str) -> dict[str, Any]:
    """A script consumes a queue no more."""
    return {"queues": {"merge": {queue: None}}}


def queue_id(name: str) -> str:
    """The id under which a queue is known to the tools: it says the name, so that nobody has to remember it."""
    return name.encode().hex()


def queue_name(identifier: str) -> str:
    """The name of the queue with an id that `queue_id` made.

    Raises:
        GatewayError: there is none.
    """
    try:
        name = bytes.fromhex(identifier).decode()
    except ValueError:
        name = ""
    if not name or queue_id(name) != identifier:
        raise refuse("there is no queue with this id: ask for it by its name", 404)
    return name


def _text(item: Mapping[str, Any], name: str) -> str:
    found = item.get(name)
    if not isinstance(found, str) or not found:
        raise refuse(f"`{name}` must be a text that is not empty")
    return found


def _zone(item: Mapping[str, Any]) -> dict[str, str]:
    zone = {"zone": item.get("zone_name"), "zone_id": item.get("zone_id")}
    if not all(isinstance(value, str | None) for value in zone.values()):
        raise refuse("`zone_name` and `zone_id` are texts")
    return {name: value for name, value in zone.items() if value}
