"""Which other scripts a script calls or hands something to, as its bindings and settings say."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

__all__ = ["Call", "binding_calls", "setting_calls"]

_SETTINGS: Final = ("tail_consumers", "streaming_tail_consumers")


class Call(Struct, frozen=True, order=True):
    """One script's use of another, or of a queue."""

    kind: str
    """service, durable object, workflow, dispatch (the outbound worker of a namespace), queue (messages sent), tail."""
    target: str
    """The script called; for a queue, its name."""
    via: str
    """The binding or setting."""
    detail: str = ""
    """Entry point, class or environment, where given."""


def binding_calls(bindings: Mapping[str, Any]) -> Iterator[Call]:
    """The calls that bindings make possible: name -> binding, as a manifest has them."""
    for name, binding in bindings.items():
        if not isinstance(binding, Mapping):
            continue
        kind = binding.get("type")
        match kind:
            case "service" if isinstance(binding.get("service"), str):
                yield Call("service", binding["service"], name, _detail(binding, "entrypoint", "environment"))
            case "durable_object_namespace" | "workflow" if isinstance(binding.get("script_name"), str):
                yield Call(
                    "workflow" if kind == "workflow" else "durable object",
                    binding["script_name"],
                    name,
                    _detail(binding, "class_name", "environment"),
                )
            case "queue" if isinstance(queue := binding.get("queue_name", binding.get("queue")), str):
                yield Call("queue", queue, name)
            case "dispatch_namespace" if isinstance(worker := _outbound(binding), str):
                yield Call("dispatch", worker, name, _detail(binding, "namespace"))
            case _:
                pass


def setting_calls(settings: Mapping[str, Any]) -> Iterator[Call]:
    """The scripts that unversioned settings hand logs to."""
    for name in _SETTINGS:
        consumers = settings.get(name)
        for consumer in consumers if isinstance(consumers, list) else ():
            if isinstance(consumer, Mapping) and isinstance(consumer.get("service"), str):
                yield Call("tail", consumer["service"], name, _detail(consumer, "environment"))


def _outbound(binding: Mapping[str, Any]) -> Any:
    """The script that sees what the scripts of a dispatch namespace fetch; told in either of two forms."""
    outbound = binding.get("outbound")
    if not isinstance(outbound, Mapping):
        return None
    worker = outbound.get("worker", outbound)
    return worker.get("service") if isinstance(worker, Mapping) else worker


def _detail(value: Mapping[str, Any], *names: str) -> str:
    return " ".join(str(value[name]) for name in names if isinstance(value.get(name), str))
