"""Aspects: the nine parts of a script that an event can replace or merge, their types, and how a patch is applied.

The types here are the one description of what an event may hold: decoding checks against them and `ledger schema` is made from
them. Every aspect's value is an object keyed by name, so one rule of `replace` and `merge` serves all.
"""

import re
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ledger.model.reasons import Code as ReasonCode
from ledger.model.reasons import RefusedError, join, refuse

__all__ = [
    "ASPECTS",
    "NESTED",
    "SECRET_TYPES",
    "TRIGGERS",
    "VERSIONED",
    "Aspect",
    "Count",
    "Patch",
    "apply_patch",
    "check_aspect",
    "check_code",
    "is_valid_secret",
    "located",
]

VERSIONED: Final = ("code", "bindings", "config")
"""The aspects of which a manifest is made: a change makes a version."""
TRIGGERS: Final = ("routes", "domains", "crons", "queues", "subdomain", "settings")
"""The aspects that say how the active deployment is reached or watched: a change makes no version."""
ASPECTS: Final = VERSIONED + TRIGGERS
NESTED: Final = {"code": ("modules",), "config": ("vars", "secrets")}
"""Members whose own members are names too: merged and compared name by name."""
SECRET_TYPES: Final = ("secret_text", "secret_key")

T = TypeVar("T")
U = TypeVar("U")
Hex64 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", min_length=64, max_length=64)]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Aspect(msgspec.Struct, Generic[T, U], frozen=True, forbid_unknown_fields=True):
    """Either `replace` (the whole aspect) or `merge` (the names mentioned; null removes); without members it is absent."""

    replace: T | UnsetType = UNSET
    merge: U | UnsetType = UNSET


