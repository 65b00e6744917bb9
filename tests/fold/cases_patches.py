"""Cases: what merge, replace and null mean."""

from tests.fold.building import (
    case,
    change,
    code,
    deployed,
    does,
    given,
    merge,
    rejected,
    replace,
    secret,
    unchanged,
)
from tests.fold.stories import D1, FIRST, KV, MANIFEST

PATCHES = [
    case(
        "a merge keeps what it does not mention, a replace does not",
        FIRST,
        does(
            change("v2", bindings=merge(DB=D1)),
            deployed(
                "bindings DB added",
                version=2,
                deployment=2,
                manifest={**MANIFEST, "bindings": {"CART": KV, "DB": D1}},
            ),
        ),
        does(
            change("v3", bindings=replace(DB=D1)),
            deployed("bindings CART removed", version=3, deployment=3, manifest={**MANIFEST, "bindings": {"DB": D1}}),
        ),
    ),
    case(
        "a merge gives a name its new value whole",
        given(change("v1", code=code(), config=replace(limits={"cpu_ms": 50, "memory": 128}))),
        does(
            change("v2", config=merge(limits={"cpu_ms": 50})),
            deployed(
                "config limits changed",
                version=2,
                deployment=2,
                manifest={"bindings": {}, "code": MANIFEST["code"], "config": {"limits": {"cpu_ms": 50}}},
            ),
        ),
    ),
    case(
        "null deeper inside a value is data",
        FIRST,
        does(
            change("v2", bindings=merge(CART={**KV, "note": None})),
            deployed(
                "bindings CART changed",
                version=2,
                deployment=2,
                manifest={**MANIFEST, "bindings": {"CART": {**KV, "note": None}}},
            ),
        ),
        does(
            change("v3", config=merge(vars={"STAGE": {"json": None}})),
            deployed("config vars/STAGE changed", version=3, deployment=3),
        ),
    ),
    *(
        case(
            f"null as a value in a replace is refused: {path}",
            FIRST,
            does(
                change("e2", "shop", **{aspect: replace(names)}),
                rejected("bad_value", f"$.data.{aspect}.replace.{path}"),
            ),
        )
        for aspect, names, path in (
            ("bindings", {"CART": None}, "CART"),
            ("config", {"usage_model": None}, "usage_model"),
            ("config", {"vars": {"STAGE": None}}, "vars.STAGE"),
            ("config", {"secrets": {"KEY": None}}, "secrets.KEY"),
            ("settings", {"logpush": None}, "logpush"),
        )
    ),
    case(
        "an empty replace removes everything in the aspect",
        FIRST,
        does(
            change("v2", bindings=replace(), config=replace()),
            deployed(
                "bindings CART removed",
                "config secrets/KEY removed",
                "config usage_model removed",
                "config vars/STAGE removed",
                version=2,
                deployment=2,
                manifest={"bindings": {}, "code": MANIFEST["code"], "config": {}},
            ),
        ),
    ),
    case(
        "vars and secrets that become empty are dropped",
        FIRST,
        does(
            change("v2", config=merge(vars={"STAGE": None}, secrets={"KEY": None})),
            deployed(
                "config secrets/KEY removed",
                "config vars/STAGE removed",
                version=2,
                deployment=2,
                manifest={**MANIFEST, "config": {"usage_model": "bundled"}},
            ),
        ),
        does(change("e3", config=merge(vars={}, secrets={})), unchanged()),
        does(change("e4", config=replace(usage_model="bundled", vars={})), unchanged()),
    ),
    case(
        "null for vars as a whole removes them all, named one by one",
        FIRST,
        does(
            change("v2", config=merge(vars=None)),
            deployed(
                "config vars/STAGE removed",
                version=2,
                deployment=2,
                manifest={**MANIFEST, "config": {"secrets": {"KEY": secret("a")}, "usage_model": "bundled"}},
            ),
        ),
    ),
    case(
        "every other empty object stays",
        given(change("v1", code=code())),
        does(
            change("v2", config=merge(limits={}), crons=merge({"* * * * *": {}}), routes=merge({"a/*": {}})),
            deployed(
                "config limits added",
                "crons * * * * * added",
                "routes a/* added",
                version=2,
                deployment=2,
                manifest={"bindings": {}, "code": MANIFEST["code"], "config": {"limits": {}}},
                triggers={
                    "crons": {"* * * * *": {}},
                    "domains": {},
                    "queues": {},
                    "routes": {"a/*": {}},
                    "settings": {},
                    "subdomain": {},
                },
            ),
        ),
        does(change("e3", config=merge(limits={}), crons=merge({"* * * * *": {}})), unchanged()),
    ),
]
