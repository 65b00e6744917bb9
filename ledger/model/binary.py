"""CloudEvents modes on Kafka: is a record in structured or in binary mode, and what do its headers say?

Source: CloudEvents Kafka protocol binding 1.0.2, section 3.
"""

from collections.abc import Iterable
from typing import Final

from ledger.model.reasons import RefusedError, join, refuse

__all__ = ["STRUCTURED", "Headers", "binary_attributes", "is_plainly_structured", "readable_attributes"]

STRUCTURED: Final = "application/cloudevents+json"
_PLAINLY: Final = (("content-type", STRUCTURED.encode()),)
_CONTENT_TYPE: Final = "datacontenttype"
_ORDER: Final = ("specversion", "type", "source", "id", "subject", "time", "accountid", "datacontenttype", "dataschema")

Headers = Iterable[tuple[str, bytes | None]]


def is_plainly_structured(headers: Headers) -> bool:
    """Whether the headers say structured mode in the form in which nearly all do; others may say it as well."""
    return headers == _PLAINLY or not headers


def binary_attributes(headers: Headers) -> dict[str, str] | None:
    """The attributes of an event in binary mode, in canonical order; None where the mode is structured.

    Raises:
        RefusedError: an attribute occurs twice or is not UTF-8, or the content type is not one that is read.
    """
    found: dict[str, str] = {}
    content_type = None
    for name, value in headers:
        lower = name.lower()
        if lower == "content-type":
            if content_type is not None:
                raise _repeated(_CONTENT_TYPE)
            content_type = _text(value)
        elif lower.startswith("ce_"):
            attribute = lower[3:]
            if attribute in found:
                raise _repeated(attribute)
            try:
                found[attribute] = (value or b"").decode()
            except UnicodeDecodeError:
                raise refuse("not_utf8", join("$", attribute), "the attribute's header is not UTF-8") from None
    if content_type is not None and _is_of_cloudevents(content_type):
        if content_type.partition(";")[0].strip().lower() != STRUCTURED:
            raise refuse("bad_value", "$", f"of the structured modes only {STRUCTURED} is read")
        return None
    if not found:
        return None
    if content_type is not None:
        if _CONTENT_TYPE in found:
            raise _repeated(_CONTENT_TYPE)
        found[_CONTENT_TYPE] = content_type
    first = [name for name in _ORDER if name in found]
    return {name: found[name] for name in (*first, *sorted(set(found) - set(first)))}


def readable_attributes(headers: Headers) -> list[tuple[str, str | None]]:
    """What the headers say of an event in binary mode, whatever else is wrong with it; nothing where the mode is not that one.

    Returns:
        Every attribute in the order of its headers, repeated ones included; None where it is not UTF-8.
    """
    found: list[tuple[str, str | None]] = []
    for name, value in headers:
        lower = name.lower()
        if lower == "content-type" and _is_of_cloudevents(_text(value)):
            return []
        if lower.startswith("ce_"):
            try:
                found.append((lower[3:], (value or b"").decode()))
            except UnicodeDecodeError:
                found.append((lower[3:], None))
    return found


def _is_of_cloudevents(content_type: str) -> bool:
    return content_type.lower().startswith("application/cloudevents")


def _text(content_type: bytes | None) -> str:
    return (content_type or b"").decode("latin-1").strip()


def _repeated(attribute: str) -> RefusedError:
    return refuse("duplicate_member", join("$", attribute), "the attribute's header occurs twice")
