"""Edits: secrets, settings and the newest version changed without an upload, as an event's `data` says it.

An edit builds on the version of the active deployment (one of `versions/latest` on the newest). Where it replaces what has a name it
takes away what had that name elsewhere: on the platform a name is a binding, a variable or a secret.
"""

from collections.abc import Mapping
from typing import Any, Final

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
    "base_of_edits",
    "delete_secret",
    "edit_latest",
    "edit_settings",
    "put_secret",
    "put_secrets",
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


def put_secret(script: Script | None, secret: Mapping[str, Any], seal: Seal) -> dict[str, Any]:
    """`PUT .../secrets`.

    Raises:
        GatewayError: 10007, 10053 where a variable or binding has the name, 10215 while traffic is split.
    """
    name = _secret_name(secret)
    value = _secret(secret, seal)
    base = _editable(script)
    _check_free(base, name)
    return _secrets({name: value})


def delete_secret(script: Script | None, name: str) -> dict[str, Any]:
    """`DELETE .../secrets/{name}`.

    Raises:
        GatewayError: 10007, 10056, 10215.
    """
    base = _editable(script)
    item = held(manifest_of(base)).get(name)
    if item is None or item.place != "secrets":
        raise no_binding(name)
    return _secrets({name: None})


def put_secrets(script: Script | None, body: Mapping[str, Any], seal: Seal) -> dict[str, Any]:
    """`PATCH .../secrets-bulk`: name to secret, null takes it away.

    Raises:
        GatewayError: as of `put_secret`; 10056 for one that is to be taken away and is not there.
    """
    secrets = member(body, "secrets", dict, {})
    values = {name: None if secret is None else _named(name, secret, seal) for name, secret in secrets.items()}
    if not values:
        raise refuse("`secrets` names none")
    base = _editable(script)
    there = held(manifest_of(base))
    for name, value in values.items():
        if value is not None:
            _check_free(base, name)
        elif name not in there or there[name].place != "secrets":
            raise no_binding(name)
    return _secrets(values)


def edit_settings(script: Script | None, body: Mapping[str, Any], seal: Seal) -> dict[str, Any]:
    """`PATCH .../settings`: an item of name and type alone stays, any other is set, what the list omits goes.

    Raises:
        GatewayError: 10007, 10056, 10057, 10214 while traffic is split.
    """
    _check_supported(body)
    wanted = read_items(member(body, "bindings", list, []), seal, may_keep=True)
    base = _editable(script, SETTINGS_LOCKED)
    there = held(manifest_of(base))
    data: dict[str, Any] = {**read_annotations(body.get("annotations")), "base": base.id}
    items = {name: _wanted(name, item, there) for name, item in wanted.items()} if "bindings" in body else there
    _add(data, _items_patch(there, items, wanted), _config_edit(body))
    settings = settings_of(body)
    if settings:
        data["settings"] = {"merge": settings}
    return data


def edit_latest(script: Script | None, body: Mapping[str, Any], seal: Seal) -> dict[str, Any]:
    """`PATCH .../versions/latest`: `env` names what is set or, with null, taken away; nothing is deployed.

    Raises:
        GatewayError: 10007, 10056.
    """
    _check_supported(body)
    if script is None or script.newest is None:
        raise no_script()
    env = member(body, "env", dict, {})
    for name, item in env.items():
        if item is not None and (not isinstance(item, dict) or item.get("name", name) != name):
            raise refuse("`env` maps names to bindings")
    set_here = read_items([{**item, "name": name} for name, item in env.items() if item is not None], seal)
    there = held(manifest_of(script.newest))
    items = dict(there)
    for name, item in env.items():
        if item is not None:
            items[name] = _wanted(name, set_here[name], there)
        elif name in there:
            del items[name]
        else:
            raise no_binding(name)
    data: dict[str, Any] = {
        **read_annotations(body.get("annotations")),
        "base": script.newest.id,
        "activate": False,
    }
    _add(data, _items_patch(there, items, set_here), _config_edit(body))
    return data


def secret_names(version: Version) -> list[dict[str, Any]]:
    """The secrets of a version as they are listed: name and type."""
    return [item for item in listed(manifest_of(version)) if item["type"] in SECRET_TYPES and len(item) == 2]


def _editable(script: Script | None, code: int = SECRETS_LOCKED) -> Version:
    base = base_of_edits(script)
    if script is not None and script.active is not None and script.serving is None:
        raise from_reason(Reason("ambiguous_base", "$.data", ""), about_secrets=code == SECRETS_LOCKED)
    return base


def _secret_name(secret: Mapping[str, Any]) -> str:
    name = secret.get("name")
    if not isinstance(name, str) or not name:
        raise refuse("a secret must have a name")
    return name


def _named(name: str, secret: Any, seal: Seal) -> dict[str, Any]:
    if not isinstance(secret, dict) or secret.get("name", name) != name or not name:
        raise refuse("`secrets` maps names to secrets of these names")
    return _secret(secret, seal)


def _secret(secret: Mapping[str, Any], seal: Seal) -> dict[str, Any]:
    kind = secret.get("type", SECRET_TYPES[0])
    if kind not in SECRET_TYPES:
        raise refuse("a secret is of the type secret_text or secret_key")
    return sealed_secret({**secret, "type": kind}, seal)


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


def _items_patch(
    before: Mapping[str, Item], after: Mapping[str, Item], set_here: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """What changes, by place."""
    patch = {}
    for place in ("bindings", "vars", "secrets"):
        old, new = (
            {name: item.value for name, item in items.items() if item.place == place} for items in (before, after)
        )
        said = [name for name in set_here if place == "secrets" and isinstance(set_here[name], Item)]
        patch[place] = difference(old, new, said)
    return patch


def _config_edit(body: Mapping[str, Any]) -> dict[str, Any]:
    """Configuration that a body names: what is null or empty goes, what is absent stays."""
    named = split_metadata({name: value for name, value in body.items() if name not in _NOT_CONFIG})
    passed_over = _NOT_CONFIG | INSTRUCTIONS | frozenset(SETTINGS) | named.keys()
    return named | {name: None for name in body if name not in passed_over}


def _add(data: dict[str, Any], items: Mapping[str, dict[str, Any]], config: dict[str, Any]) -> None:
    for place in ("vars", "secrets"):
        if items[place]:
            config[place] = items[place]
    if items["bindings"]:
        data["bindings"] = {"merge": items["bindings"]}
    if config:
        data["config"] = {"merge": config}


def _check_supported(body: Mapping[str, Any]) -> None:
    for name in _UNSUPPORTED:
        if body.get(name) is not None:
            raise refuse(f"`{name}` cannot be changed here: upload the script")
