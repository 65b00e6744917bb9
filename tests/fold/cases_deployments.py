"""Cases: activation, splits, rollbacks, bases, deletion and new lives."""

from tests.fold.building import (
    case,
    change,
    changed,
    code,
    deleted,
    deployed,
    deployment_of,
    does,
    given,
    merge,
    rejected,
    replace,
    unchanged,
    uploaded,
    version_of,
)
from tests.fold.stories import D1, FIRST, INDEX, KV, LIVE, MAIN, MANIFEST, SECOND, SPLIT, V1, V2, V3

DEPLOYMENTS = [
    case(
        "activate false makes a version and no deployment",
        does(change("v1", code=code(), activate=False), uploaded(MAIN, f"{INDEX} added", version=1)),
        does(change("d1", deploy={V1: 100}), deployed(deployment=1, shares={V1: 100}, rollback=False)),
        does(change("v2", code=code("2"), activate=False), uploaded(f"{INDEX} changed", version=2)),
        does(change("e4", code=code("1"), activate=False), unchanged()),
        does(change("v3", code=code("3"), activate=True), deployed(f"{INDEX} changed", version=3, deployment=2)),
    ),
    case(
        "activate false on triggers only changes them all the same",
        FIRST,
        does(change("e2", routes=merge({"a/*": {}}), activate=False), changed("routes a/* added")),
    ),
    case(
        "the same content is a new version where the base does not take all traffic",
        FIRST,
        given(change("v2", code=code("2"), activate=False)),
        does(change("v3", code=code("2"), base=V2), deployed(version=3, deployment=2, shares={V3: 100})),
        does(change("e4", code=code("2"), base=V3), unchanged()),
    ),
    case(
        "a deployment splits traffic by percentage, exact to a thousandth",
        FIRST,
        SECOND,
        does(
            change("d3", deploy={V1: 33.333, V2: 66.667}),
            deployed(deployment=3, shares={V1: 33.333, V2: 66.667}, rollback=False, rollback_of=None),
        ),
        does(change("e4", deploy={V2: 66.667, V1: 33.333}), unchanged()),
        does(change("d5", deploy={V2: 50, V1: 50.0}), deployed(deployment=4, shares={V1: 50, V2: 50}, rollback=False)),
        does(change("d6", deploy={V2: 100}), deployed(deployment=5, rollback=False)),
        does(change("e7", deploy={V2: 100}), unchanged()),
    ),
    case(
        "giving all traffic to an older version is a rollback",
        FIRST,
        SECOND,
        does(change("d3", deploy={V1: 100}), deployed(deployment=3, shares={V1: 100}, rollback=True, rollback_of=None)),
        does(change("d4", deploy={V2: 100}), deployed(deployment=4, shares={V2: 100}, rollback=False)),
    ),
    case(
        "all traffic to the lower version of a split is a rollback, to the highest it is not",
        FIRST,
        SECOND,
        SPLIT,
        does(change("d4", deploy={V1: 100}), deployed(deployment=4, rollback=True)),
        given(change("d5", deploy={V1: 90, V2: 10})),
        does(change("d6", deploy={V2: 100}), deployed(deployment=6, rollback=False)),
    ),
    case(
        "rollback_to brings a deployment back and names it",
        FIRST,
        SECOND,
        does(
            change("d3", rollback_to=deployment_of("v1")),
            deployed(deployment=3, shares={V1: 100}, rollback=True, rollback_of=deployment_of("v1")),
        ),
        does(change("e4", rollback_to=deployment_of("v1")), unchanged()),
        does(change("e5", rollback_to=deployment_of("d3")), unchanged()),
    ),
    case(
        "rollback_to brings a split back whole",
        FIRST,
        SECOND,
        SPLIT,
        given(change("v3", code=code("3"), base=V2)),
        does(
            change("d5", rollback_to=deployment_of("split")),
            deployed(deployment=5, shares={V1: 90, V2: 10}, rollback_of=deployment_of("split")),
        ),
    ),
    case(
        "a rollback brings back content, never triggers",
        FIRST,
        given(change("e2", routes=merge({"a/*": {}}))),
        SECOND,
        does(change("d4", rollback_to=deployment_of("v1")), deployed(deployment=3, rollback=True, triggers=None)),
        does(change("e5", routes=merge({"a/*": {}})), unchanged()),
    ),
    case(
        "deploying a version the script does not have is refused",
        FIRST,
        given(change("t1", "tax", code=code("9"))),
        does(change("d3", deploy={V2: 100}), rejected("unknown_version", "$.data.deploy…")),
        does(change("d4", deploy={version_of("t1", "tax"): 100}), rejected("unknown_version", "$.data.deploy…")),
        does(change("d5", deploy={V1: 50, V3: 50}), rejected("unknown_version", "$.data.deploy…")),
    ),
    case(
        "restoring a deployment the script does not have is refused",
        FIRST,
        does(change("d2", rollback_to=deployment_of("v9")), rejected("unknown_deployment", "$.data.rollback_to")),
        does(change("d3", rollback_to=V1), rejected("unknown_deployment", "$.data.rollback_to")),
    ),
    *(
        case(
            f"a bad split is refused: {shares}", FIRST, SECOND, does(change("d3", deploy=deploy), rejected("bad_split"))
        )
        for shares, deploy in (
            ("99.999 in all", {V1: 33.333, V2: 66.666}),
            ("101 in all", {V1: 100, V2: 1}),
            ("four decimals", {V1: 33.3333, V2: 66.6667}),
            ("less than nothing", {V1: -10, V2: 110}),
            ("nothing", {}),
        )
    ),
]


