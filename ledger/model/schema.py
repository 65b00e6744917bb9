"""The JSON Schema of events, made from the types that decode them: `ledger schema` prints it."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from ledger.model import times
from ledger.model.aspects import TYPES
from ledger.model.events import CHANGE, NAME_PATTERN, NOTE, Actor, ChangeData, Envelope, NoteData

__all__ = ["change_event_schema"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_Name = Annotated[str, Meta(pattern=f"^{NAME_PATTERN}$", max_length=255)]
_Text = Annotated[str, Meta(pattern="^[^\\u0000-\\u001f\\u007f-\\u009f]+$")]
_Percentage = Annotated[float, Meta(ge=0, le=100, extra_json_schema={"multipleOf": 0.001})]

_CLOSER: Final[dict[str, Any]] = {
    **TYPES,
    "actor": Actor,
    "deploy": dict[str, _Percentage],
    "delete": Literal[True],
    "detail": Any,
    "specversion": Literal["1.0"],
    "source": _Text,
    "id": _Text,
    "subject": _Name,
    "accountid": _Name,
    "time": Annotated[str, Meta(pattern=f"^{times.PATTERN}$")],
}
"""What a member must be, where the decoder's own type says less because it is checked in a second step."""


def change_event_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a change event or a note in structured mode.

    It cannot say everything that the decoder checks: that `main` names a module, that percentages add up to 100.
    """
    kinds = (_event("ChangeEvent", CHANGE, ChangeData), _event("Note", NOTE, NoteData))
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    for name in ("ChangeEvent", "Note"):
        # Extension attributes are accepted and kept; CloudEvents says how they are named.
        components[name]["propertyNames"] = {"pattern": "^[a-z0-9]+$"}
    components["Var"]["oneOf"] = [{"required": ["text"]}, {"required": ["json"]}]
    return {
        "$schema": _DIALECT,
        "title": "Change event",
        "description": "An event that the deployment ledger takes in: CloudEvents 1.0, structured mode.",
        "oneOf": list(schemas),
        "$defs": components,
    }


def _event(name: str, kind: str, data: type[msgspec.Struct]) -> type[msgspec.Struct]:
    closed = _closer(f"{name}Data", data, forbid_unknown_fields=True)
    return _closer(name, Envelope, forbid_unknown_fields=False, type=Literal[kind], data=closed)


def _closer(
    name: str, loose: type[msgspec.Struct], *, forbid_unknown_fields: bool, **members: Any
) -> type[msgspec.Struct]:
    """The same struct with the types that its members are really held to."""
    closer = {**_CLOSER, **members}
    fields: list[Any] = []
    for field in msgspec.structs.fields(loose):
        required = field.default is msgspec.NODEFAULT
        kind = closer.get(field.encode_name, field.type)
        fields.append((field.name, kind) if required else (field.name, kind | msgspec.UnsetType, msgspec.UNSET))
    return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=forbid_unknown_fields, module=__name__)
