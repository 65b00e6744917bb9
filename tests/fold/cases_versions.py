"""Cases: what makes a version."""

from tests.fold.building import (
    case,
    change,
    code,
    deployed,
    does,
    given,
    merge,
    module,
    rejected,
    replace,
    secret,
    unchanged,
)
from tests.fold.stories import D1, FIRST, FULL, FULL_CHANGES, INDEX, KV, MAIN, MANIFEST, ROUTE, SECOND, SERVICE, V1, V2

VERSIONS = [
    case(
        "a first upload makes version 1 and deployment 1, measured against nothing",
        does(
            FULL, deployed(*FULL_CHANGES, version=1, deployment=1, manifest=MANIFEST, shares={V1: 100}, rollback=False)
        ),
    ),
    case(
        "one byte of white space in the code makes a version",
        FIRST,
        does(change("v2", code=code("1 ")), deployed(f"{INDEX} changed", version=2, deployment=2, shares={V2: 100})),
    ),
    case("the same code makes nothing", FIRST, does(change("v2", code=code("1")), unchanged(triggers=None))),
    case(
        "a module added and one removed are named one by one",
        given(change("v1", code=code("1", old="x"))),
        does(
            change("v2", code=code("1", new="x")),
            deployed("code modules/new.js added", "code modules/old.js removed", version=2, deployment=2),
        ),
    ),
    case(
        "a merge of code changes module by module",
        given(change("v1", code=code("1", util="x", old="y"))),
        does(
            change("v2", code=merge(modules={"util.js": module("z"), "old.js": None})),
            deployed("code modules/old.js removed", "code modules/util.js changed", version=2, deployment=2),
        ),
    ),
    case(
        "a merge of code that removes the main module is refused",
        FIRST,
        does(change("v2", code=merge(modules={"index.js": None})), rejected("bad_value", "$.data.code…")),
        does(change("v3", code=code("2")), deployed(f"{INDEX} changed", version=2, deployment=2)),
    ),
    case(
        "a worker of assets only has no main, and its assets are a change like others",
        does(
            change("v1", code=replace(assets={"sha256": "a" * 64, "count": 3})),
            deployed("code assets added", version=1, deployment=1),
        ),
        does(
            change("v2", code=merge(assets={"sha256": "b" * 64, "count": 3})),
            deployed("code assets changed", version=2, deployment=2),
        ),
    ),
    case(
        "removing a module that is not there makes nothing, beside another change too",
        given(change("v1", code=replace(assets={"count": 3}))),
        does(change("e2", code=merge(modules={"old.js": None})), unchanged()),
        does(
            change("v2", code=merge(modules={"old.js": None}), bindings=merge(DB=D1)),
            deployed(
                "bindings DB added",
                version=2,
                deployment=2,
                manifest={"bindings": {"DB": D1}, "code": {"assets": {"count": 3}}, "config": {}},
            ),
        ),
    ),
    case(
        "code of nothing is refused, also where a merge leaves it",
        does(change("v1", code=merge(modules={"old.js": None})), rejected("bad_value", "$.data.code…")),
        given(change("v1", code=replace(assets={"count": 3}))),
        does(change("v2", code=merge(assets=None)), rejected("bad_value", "$.data.code…")),
    ),
    case(
        "a manifest with another empty object is another manifest, though no name changed",
        given(change("v1", code=replace(assets={"count": 3}))),
        does(change("v2", code=replace(assets={"count": 3}, modules={})), deployed(version=2, deployment=2)),
    ),
    case(
        "a binding created makes a version",
        FIRST,
        does(change("v2", bindings=merge(DB=D1)), deployed("bindings DB added", version=2, deployment=2)),
    ),
    case(
        "a binding whose value changes makes a version",
        FIRST,
        does(
            change("v2", bindings=merge(CART={**KV, "namespace_id": "9"})),
            deployed("bindings CART changed", version=2, deployment=2),
        ),
    ),
    case(
        "a binding renamed makes a version and is one removed, one added",
        FIRST,
        does(
            change("v2", bindings=merge(CART=None, BASKET=KV)),
            deployed("bindings BASKET added", "bindings CART removed", version=2, deployment=2),
        ),
    ),
    case(
        "a binding deleted makes a version; deleting one that is not there makes nothing",
        FIRST,
        does(change("e2", bindings=merge(NONE=None)), unchanged()),
        does(change("v2", bindings=merge(CART=None)), deployed("bindings CART removed", version=2, deployment=2)),
    ),
    case(
        "a binding of an unknown type is kept and compared as a structure",
        FIRST,
        does(
            change("v2", bindings=merge(NEW={"type": "teleport", "to": {"b": 1, "a": [None, 2]}})),
            deployed("bindings NEW added", version=2, deployment=2),
        ),
        does(change("e3", bindings=merge(NEW={"to": {"a": [None, 2], "b": 1}, "type": "teleport"})), unchanged()),
        does(
            change("v3", bindings=merge(NEW={"type": "teleport", "to": {"b": True, "a": [None, 2]}})),
            deployed("bindings NEW changed", version=3, deployment=3),
        ),
    ),
    case(
        "the usage model is configuration and makes a version",
        FIRST,
        does(
            change("v2", config=merge(usage_model="unbound")),
            deployed("config usage_model changed", version=2, deployment=2),
        ),
        does(change("e3", config=merge(usage_model="unbound")), unchanged()),
    ),
    case(
        "compatibility date and flags, limits and placement make a version",
        FIRST,
        does(
            change(
                "v2",
                config=merge(
                    compatibility_date="2022-11-28",
                    compatibility_flags=["nodejs_compat"],
                    limits={"cpu_ms": 50},
                    placement={"mode": "smart"},
                ),
            ),
            deployed(
                "config compatibility_date added",
                "config compatibility_flags added",
                "config limits added",
                "config placement added",
                version=2,
                deployment=2,
            ),
        ),
        does(
            change("v3", config=merge(limits={"cpu_ms": 60}, placement=None)),
            deployed("config limits changed", "config placement removed", version=3, deployment=3),
        ),
    ),
    case(
        "a variable's value, its name, and its kind of value make versions",
        FIRST,
        does(
            change("v2", config=merge(vars={"STAGE": {"text": "test"}})),
            deployed("config vars/STAGE changed", version=2, deployment=2),
        ),
        does(
            change("v3", config=merge(vars={"STAGE": None, "PHASE": {"text": "test"}})),
            deployed("config vars/PHASE added", "config vars/STAGE removed", version=3, deployment=3),
        ),
        does(
            change("v4", config=merge(vars={"PHASE": {"json": "test"}})),
            deployed("config vars/PHASE changed", version=4, deployment=4),
        ),
        does(change("e5", config=merge(vars={"PHASE": {"json": "test"}})), unchanged()),
    ),
    case(
        "a secret's changed MAC and its name make versions, the same MAC nothing",
        FIRST,
        does(change("e2", config=merge(secrets={"KEY": secret("a")})), unchanged()),
        does(
            change("v2", config=merge(secrets={"KEY": secret("b")})),
            deployed("config secrets/KEY changed", version=2, deployment=2),
        ),
        does(
            change("v3", config=merge(secrets={"KEY": None, "KEY2": secret("b")})),
            deployed("config secrets/KEY removed", "config secrets/KEY2 added", version=3, deployment=3),
        ),
    ),
    case(
        "every mention of a secret without a MAC counts as a change",
        FIRST,
        does(
            change("v2", config=merge(secrets={"KEY": {}})),
            deployed("config secrets/KEY changed", version=2, deployment=2),
        ),
        does(
            change("v3", config=merge(secrets={"KEY": {}})),
            deployed("config secrets/KEY changed", version=3, deployment=3),
        ),
        does(change("e4", config=merge(secrets={"GONE": None})), unchanged()),
    ),
    case(
        "new code of a service binding's target makes nothing for its user; the binding itself does",
        given(change("v1", code=code(), bindings=replace(TAX=SERVICE))),
        does(change("t1", "tax", code=code("9")), deployed(MAIN, f"{INDEX} added", version=1, deployment=1, others={})),
        does(change("e3", bindings=merge(TAX=SERVICE)), unchanged()),
        does(
            change("v2", bindings=merge(TAX={**SERVICE, "service": "tax2"})),
            deployed("bindings TAX changed", version=2, deployment=2),
        ),
    ),
    case(
        "an operation on several aspects makes exactly one version, triggers beside it",
        FIRST,
        does(
            change(
                "v2",
                code=code("2"),
                bindings=merge(DB=D1),
                config=merge(usage_model="unbound"),
                routes=merge({"a/*": ROUTE}),
            ),
            deployed(
                "bindings DB added",
                f"{INDEX} changed",
                "config usage_model changed",
                "routes a/* added",
                version=2,
                deployment=2,
                triggers={
                    "crons": {},
                    "domains": {},
                    "queues": {},
                    "routes": {"a/*": ROUTE},
                    "settings": {},
                    "subdomain": {},
                },
            ),
        ),
    ),
    case(
        "an operation that changes nothing makes nothing, however much it repeats",
        FIRST,
        does({**FULL, "id": "e2"}, unchanged(triggers=None)),
        does(change("e3"), unchanged()),
        does(change("e4", code={}, routes={}), unchanged()),
    ),
    case(
        "a manifest equal to an older version's is a new version, and its digest shows the equality",
        does(FULL, deployed(*FULL_CHANGES, version=1, deployment=1)),
        SECOND,
        does(change("v3", code=code("1")), deployed(f"{INDEX} changed", version=3, deployment=3, manifest=MANIFEST)),
    ),
    case(
        "a number beyond 53 bits is a double",
        given(change("v1", code=code(), config=replace(vars={"N": {"json": 9007199254740993}}))),
        does(change("e2", config=merge(vars={"N": {"json": 9007199254740992.0}})), unchanged()),
        does(
            change("v2", config=merge(vars={"N": {"json": 9007199254740991}})),
            deployed("config vars/N changed", version=2, deployment=2),
        ),
    ),
]
