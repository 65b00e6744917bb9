"""Refusals: bytes, members given twice, attributes."""

from tests.fold.building import (
    case,
    does,
    merge,
    rejected,
    text,
)
from tests.fold.refusing import GOOD, RAW, accepted, nested, padded, refused, swap, with_attributes, with_data, without

BYTES = [
    refused("no value at all is malformed", None, "malformed_json"),
    refused("an empty value is malformed", b"", "malformed_json"),
    refused("a truncated event is malformed", RAW[:-1], "malformed_json"),
    refused("text after the event is malformed", RAW + b"{}", "malformed_json"),
    refused("NaN is malformed", swap('"size":1', '"size":NaN'), "malformed_json"),
    refused("a trailing comma is malformed", RAW[:-1] + b",}", "malformed_json"),
    refused("a raw line feed inside a string is malformed", swap("wrangler", "wrang\nler"), "malformed_json"),
    refused("a lone surrogate is malformed", swap("wrangler", "\\ud800"), "malformed_json"),
    refused("random bytes are not UTF-8", b"\xff\xfe\x00\x01", "not_utf8"),
    refused("a byte of Latin-1 is not UTF-8", RAW.replace(b"wrangler", b"wr\xe4ngler"), "not_utf8"),
    accepted("letters outside ASCII are fine", with_data(message="für Ünïcode 🚀")),
    refused("one byte over a mebibyte is too large", padded(1_048_577), "too_large"),
    accepted("a mebibyte is not too large", padded(1_048_576)),
    refused("size is looked at before anything else", b"\xff" * 1_048_577, "too_large"),
    refused("nesting deeper than 64 is malformed", nested(65), "malformed_json"),
    accepted("nesting of 64 is fine", nested(64)),
    refused("absurd nesting is malformed", b"[" * 200_000, "malformed_json"),
    refused("an array is no event", b"[]", "wrong_type", "$"),
    refused("a string is no event", b'"event"', "wrong_type", "$"),
    case(
        "what can't be read belongs to no account, even under a known key",
        does(GOOD, {"account": "acme"}),
        does(b"{", rejected("malformed_json", account=None, account_index=None)),
    ),
    case(
        "what can be read belongs to its account where that is known",
        does(with_data(colour="red"), rejected("unknown_member", account=None)),
        does(GOOD, {"account": "acme", "account_index": 0}),
        does(with_data(colour="red"), rejected("unknown_member", account="acme", account_index=1)),
    ),
]

DUPLICATES = [
    refused("an attribute given twice", swap('"id":', '"source":"x","id":'), "duplicate_member", "$.source"),
    refused(
        "a member of data given twice",
        swap('"interface":', '"interface":"a","interface":'),
        "duplicate_member",
        "$.data.interface",
    ),
    refused(
        "a name in an aspect given twice, though with the same value",
        swap('"main":', '"main":"index.js","main":'),
        "duplicate_member",
        "$.data.code.replace.main",
    ),
    refused(
        "a member given twice under an escape",
        swap('"interface":', '"inter\\u0066ace":"a","interface":'),
        "duplicate_member",
        "$.data.interface",
    ),
    refused(
        "deep inside a value",
        text(with_data(settings=merge(x={"y": [{"KEY": 1}]}))).replace(b'"KEY":1', b'"a":1,"a":1'),
        "duplicate_member",
    ),
    accepted("the same name in two objects", with_data(bindings=merge(type={"type": "x"}))),
    refused(
        "a member given twice comes before other faults",
        swap('"interface":', '"tag":"a","tag":"b","colour":'),
        "duplicate_member",
        "$.data.tag",
    ),
]

ENVELOPE = [
    *(refused(f"no {name}", without(name), "missing_member", f"$.{name}") for name in sorted(GOOD)),
    *(
        refused(f"{name} of a wrong type", with_attributes(**{name: 7}), "wrong_type", f"$.{name}")
        for name in sorted(GOOD)
        if name != "accountid"
    ),
    refused("a null attribute", with_attributes(subject=None), "wrong_type", "$.subject"),
    refused("an account of a wrong type", with_attributes(accountid=7), "wrong_type", "$.accountid", key=b"7"),
    refused("another version of CloudEvents", with_attributes(specversion="0.3"), "bad_value", "$.specversion"),
    refused("a type that is not ours", with_attributes(type="ledger.change.v2"), "unsupported_type", "$.type"),
    refused("an empty id", with_attributes(id=""), "bad_value", "$.id"),
    refused("an empty source", with_attributes(source=""), "bad_value", "$.source"),
    *(
        refused(
            f"a subject that is no name: {subject[:9]!r}", with_attributes(subject=subject), "bad_value", "$.subject"
        )
        for subject in ("", "-a", ".a", "a b", "a/b", "ä", "a\n", "a" * 256)
    ),
    *(
        refused(
            f"an account that is no name: {name[:9]!r}",
            with_attributes(accountid=name),
            "bad_value",
            "$.accountid",
            key=name.encode(),
        )
        for name in ("", "-a", "a b", "a" * 256)
    ),
    *(
        accepted(f"a subject that is a name: {name[:9]}", with_attributes(subject=name))
        for name in ("_", "7.a-b_c", "a" * 255)
    ),
    *(
        refused(f"no time: {time!r}", with_attributes(time=time), "bad_time", "$.time")
        for time in (
            "",
            "yesterday",
            "2022-11-28",
            "2022-11-28T09:00:00",
            "2022-11-28T09:00:00+00:00",
            "2022-11-28 09:00:00Z",
            "2022-11-28T09:00:00.Z",
            "2022-11-28T09:00:00.1234567Z",
            "2022-11-31T09:00:00Z",
            "2022-11-28T24:00:00Z",
            "2022-11-28T09:60:00Z",
            "2022-11-28T09:00:61Z",
            "2022-11-28T09:00:00Z\n",
            "\u0662022-11-28T09:00:00Z",
        )
    ),
    accepted("a time of six decimals", with_attributes(time="2022-11-28T08:59:59.123456Z")),
    accepted(
        "other attributes of CloudEvents",
        with_attributes(traceparent="00-ab", sequence=7, sampled=True, dataschema="x:y"),
    ),
    refused("what is no attribute's name", with_attributes(Colour="red"), "unknown_member", "$.Colour"),
    refused("an extension that is an object", with_attributes(colour={"r": 1}), "wrong_type", "$.colour"),
    refused("an extension that is null", with_attributes(colour=None), "wrong_type", "$.colour"),
    refused("data_base64", with_attributes(data_base64="e30="), "unknown_member", "$.data_base64"),
]
