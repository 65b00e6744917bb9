"""What people say about a change: message and tag."""

from collections.abc import Mapping
from typing import Any, Final

from ledger.gateway.refusals import refuse

__all__ = ["MAX_MESSAGE_BYTES", "MAX_TAG_BYTES", "read_annotations", "said"]

MAX_MESSAGE_BYTES: Final = 1000
MAX_TAG_BYTES: Final = 100


def read_annotations(annotations: Any) -> dict[str, str]:
    """`message` and `tag` of an event, as far as a request has them: an empty text is none.

    Raises:
        GatewayError: one is no text, or too long.
    """
    if annotations is None:
        return {}
    if not isinstance(annotations, Mapping):
        raise refuse("`annotations` must be an object")
    return said(annotations.get("workers/message"), annotations.get("workers/tag"))


def said(message: Any, tag: Any = None) -> dict[str, str]:
    """The same, of its two texts."""
    found = {}
    for name, text, most in (("message", message, MAX_MESSAGE_BYTES), ("tag", tag, MAX_TAG_BYTES)):
        if text is None or text == "":
            continue
        if not isinstance(text, str) or len(text.encode("utf-8", "surrogatepass")) > most:
            raise refuse(f"the {name} must be a text of at most {most} bytes")
        found[name] = text
    return found
