"""The histories of the real data's scripts as patterns that other names, times and digests are put into.

An event keeps its shape: what changes, in which aspect, in which order, by how many people. What identifies somebody or something
is a place in a pattern: the account, the script and the scripts that its bindings name, hosts, people, the event's id and time, and
the last quarter of every digest, so that two accounts share no module but scripts of one account do where the real ones did.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec

from bench.load import real_events

__all__ = ["SALTS", "History", "Step", "real_histories"]

SALTS: Final = 8

_DIGEST: Final = re.compile(rb'"sha256":"([0-9a-f]{48})[0-9a-f]{16}"')
_PERSON: Final = re.compile(rb"\b(u_[0-9a-f]{8})[0-9a-f]{4}\b")
_PLACES: Final = ("account", "suffix", "host", "id", "time", "interface", "target")
_DEPLOYING: Final = frozenset(("code", "bindings", "config"))
_TARGETS: Final = ("service", "script_name")
"""Members of bindings that name a script."""


class Step(NamedTuple):
    """One event of a history."""

    pattern: bytes
    """The event, its places as `%(name)b`: account, suffix, host, id, time, interface, person, salt0 to salt7."""
    going_back: bytes
    """The same person's rollback to a deployment: `%(target)b` besides."""
    source: str
    interface: bytes
    deploys: bool
    deletes: bool


class History(NamedTuple):
    """The events of one real script, in their order."""

    name: str
    """Of the script; no other history has it. A copy of the script has this and a suffix."""
    steps: list[Step]


@cache
def real_histories() -> list[History]:
    """Every script of the real data, those of an account one after the other."""
    events = defaultdict(list)
    for event in map(msgspec.json.decode, real_events()):
        events[event["accountid"], event["subject"]].append(event)
    names = _names(events)
    return [History(names[script], [_step(event, names) for event in events[script]]) for script in sorted(events)]


_Names = dict[tuple[str, str], str]


def _names(scripts: Iterable[tuple[str, str]]) -> _Names:
    """A name for each script that no other has: its own, or with the account in front."""
    accounts = defaultdict(list)
    for account, script in sorted(scripts):
        accounts[script].append(account)
    return {
        (account, script): script if len(owners) == 1 else f"{account}-{script}"
        for script, owners in accounts.items()
        for account in owners
    }


def _step(event: dict[str, Any], names: _Names) -> Step:
    account, data = event["accountid"], event["data"]
    interface = data["interface"].encode()
    event |= {
        "id": _place("id") + event["id"][8:],
        "subject": names[account, event["subject"]] + _place("suffix"),
        "time": _place("time"),
        "accountid": _place("account"),
    }
    data["interface"] = _place("interface")
    for aspect in ("routes", "domains"):
        for how, values in data.get(aspect, {}).items():
            data[aspect][how] = {_elsewhere(name): value for name, value in values.items()}
    for values in data.get("bindings", {}).values():
        for binding in filter(None, values.values()):
            for member in _TARGETS:
                if (target := names.get((account, binding.get(member)))) is not None:
                    binding[member] = target + _place("suffix")
    back = {name: data[name] for name in ("actor", "interface")} | {
        "message": "go back",
        "rollback_to": _place("target"),
    }
    return Step(
        pattern=_pattern(event),
        going_back=_pattern(event | {"data": back}),
        source=event["source"],
        interface=interface,
        deploys=not _DEPLOYING.isdisjoint(data),
        deletes="delete" in data,
    )


def _elsewhere(pattern: str) -> str:
    """A route's pattern or a host name, of a host of another account."""
    scheme, found, rest = pattern.rpartition("://")
    wild = re.match(r"\*?\.?", rest)
    start = wild.end() if wild else 0
    return f"{scheme}{found}{rest[:start]}{_place('host')}.{rest[start:]}"


def _place(name: str) -> str:
    return f"<<{name}>>"


def _pattern(event: dict[str, Any]) -> bytes:
    text = msgspec.json.encode(event).replace(b"%", b"%%")
    for name in _PLACES:
        text = text.replace(_place(name).encode(), b"%%(%b)b" % name.encode())
    text = _PERSON.sub(rb"\g<1>%(person)b", text)
    return _DIGEST.sub(_salted, text)


def _salted(digest: re.Match[bytes]) -> bytes:
    # Which salt is a function of the digest, so that the same module is the same wherever it is; one salt for all would be compressed.
    return b'"sha256":"%b%%(salt%d)b"' % (digest[1], int(digest[1][:1], 16) % SALTS)