BASES = [
    case(
        "the base is the active version, so after a rollback a merge builds on the older one",
        FIRST,
        given(change("v2", bindings=merge(DB=D1))),
        given(change("d3", deploy={V1: 100})),
        does(
            change("v3", code=code("3")),
            deployed(f"{INDEX} changed", version=3, deployment=4, rollback=False),
        ),
    ),
    case(
        "the base may name the newest version or the only active one",
        FIRST,
        given(change("v2", bindings=merge(DB=D1))),
        given(change("d3", deploy={V1: 100})),
        does(change("v3", code=code("3"), base=V1), deployed(f"{INDEX} changed", version=3, deployment=4)),
        given(change("d5", deploy={V2: 100})),
        does(
            change("v4", code=code("4"), base=V3),
            deployed(f"{INDEX} changed", version=4, deployment=6, rollback=False),
        ),
    ),
    case(
        "any other base is a conflict",
        FIRST,
        SECOND,
        does(change("e3", code=code("3"), base=V1), rejected("conflict", "$.data.base")),
        does(change("e4", code=code("3"), base=version_of("nowhere")), rejected("conflict", "$.data.base")),
        does(change("v3", code=code("3"), base=V2), deployed(f"{INDEX} changed", version=3, deployment=3)),
        does(change("e6", code=code("4"), base=V2), rejected("conflict", "$.data.base")),
    ),
    case(
        "a base is checked for triggers too",
        FIRST,
        does(change("e2", routes=merge({"a/*": {}}), base=V1), changed("routes a/* added")),
        does(change("e3", routes=merge({"b/*": {}}), base=V2), rejected("conflict", "$.data.base")),
    ),
    case(
        "where traffic is split an event needs a base",
        FIRST,
        SECOND,
        SPLIT,
        does(change("e4", code=code("3")), rejected("ambiguous_base")),
        does(change("e5", bindings=merge(DB=D1)), rejected("ambiguous_base")),
        does(change("e6", code=code("3"), bindings=replace(), config=merge(a=1)), rejected("ambiguous_base")),
        does(change("e7", code=code("3"), base=V1), rejected("conflict", "$.data.base")),
        does(change("v3", code=code("3"), base=V2), deployed(f"{INDEX} changed", version=3, deployment=4)),
    ),
    case(
        "where traffic is split an event that replaces everything needs no base and is measured against the newest",
        FIRST,
        SECOND,
        SPLIT,
        does(
            change("v3", code=code("2"), bindings=replace(CART=KV), config={"replace": MANIFEST["config"]}),
            deployed(version=3, deployment=4, shares={V3: 100}, rollback=False),
        ),
    ),
    case(
        "where traffic is split triggers need no base",
        FIRST,
        SECOND,
        SPLIT,
        does(change("e4", routes=merge({"a/*": {}})), changed("routes a/* added")),
    ),
]


LIVES = [
    case(
        "a deleted script is reached by nothing, and each trigger removed is named",
        FIRST,
        given(change("e2", routes=merge({"a/*": {}}), settings=merge(logpush=True), crons=merge({"1 * * * *": {}}))),
        does(
            change("e3", delete=True),
            deleted(
                "crons 1 * * * * removed",
                "routes a/* removed",
                "settings logpush removed",
                triggers={"crons": {}, "domains": {}, "queues": {}, "routes": {}, "settings": {}, "subdomain": {}},
            ),
        ),
        does(change("b1", "b", routes=merge({"a/*": {}})), changed("routes a/* added", others={})),
    ),
    case("a delete without triggers names no change", FIRST, does(change("e2", delete=True), deleted(triggers=None))),
    case(
        "uploading a deleted script again starts from nothing, and numbers go on",
        FIRST,
        given(change("e2", delete=True)),
        does(
            change("v2", code=code("1")),
            deployed(
                MAIN,
                f"{INDEX} added",
                version=2,
                deployment=2,
                rollback=False,
                manifest={"bindings": {}, "code": MANIFEST["code"], "config": {}},
            ),
        ),
        does(change("d4", deploy={V1: 100}), deployed(deployment=3, shares={V1: 100}, rollback=True)),
    ),
    case(
        "after a deletion a merge starts from nothing",
        FIRST,
        given(change("e2", delete=True)),
        does(
            change("v2", code=code("1"), bindings=merge(DB=D1), config=merge(vars={"A": LIVE})),
            deployed("bindings DB added", MAIN, f"{INDEX} added", "config vars/A added", version=2, deployment=2),
        ),
    ),
    case(
        "what needs an existing script is refused before the first version",
        does(change("e1", bindings=merge(CART=KV)), rejected("script_absent", account=None)),
        does(change("e2", config=replace(a=1)), rejected("script_absent")),
        does(change("e3", deploy={V1: 100}), rejected("script_absent")),
        does(change("e4", rollback_to=deployment_of("v1")), rejected("script_absent")),
        does(change("e5", delete=True), rejected("script_absent")),
        does(change("v1", code=code()), deployed(MAIN, f"{INDEX} added", version=1, deployment=1, account_index=0)),
    ),
    case(
        "what needs an existing script is refused after its deletion",
        FIRST,
        given(change("e2", delete=True)),
        does(change("e3", bindings=merge(CART=KV)), rejected("script_absent", account="acme", account_index=2)),
        does(change("e4", deploy={V1: 100}), rejected("script_absent")),
        does(change("e5", rollback_to=deployment_of("v1")), rejected("script_absent")),
        does(change("e6", delete=True), rejected("script_absent")),
        does(change("e7", routes=merge({"a/*": {}})), changed("routes a/* added")),
    ),
    case(
        "triggers that wait do not make a script that can be deleted",
        given(change("e1", routes=merge({"a/*": {}}))),
        does(change("e2", delete=True), rejected("script_absent")),
    ),
]
