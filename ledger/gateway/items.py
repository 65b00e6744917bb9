"""The platform's one list of bindings, and the three places where a manifest keeps what is in it: bindings, vars and secrets."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from ledger.gateway.refusals import refuse
from ledger.gateway.secretvalues import Seal, refuse_hidden, sealed_secret
from ledger.model.aspects import SECRET_TYPES
from ledger.model.state import Version

__all__ = [
    "EMPTY_MANIFEST",
    "Inherited",
    "Item",
    "Kept",
    "Manifest",
    "Place",
    "by_place",
    "held",
    "listed",
    "manifest_of",
    "read_items",
]

Place = Literal["bindings", "vars", "secrets"]

_VALUES: Final = {"plain_text": "text", "json": "json"}
_INHERIT: Final = "inherit"
_decode = msgspec.json.Decoder().decode


class Manifest(Struct, frozen=True):
    """A version's content, decoded; nothing in it is changed by anyone."""

    code: Mapping[str, Any]
    bindings: Mapping[str, Any]
    config: Mapping[str, Any]


EMPTY_MANIFEST: Final = Manifest({}, {}, {})


class Item(Struct, frozen=True):
    """What has a name in a manifest. A secret has its MAC, never its value."""

    place: Place
    value: Mapping[str, Any]
    """As the manifest has it under the name."""

    @property
    def type(self) -> str:
        """The platform's type of it."""
        match self.place:
            case "vars":
                return "plain_text" if "text" in self.value else "json"
            case "secrets":
                return str(self.value.get("type", SECRET_TYPES[0]))
            case _:
                return str(self.value["type"])


class Inherited(Struct, frozen=True):
    """An item that is to be what it is in a version that exists."""

    name: str
    """There."""
    version: str | None
    """Its id; None: the newest one, or else the active one."""


class Kept(Struct, frozen=True):
    """An item named without a value: it stays what it is (requires that it is there, and of this type)."""

    type: str


def manifest_of(version: Version | None) -> Manifest:
    """The content of a version; that of none is empty."""
    if version is None:
        return EMPTY_MANIFEST
    return Manifest(_decode(version.code), _decode(version.bindings), _decode(version.config))


def held(manifest: Manifest) -> dict[str, Item]:
    """What has a name in a manifest. On the platform names are unique; where other producers gave one twice, the secret counts."""
    found: dict[str, Item] = {name: Item("bindings", value) for name, value in manifest.bindings.items()}
    found.update((name, Item("vars", value)) for name, value in manifest.config.get("vars", {}).items())
    found.update((name, Item("secrets", value)) for name, value in manifest.config.get("secrets", {}).items())
    return found


def listed(manifest: Manifest) -> list[dict[str, Any]]:
    """The same as the platform lists it, sorted by name: secrets by name and type only."""
    return [_shown(name, item) for name, item in sorted(held(manifest).items())]


def _shown(name: str, item: Item) -> dict[str, Any]:
    match item.place:
        case "bindings":
            return {**item.value, "name": name}
        case "vars":
            return {"name": name, "type": item.type, **item.value}
        case _:
            return {"name": name, "type": item.type}


def read_items(bindings: Iterable[Any], seal: Seal, *, may_keep: bool = False) -> dict[str, Item | Inherited | Kept]:
    """Bindings of a request, by name; secrets' values are MACs in what is returned.

    Args:
        bindings: as the request lists them.
        seal: makes MACs.
        may_keep: whether an item of name and type alone means that it stays as it is.

    Raises:
        GatewayError: one has no name or type, a name comes twice, a value is missing.
    """
    found: dict[str, Item | Inherited | Kept] = {}
    for item in bindings:
        if not isinstance(item, dict):
            raise refuse("a binding must be an object")
        name, kind = item.get("name"), item.get("type")
        if not isinstance(name, str) or not name or not isinstance(kind, str) or not kind:
            raise refuse("a binding must have a name and a type")
        if name in found:
            raise refuse(f"the name '{name}' is given to two bindings")
        found[name] = Kept(kind) if may_keep and len(item) == len(("name", "type")) else _read_item(name, item, seal)
    return found


def _read_item(name: str, item: Mapping[str, Any], seal: Seal) -> Item | Inherited:
    kind = item["type"]
    if kind in SECRET_TYPES:
        return Item("secrets", sealed_secret(item, seal))
    if kind == _INHERIT:
        old, version = item.get("old_name") or name, item.get("version_id")
        if not isinstance(old, str) or not isinstance(version, str | None):
            raise refuse(f"the inherited binding '{name}' has an `old_name` or `version_id` that is no text")
        return Inherited(old, version)
    if kind in _VALUES:
        member = _VALUES[kind]
        if member not in item or (member == "text" and not isinstance(item[member], str)):
            raise refuse(f"the variable '{name}' has no `{member}`")
        return Item("vars", {member: item[member]})
    refuse_hidden(item)
    return Item("bindings", {member: value for member, value in item.items() if member != "name" and value is not None})


def by_place(items: Mapping[str, Item]) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The items of each place, by name."""
    for place in ("bindings", "vars", "secrets"):
        yield place, {name: item.value for name, item in items.items() if item.place == place}
