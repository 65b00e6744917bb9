"""Edits: secrets, settings and the newest version changed without an upload, as an event's `data` says it.

An edit builds on the version of the active deployment (one of `versions/latest` on the newest). Where it replaces what has a name it
takes away what had that name elsewhere: on the platform a name is a binding, a variable or a secret.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from ledger.gateway.annotations import read_annotations
from ledger.gateway.items import Inherited, Item, Kept, held, listed, manifest_of, read_items
from ledger.gateway.jsonbody import member
from ledger.gateway.patches import difference
from ledger.gateway.refusals import (
    NAME_IN_USE,
    NOT_INHERITED,
    SECRETS_LOCKED,
    SETTINGS_LOCKED,
    GatewayError,
    from_reason,
    no_binding,
    no_script,
    refuse,
)
from ledger.gateway.secretvalues import Seal, sealed_secret
from ledger.gateway.uploads import INSTRUCTIONS, SETTINGS, settings_of, split_metadata
from ledger.model.aspects import SECRET_TYPES
from ledger.model.reasons import Reason
from ledger.model.state import Script, Version

__all__ = [
    "Edit",
    "Secret",
    "base_of_edits",
    "delete_secret",
    "edit_latest",
    "edit_settings",
    "put_secret",
    "put_secrets",
    "read_latest",
    "read_secret",
    "read_secrets",
    "read_settings",
    "secret_names",
]

_NOT_CONFIG: Final = frozenset(("env",))
_UNSUPPORTED: Final = ("assets", "body_part", "main_module", "migrations", "modules")


def base_of_edits(script: Script | None) -> Version:
    """The version that reads of settings and secrets are about: the active one, or the newest while traffic is split.

    Raises:
        GatewayError: 10007.
    """
    if script is None or script.newest is None:
        raise no_script()
    return script.serving or script.newest


class Secret(Struct, frozen=True, kw_only=True):
    """A secret that is to be set."""

    name: str
    type: str
    value: Mapping[str, Any]
    """As a manifest has it: a MAC."""


class Edit(Struct, frozen=True, kw_only=True):
    """An edit of a version, as it was sent; values of secrets are MACs."""

    items: Mapping[str, Item | Inherited | Kept | None] | None
    """By name; None takes one away. All together None where the request says nothing of items."""
    config: Mapping[str, Any]
    """Configuration that is named; null takes it away."""
    settings: Mapping[str, Any]
    said: Mapping[str, str]
    """Message and tag."""


def read_secret(body: Mapping[str, Any], seal: Seal) -> Secret:
    """What `PUT .../secrets` sends.

    Raises:
        GatewayError: it has no name or value.
    """
    name = body.get("name")
    if not isinstance(name, str) or not name:
        raise refuse("a secret must have a name")
    return Secret(name=name, type=body.get("type") or SECRET_TYPES[0], value=_sealed(body, seal))


def read_secrets(body: Mapping[str, Any], seal: Seal) -> dict[str, Mapping[str, Any] | None]:
    """What `PATCH .../secrets-bulk` sends: name to secret, null takes it away.

    Raises:
        GatewayError: it names none, or one has no value.
    """
    secrets = member(body, "secrets", dict, {})
    for name, secret in secrets.items():
        if secret is not None and (not isinstance(secret, dict) or secret.get("name", name) != name or not name):
            raise refuse("`secrets` maps names to secrets of these names")
    if not secrets:
        raise refuse("`secrets` names none")
    return {name: None if secret is None else _sealed(secret, seal) for name, secret in secrets.items()}


def read_settings(body: Mapping[str, Any], seal: Seal) -> Edit:
    """What `PATCH .../settings` sends: an item of name and type alone stays, any other is set, what the list omits goes.

    Raises:
        GatewayError: something in it cannot be changed so.
    """
    has_items = body.get("bindings") is not None
    items = read_items(member(body, "bindings", list, []), seal, may_keep=True) if has_items else None
    return _edit(body, items)


def read_latest(body: Mapping[str, Any], seal: Seal) -> Edit:
    """What `PATCH .../versions/latest` sends: `env` names what is set or, with null, taken away.

    Raises:
        GatewayError: something in it cannot be changed so.
    """
    env = member(body, "env", dict, {})
    for name, item in env.items():
        if item is not None and (not isinstance(item, dict) or item.get("name", name) != name):
            raise refuse("`env` maps names to bindings")
    set_here = read_items([{**item, "name": name} for name, item in env.items() if item is not None], seal)
    return _edit(body, {**dict.fromkeys(env), **set_here})


def put_secret(script: Script | None, secret: Secret) -> dict[str, Any]:
    """The event's `data`: a secret is set.

    Raises:
        GatewayError: 10007, 10053 where a variable or binding has the name, 10215 while traffic is split.
    """
    _check_free(_editable(script), secret.name)
    return _secrets({secret.name: secret.value})


def delete_secret(script: Script | None, name: str) -> dict[str, Any]:
    """The event's `data`: a secret is taken away.

    Raises:
        GatewayError: 10007, 10056, 10215.
    """
    _check_there(_editable(script), name)
    return _secrets({name: None})


def put_secrets(script: Script | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """The event's `data`: secrets are set and taken away.

    Raises:
        GatewayError: as of `put_secret`; 10056 for one that is to be taken away and is not there.
    """
    base = _editable(script)
    for name, value in values.items():
        if value is None:
            _check_there(base, name)
        else:
            _check_free(base, name)
    return _secrets(values)


def edit_settings(script: Script | None, edit: Edit) -> dict[str, Any]:
    """The event's `data`: the active version is edited, and deployed.

    Raises:
        GatewayError: 10007, 10056, 10057, 10214 while traffic is split.
    """
    base = _editable(script, SETTINGS_LOCKED)
    there = held(manifest_of(base))
    items = there
    if edit.items is not None:
        items = {name: _wanted(name, item, there) for name, item in edit.items.items() if item is not None}
    data = _data(edit, base, there, items)
    return data | ({"settings": {"merge": edit.settings}} if edit.settings else {})


def edit_latest(script: Script | None, edit: Edit) -> dict[str, Any]:
    """The event's `data`: the newest version is edited; nothing is deployed.

    Raises:
        GatewayError: 10007, 10056, 10057.
    """
    if script is None or script.newest is None:
        raise no_script()
    there = held(manifest_of(script.newest))
    items = dict(there)
    for name, item in (edit.items or {}).items():
        if item is not None:
            items[name] = _wanted(name, item, there)
        elif name in there:
            del items[name]
        else:
            raise no_binding(name)
    return _data(edit, script.newest, there, items) | {"activate": False}


def secret_names(version: Version) -> list[dict[str, Any]]:
    """The secrets of a version as they are listed: name and type."""
    return [item for item in listed(manifest_of(version)) if item["type"] in SECRET_TYPES and len(item) == 2]


def _editable(script: Script | None, code: int = SECRETS_LOCKED) -> Version:
    base = base_of_edits(script)
    if script is not None and script.active is not None and script.serving is None:
        raise from_reason(Reason("ambiguous_base", "$.data", ""), about_secrets=code == SECRETS_LOCKED)
    return base


def _sealed(secret: Mapping[str, Any], seal: Seal) -> dict[str, Any]:
    kind = secret.get("type") or SECRET_TYPES[0]
    if kind not in SECRET_TYPES:
        raise refuse("a secret is of the type secret_text or secret_key")
    return sealed_secret({**secret, "type": kind}, seal)


def _edit(body: Mapping[str, Any], items: Mapping[str, Item | Inherited | Kept | None] | None) -> Edit:
    for name in _UNSUPPORTED:
        if body.get(name) is not None:
            raise refuse(f"`{name}` cannot be changed here: upload the script")
    named = split_metadata({name: value for name, value in body.items() if name not in _NOT_CONFIG})
    passed_over = _NOT_CONFIG | INSTRUCTIONS | frozenset(SETTINGS) | named.keys()
    return Edit(
        items=items,
        config=named | {name: None for name in body if name not in passed_over},
        settings=settings_of(body),
        said=read_annotations(body.get("annotations")),
    )


def _check_there(base: Version, name: str) -> None:
    item = held(manifest_of(base)).get(name)
    if item is None or item.place != "secrets":
        raise no_binding(name)


def _check_free(base: Version, name: str) -> None:
    item = held(manifest_of(base)).get(name)
    if item is not None and item.place != "secrets":
        raise GatewayError(400, (NAME_IN_USE, f"the binding name '{name}' is already in use"))


def _secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"config": {"merge": {"secrets": dict(values)}}}


def _wanted(name: str, item: Item | Inherited | Kept, there: Mapping[str, Item]) -> Item:
    """What a name is to be, where it may stay what it is."""
    if isinstance(item, Item):
        return item
    found = there.get(item.name if isinstance(item, Inherited) else name)
    if isinstance(item, Kept):
        if found is not None and found.type == item.type:
            return found
        if item.type in (*SECRET_TYPES, "plain_text", "json") or found is not None:
            raise no_binding(name)
        return Item("bindings", {"type": item.type})  # such as `browser`, which has nothing but its type
    if found is None or item.version is not None:
        raise GatewayError(400, (NOT_INHERITED, f"inherit binding '{name}' is invalid"))
    return found


def _data(edit: Edit, base: Version, before: Mapping[str, Item], after: Mapping[str, Item]) -> dict[str, Any]:
    """What an edit of a version says."""
    data: dict[str, Any] = {**edit.said, "base": base.id}
    config = dict(edit.config)
    for place in ("bindings", "vars", "secrets"):
        old, new = (
            {name: item.value for name, item in items.items() if item.place == place} for items in (before, after)
        )
        # A secret that somebody set is named, though it may have the value that it had.
        said = [name for name, item in (edit.items or {}).items() if place == "secrets" and isinstance(item, Item)]
        patch = difference(old, new, said)
        if patch and place == "bindings":
            data["bindings"] = {"merge": patch}
        elif patch:
            config[place] = patch
    return data | ({"config": {"merge": config}} if config else {})
