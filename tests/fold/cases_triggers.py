"""Cases: how a script is reached, and routes and domains that move."""

from typing import Any

from tests.fold.building import (
    case,
    change,
    changed,
    code,
    deployed,
    does,
    given,
    merge,
    rejected,
    replace,
    unchanged,
)
from tests.fold.stories import FIRST, INDEX, KV, MAIN, ROUTE

_TRIGGERS: tuple[tuple[str, str, Any, Any], ...] = (
    ("routes", "a/*", {"zone": "a"}, {"zone_id": "1"}),
    ("domains", "shop.acme.example", {"zone": "a"}, {"zone": "a", "certificate": "c1"}),
    ("queues", "orders", {"type": "worker"}, {"type": "worker", "max_batch_size": 5}),
    ("subdomain", "enabled", True, False),
    ("settings", "logpush", True, False),
    ("settings", "tail_consumers", [{"service": "t"}], []),
    ("settings", "observability", {"enabled": True}, {"enabled": False}),
    ("settings", "tags", ["a"], ["a", "b"]),
)
TRIGGERS = [
    case(
        "a cron comes and goes without a version or a deployment",
        FIRST,
        does(change("e2", crons=merge({"*/5 * * * *": {}})), changed("crons */5 * * * * added")),
        does(change("e3", crons=merge({"*/5 * * * *": {}})), unchanged(triggers=None)),
        does(change("e4", crons=replace()), changed("crons */5 * * * * removed")),
        does(change("v2", code=code("2")), deployed(f"{INDEX} changed", version=2, deployment=2)),
    ),
    *(
        case(
            f"{aspect} never make a version or a deployment: {name}",
            FIRST,
            does(
                change("e2", "shop", **{aspect: replace({name: one})}), changed(f"{aspect} {name} added", rollback=None)
            ),
            does(change("e3", "shop", **{aspect: merge({name: other})}), changed(f"{aspect} {name} changed")),
            does(change("e4", "shop", **{aspect: merge({name: None})}), changed(f"{aspect} {name} removed")),
            does(change("e5", "shop", **{aspect: merge({name: None})}), unchanged(triggers=None)),
            does(change("v2", code=code("2")), deployed(f"{INDEX} changed", version=2, deployment=2)),
        )
        for aspect, name, one, other in _TRIGGERS
    ),
    case(
        "triggers may come before the script and wait for it",
        does(change("e1", routes=merge({"a/*": ROUTE})), changed("routes a/* added")),
        does(change("v1", code=code()), deployed(MAIN, f"{INDEX} added", version=1, deployment=1, triggers=None)),
        does(change("e3", routes=merge({"a/*": ROUTE})), unchanged()),
    ),
    case(
        "a route moves to the script of the newest event, and the entry says who lost it",
        given(change("a1", "a", code=code(), routes=replace({"x/*": ROUTE, "y/*": ROUTE}))),
        does(
            change("b1", "b", code=code(), routes=replace({"x/*": ROUTE})),
            deployed(
                MAIN,
                f"{INDEX} added",
                "routes x/* added",
                version=1,
                deployment=1,
                others={"a": [["routes", "x/*", "removed"]]},
            ),
        ),
        does(
            change("a2", "a", routes=replace({"x/*": ROUTE, "y/*": ROUTE})),
            changed("routes x/* added", others={"b": [["routes", "x/*", "removed"]]}),
        ),
        does(change("a3", "a", routes=replace({"x/*": ROUTE, "y/*": ROUTE})), unchanged(others={})),
    ),
    case(
        "a domain and a route may be taken from two scripts at once",
        given(change("a1", "a", routes=merge({"x/*": ROUTE}))),
        given(change("c1", "c", domains=merge({"d.example": {}}), routes=merge({"z/*": {}}))),
        does(
            change("b1", "b", routes=merge({"x/*": {}}), domains=merge({"d.example": {"zone": "e"}})),
            changed(
                "domains d.example added",
                "routes x/* added",
                others={"a": [["routes", "x/*", "removed"]], "c": [["domains", "d.example", "removed"]]},
            ),
        ),
    ),
    case(
        "removing a name that another script holds takes nothing from it",
        given(change("a1", "a", routes=merge({"x/*": ROUTE}))),
        does(change("b1", "b", routes=merge({"x/*": None})), unchanged(others={})),
        does(change("a2", "a", routes=merge({"x/*": ROUTE})), unchanged()),
    ),
    case(
        "crons and queues may be the same in several scripts",
        given(change("a1", "a", crons=merge({"* * * * *": {}}), queues=merge(q={"type": "worker"}))),
        does(
            change("b1", "b", crons=merge({"* * * * *": {}}), queues=merge(q={"type": "worker"})),
            changed("crons * * * * * added", "queues q added", others={}),
        ),
    ),
    case(
        "the same route in another account is another route",
        given(change("a1", "a", routes=merge({"x/*": ROUTE}))),
        does(
            change("b1", "b", account="beta", routes=merge({"x/*": ROUTE})),
            changed("routes x/* added", others={}, account_index=0),
        ),
    ),
    case(
        "a refused event takes no route",
        given(change("a1", "a", routes=merge({"x/*": ROUTE}))),
        does(change("b1", "b", bindings=merge(CART=KV), routes=merge({"x/*": ROUTE})), rejected("script_absent")),
        does(change("a2", "a", routes=merge({"x/*": ROUTE})), unchanged()),
    ),
]
