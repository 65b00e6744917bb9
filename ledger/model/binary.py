"""CloudEvents modes on Kafka: is a record in structured or in binary mode, and what do its headers say?

Source: CloudEvents Kafka protocol binding 1.0.2, section 3.
"""

from collections.abc import Iterable
from typing import Final

from ledger.model.reasons import join, refuse

__all__ = ["STRUCTURED", "Headers", "binary_attributes", "is_plainly_structured"]

STRUCTURED: Final = "application/cloudevents+json"
_PLAINLY: Final = (("content-type", STRUCTURED.encode()),)
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
            content_type = (value or b"").decode("latin-1").strip()
        elif lower.startswith("ce_"):
            attribute = lower[3:]
            if attribute in found:
                raise refuse("duplicate_member", join("$", attribute), "the attribute's header occurs twice")
            try:
                found[attribute] = (value or b"").decode()
            except UnicodeDecodeError:
                raise refuse("not_utf8", join("$", attribute), "the attribute's header is not UTF-8") from None
    if content_type is not None and content_type.lower().startswith("application/cloudevents"):
        if content_type.partition(";")[0].strip().lower() != STRUCTURED:
            raise refuse("bad_value", "$", f"of the structured modes only {STRUCTURED} is read")
        return None
    if not found:
        return None
    if content_type is not None:
        found["datacontenttype"] = content_type
    first = [name for name in _ORDER if name in found]
    return {name: found[name] for name in (*first, *sorted(set(found) - set(first)))}