class Module(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bundled module: its bytes are in the blob store under `sha256`, its size is in bytes."""

    type: Annotated[str, Meta(min_length=1)]
    size: Count
    sha256: Hex64


class Code(msgspec.Struct, frozen=True):
    """The code of a version; other members (such as `assets`) are kept."""

    main: str | UnsetType = UNSET
    modules: dict[str, Module] | UnsetType = UNSET


class CodeMerge(msgspec.Struct, frozen=True):
    """A merge into the code."""

    main: str | UnsetType | None = UNSET
    modules: dict[str, Module | None] | UnsetType | None = UNSET


class Binding(msgspec.Struct, frozen=True):
    """A binding: the type is open except for secrets, which belong under `config.secrets`."""

    type: Annotated[str, Meta(min_length=1, extra_json_schema={"not": {"enum": list(SECRET_TYPES)}})]


class Var(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
):
    """An environment variable: exactly one of `text` and `json`."""

    text: str | UnsetType = UNSET
    json: Any = UNSET


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A secret: never its value. `mac` is the hex HMAC-SHA256 of the value under the account's key."""

    mac: Hex64 | UnsetType = UNSET
    type: Literal["secret_text", "secret_key"] | UnsetType = UNSET
    algorithm: Any = UNSET
    format: str | UnsetType = UNSET
    usages: list[str] | UnsetType = UNSET


class Config(msgspec.Struct, frozen=True):
    """The configuration of a version; other members are open."""

    vars: dict[str, Var] | UnsetType = UNSET
    secrets: dict[str, Secret] | UnsetType = UNSET


class ConfigMerge(msgspec.Struct, frozen=True):
    """A merge into the configuration."""

    vars: dict[str, Var | None] | UnsetType | None = UNSET
    secrets: dict[str, Secret | None] | UnsetType | None = UNSET


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A route's zone, by name or id."""

    zone: str | UnsetType = UNSET
    zone_id: str | UnsetType = UNSET


class Domain(msgspec.Struct, frozen=True):
    """A custom domain; other members are kept."""

    zone: str | UnsetType = UNSET
    zone_id: str | UnsetType = UNSET


class Cron(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cron trigger has nothing but its expression."""


class Queue(msgspec.Struct, frozen=True):
    """A queue consumer; other members are kept."""

    type: Annotated[str, Meta(min_length=1)]


class Subdomain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the script answers on the workers.dev subdomain."""

    enabled: bool | UnsetType = UNSET
    previews_enabled: bool | UnsetType = UNSET


class SubdomainMerge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A merge into the subdomain's settings."""

    enabled: bool | UnsetType | None = UNSET
    previews_enabled: bool | UnsetType | None = UNSET


def _named(value: Any) -> Any:
    return Aspect[dict[str, value], dict[str, value | None]]


TYPES: Final[dict[str, Any]] = {
    "code": Aspect[Code, CodeMerge],
    "bindings": _named(Binding),
    "config": Aspect[Config, ConfigMerge],
    "routes": _named(Route),
    "domains": _named(Domain),
    "crons": _named(Cron),
    "queues": _named(Queue),
    "subdomain": Aspect[Subdomain, SubdomainMerge],
    "settings": Aspect[dict[str, Any], dict[str, Any]],
}
"""What each aspect of an event may hold."""


class Patch(msgspec.Struct, frozen=True, gc=False):
    """A checked aspect of an event."""

    replace: bool
    """Whether `names` is the aspect's whole new value; else the names it mentions are merged."""
    names: dict[str, Any]
    """Name to new value; None removes the name (merge only)."""


def check_aspect(aspect: str, value: Any) -> Patch | None:
    """Check one aspect of an event's `data` (as decoded JSON); None where it has no members, which is the same as absent.

    Raises:
        RefusedError: with the path of the first member that breaks a rule.
    """
    try:
        msgspec.convert(value, TYPES[aspect])
    except msgspec.ValidationError as error:
        raise _locate(aspect, value, f"$.data.{aspect}", error) from None
    if len(value) > 1:
        raise refuse("bad_value", f"$.data.{aspect}", "an aspect has either replace or merge, not both")
    for verb, names in value.items():
        if verb == "replace":
            _check_no_nulls(aspect, names, f"$.data.{aspect}.replace")
        if aspect == "config":
            _check_vars(names.get("vars"), f"$.data.config.{verb}.vars")
        return Patch(verb == "replace", names)
    return None


def _check_no_nulls(aspect: str, names: dict[str, Any], path: str) -> None:
    nested = NESTED.get(aspect, ())
    for name, value in names.items():
        if value is None:
            raise refuse("bad_value", join(path, name), _NO_NULLS)
        if name in nested:
            _check_no_nulls("", value, join(path, name))


def _check_vars(values: dict[str, Any] | None, path: str) -> None:
    for name, value in (values or {}).items():
        if value is not None and len(value) != 1:
            raise refuse("bad_value", join(path, name), "a variable has exactly one of text and json")


def check_code(code: dict[str, Any], path: str) -> None:
    """Check the code that a patch has led to: `main` names a module, and is absent where there are none.

    Raises:
        RefusedError: `bad_value` or `missing_member`.
    """
    modules = code.get("modules", {})
    main = code.get("main")
    if not code:
        raise refuse("bad_value", path, "code cannot be empty")
    if main is None and modules:
        raise refuse("missing_member", join(path, "main"), "code with modules says which is main")
    if main is not None and main not in modules:
        raise refuse("bad_value", join(path, "main"), "main is not one of the modules")


def is_valid_secret(value: Any) -> bool:
    """Whether a secret holds nothing but a MAC and what is known of its kind."""
    try:
        msgspec.convert(value, Secret)
    except msgspec.ValidationError:
        return False
    return True


def apply_patch(aspect: str, before: dict[str, Any], patch: Patch) -> dict[str, Any]:
    """The aspect's value after a patch: a new dict, `before` is not changed."""
    after = dict(patch.names) if patch.replace else _merge(before, patch.names, NESTED.get(aspect, ()))
    for name in ("vars", "secrets") if aspect == "config" else ():
        if name in after and not after[name]:
            del after[name]
    return after


def _merge(before: dict[str, Any], names: dict[str, Any], nested: tuple[str, ...]) -> dict[str, Any]:
    after = dict(before)
    for name, value in names.items():
        if value is None:
            after.pop(name, None)
        elif name in nested:
            merged = _merge(after.get(name, {}), value, ())
            if merged or name in after:  # a merge that mentions nothing changes nothing
                after[name] = merged
        else:
            after[name] = value
    return after


_NO_NULLS: Final = "null removes a name in a merge; a replace names what there is"
_PLACE: Final = re.compile(r" - at `\$((?:\.[a-z_0-9]+|\[\.\.\.\]|\[[0-9]+\])*)`$")
_STEPS_TO_ASPECT: Final = 2  # $.data.ASPECT
_MESSAGES: Final[tuple[tuple[str, ReasonCode, str], ...]] = (
    ("Object missing required field", "missing_member", "a required member is missing"),
    ("Object contains unknown field", "unknown_member", "a member of this name is not known here"),
)


def located(error: msgspec.ValidationError, path: str) -> RefusedError:
    """Turn a decoder's message into a reason with a code, a path below `path`, and a detail of our own wording."""
    message, place = _parted(error)
    path += place
    for start, code, detail in _MESSAGES:
        if message.startswith(start):
            return refuse(code, join(path, message[len(start) + 2 : -1]), detail)
    if message.startswith("Expected") and ", got `" in message:
        return refuse("wrong_type", path, "the value is of the wrong type")
    return refuse("bad_value", path, "the value is not one that is allowed here")


def _parted(error: msgspec.ValidationError) -> tuple[str, str]:
    """What the decoder says, and where, without its `$`. What it says may quote a name or value of the event: the place is last."""
    text = str(error)
    match = _PLACE.search(text)
    return (text[: match.start()], match[1]) if match else (text, "")


def _locate(aspect: str, value: Any, path: str, error: msgspec.ValidationError) -> RefusedError:
    """The reason for a failed check, with every name in the path (the decoder itself says `[...]` for a name)."""
    for verb, names in value.items() if isinstance(value, dict) else ():
        if verb in ("replace", "merge") and isinstance(names, dict):
            for name, inner in names.items():
                _probe(aspect, verb, name, inner, join(path, verb))
    return located(error, path)


def _probe(aspect: str, verb: str, name: str, value: Any, path: str) -> None:
    """Check one name alone; where it holds names of its own (`vars`, `secrets`, `modules`), each of them alone."""
    if value is None and verb == "replace":
        raise refuse("bad_value", join(path, name), _NO_NULLS)
    if isinstance(value, dict) and name in NESTED.get(aspect, ()):
        for inner, content in value.items():
            if content is None and verb == "replace":
                raise refuse("bad_value", join(join(path, name), inner), _NO_NULLS)
            _convert(aspect, {verb: {name: {inner: content}}}, join(path, name), inner)
    else:
        _convert(aspect, {verb: {name: value}}, path, name)


def _convert(aspect: str, value: Any, path: str, name: str) -> None:
    """Check a patch that holds one name, which lies at `path`."""
    try:
        msgspec.convert(value, TYPES[aspect])
    except msgspec.ValidationError as error:
        # The decoder's path leads from the aspect to the place and says `[...]` for a name; ours leads to the name already.
        message, place = _parted(error)
        steps = place.replace("[...]", ".*").split(".")[1:]
        depth = path.count(".") - _STEPS_TO_ASPECT + 1
        below = "".join(f".{step}" for step in steps[depth:])
        at = join(path, name) if len(steps) >= depth else path
        raise located(msgspec.ValidationError(f"{message} - at `${below}`"), at) from None
