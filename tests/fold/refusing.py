"""How the cases of strict decoding are written: a good event, and ways to make it wrong."""

from typing import Any

from tests.fold.building import (
    Case,
    Event,
    at,
    case,
    change,
    code,
    deployed,
    does,
    merge,
    rejected,
    text,
)

GOOD = change("e1", code=code(), time=at(0))
RAW = text(GOOD)
FITS = deployed("code main added", "code modules/index.js added", version=1, deployment=1)


def with_attributes(**attributes: Any) -> Event:
    """The good event with these attributes."""
    return {**GOOD, **attributes}


def without(name: str) -> bytes:
    """The good event without that attribute."""
    return text({key: value for key, value in GOOD.items() if key != name})


def with_data(**members: Any) -> Event:
    """The good event with these members of data."""
    return {**GOOD, "data": {**GOOD["data"], **members}}


def swap(old: str, new: str) -> bytes:
    """The good event's bytes with the first `old` replaced."""
    assert old.encode() in RAW
    return RAW.replace(old.encode(), new.encode(), 1)


def padded(length: int) -> bytes:
    """The good event with so many spaces behind it that it is that long."""
    return RAW + b" " * (length - len(RAW))


def nested(depth: int) -> bytes:
    """An event with brackets nested that deep: the event, data, config, merge and vars, A, then arrays."""
    arrays = depth - 6
    return text(with_data(config=merge(vars={"A": {"json": "DEEP"}}))).replace(b'"DEEP"', b"[" * arrays + b"]" * arrays)


def refused(name: str, event: Event | bytes | None, reason: str, path: str | None = None, **how: Any) -> Case:
    """A case of one record that is refused."""
    return case(name, does(event, rejected(reason, path), **how))


def accepted(name: str, event: Event | bytes, **how: Any) -> Case:
    """A case of one record that is accepted."""
    return case(name, does(event, {"accepted": True}, **how))
