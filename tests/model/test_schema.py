"""The published schema says what the decoder accepts."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import zstandard

from ledger.model.decoding import decode
from ledger.model.events import Event, Rejected
from ledger.model.schema import change_event_schema

EXAMPLES = Path(__file__).parents[2] / "examples" / "real-changes.ndjson.zst"


def real_events(count: int) -> list[dict[str, Any]]:
    """Some events of the sample, spread over all of it."""
    with EXAMPLES.open("rb") as file:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file)
        lines = io.TextIOWrapper(reader, encoding="utf-8").read().splitlines()
    return [json.loads(line) for line in lines[:: max(1, len(lines) // count)]]


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    """A validator of the schema as it is printed."""
    schema = json.loads(json.dumps(change_event_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_sample_data_fits_the_schema(validator: jsonschema.Draft202012Validator) -> None:
    """Real events are valid by the schema, as they are for the decoder."""
    for event in real_events(1500):
        validator.validate(event)
        assert isinstance(decode(json.dumps(event).encode()), Event)


def _in_data(**members: Any) -> Callable[[dict[str, Any]], None]:
    return lambda event: event["data"].update(members)


REFUSED: dict[str, Callable[[dict[str, Any]], object]] = {
    "a missing attribute": lambda event: event.pop("id"),
    "an empty source": lambda event: event.update(source=""),
    "a time with an offset": lambda event: event.update(time="2022-11-28T09:15:02+01:00"),
    "an attribute in capitals": lambda event: event.update(TraceParent="x"),
    "an unknown type": lambda event: event.update(type="other"),
    "an unknown member of data": _in_data(colour="red"),
    "a binding without a type": _in_data(bindings={"merge": {"A": {}}}),
    "a secret binding": _in_data(bindings={"merge": {"A": {"type": "secret_text", "text": "x"}}}),
    "a secret's value": _in_data(config={"merge": {"secrets": {"A": {"text": "x"}}}}),
    "a short MAC": _in_data(config={"merge": {"secrets": {"A": {"mac": "ab"}}}}),
    "a variable with two values": _in_data(config={"merge": {"vars": {"A": {"text": "x", "json": 1}}}}),
    "a cron with content": _in_data(crons={"replace": {"* * * * *": {"x": 1}}}),
    "null in a replace": _in_data(routes={"replace": {"a/*": None}}),
    "a route with an unknown member": _in_data(routes={"replace": {"a/*": {"colour": "red"}}}),
    "delete that is false": _in_data(delete=False),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_what_the_schema_refuses_the_decoder_refuses(rule: str, validator: jsonschema.Draft202012Validator) -> None:
    """Schema and decoder agree on what is no event."""
    event = real_events(1)[0]
    REFUSED[rule](event)
    assert not validator.is_valid(event)
    assert isinstance(decode(json.dumps(event).encode()), Rejected)
