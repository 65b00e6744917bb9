"""Cases: clocks, duplicates, notes, and whose an event is."""

from tests.fold.building import (
    at,
    case,
    change,
    code,
    deployed,
    does,
    duplicate,
    given,
    merge,
    note,
    noted,
    rejected,
    unchanged,
)
from tests.fold.stories import FIRST, FULL, FULL_CHANGES, INDEX, KV, MAIN, ROUTE, SECOND, V3

TIMES = [
    case(
        "an event's own time stands, in its own words",
        does(
            change("v1", code=code(), time="2022-11-28T08:59:59.5Z"),
            {"effective_at": "2022-11-28T08:59:59.5Z", "skew": None},
        ),
    ),
    case(
        "a clock ahead is held at the recorded time",
        does(
            change("v1", code=code(), time="2022-11-28T09:00:00.000001Z"),
            {"accepted": True, "effective_at": at(0), "recorded_at": at(0), "skew": "ahead"},
        ),
    ),
    case(
        "a clock behind is held at the script's last effective time",
        FIRST,
        does(change("v2", code=code("2"), time=at(0, "")), {"accepted": True, "effective_at": at(0, ""), "skew": None}),
        does(
            change("v3", code=code("3"), time="2022-11-28T08:59:59.999999Z"),
            {"accepted": True, "effective_at": at(0, ""), "skew": "late", "recorded_at": at(2)},
        ),
        does(
            change("o1", "other", code=code("3"), time="2022-11-28T08:00:00Z"),
            {"accepted": True, "effective_at": "2022-11-28T08:00:00Z", "skew": None},
        ),
    ),
    case(
        "a script that loses a route holds the time too, and is held by it",
        given(change("a1", "a", routes=merge({"x/*": ROUTE}))),
        does(
            change("b1", "b", routes=merge({"x/*": ROUTE}), time="2022-11-28T08:00:00Z"),
            {"accepted": True, "effective_at": at(0), "skew": "late"},
        ),
        given(change("b2", "b", routes=merge({"x/*": None}))),
        given(change("a2", "a", routes=merge({"x/*": ROUTE}))),
        given(change("b3", "b", routes=merge({"x/*": ROUTE}))),
        does(
            change("a3", "a", code=code(), time=at(3, ".500")),
            {"accepted": True, "effective_at": at(4), "skew": "late"},
        ),
    ),
    case(
        "the recorded time never goes back",
        does(FULL, {"recorded_at": at(9)}, recorded_ms=9000),
        does(change("e2", time=at(1)), {"recorded_at": at(9), "effective_at": at(1)}, recorded_ms=5000),
        does(change("e3"), {"recorded_at": at(9, ".001")}, recorded_ms=9001),
    ),
    case(
        "refused and repeated events do not hold later ones",
        does(change("v1", code=code(), time="2022-11-28T08:00:00Z"), {"accepted": True}),
        does(change("e2", deploy={V3: 100}), rejected("unknown_version", effective_at=at(1))),
        does(change("v1", code=code()), duplicate(0, effective_at=at(2))),
        does(change("e4", code=code("2"), time="2022-11-28T08:30:00Z"), {"effective_at": "2022-11-28T08:30:00Z"}),
        does(change("e5", deploy={V3: 100}, time="2022-11-28T08:10:00Z"), rejected("unknown_version", skew="late")),
    ),
    case(
        "an unchanged event holds later ones",
        FIRST,
        does(change("e2"), unchanged(effective_at=at(1))),
        does(change("v2", code=code("2"), time=at(0)), {"effective_at": at(1), "skew": "late"}),
    ),
]


IDENTITIES = [
    case(
        "the same source and id is a duplicate of its first entry, whatever else it says",
        FIRST,
        SECOND,
        does({**FULL, "time": at(0)}, duplicate(0)),
        does(change("v1", "another", code=code("7")), duplicate(0)),
        does({**FULL, "source": "gateway/us-1"}, deployed(f"{INDEX} changed", version=3, deployment=3)),
    ),
    case(
        "a rejected event may come again",
        does(change("v1", bindings=merge(CART=KV)), rejected("script_absent")),
        does(change("v1", code=code()), deployed(MAIN, f"{INDEX} added", version=1, deployment=1)),
        does(change("v1", code=code()), duplicate(1)),
    ),
    case(
        "unchanged events and notes are remembered like others",
        FIRST,
        given(change("e2")),
        given(note("n3")),
        does(change("e2", code=code("2")), duplicate(1)),
        does(note("n3"), duplicate(2)),
    ),
    case(
        "an operator's note is noted and changes no script",
        FIRST,
        does(note("n2"), noted(triggers=None, account="acme", account_index=1)),
        does(change("e3", code=code("1")), unchanged(account_index=2)),
    ),
    case(
        "an event whose account is not the Kafka key is refused and joins no account",
        FIRST,
        does(change("v2", code=code("2")), rejected("key_mismatch", account=None, account_index=None), key=b"beta"),
        does(change("v2", code=code("2")), deployed(f"{INDEX} changed", version=2, deployment=2, account_index=1)),
    ),
    case(
        "an event of an account at home in another shard is misrouted",
        does(change("v1", account="beta", code=code()), rejected("misrouted", account=None)),
        does(FULL, deployed(*FULL_CHANGES, version=1, deployment=1, account="acme", account_index=0)),
        elsewhere=("beta",),
    ),
    case(
        "a key mismatch comes before misrouting, misrouting before duplicates and the fold",
        does(change("v1", account="beta", delete=True), rejected("key_mismatch"), key=b"acme"),
        does(change("v1", account="beta", delete=True), rejected("misrouted")),
        FIRST,
        does(change("v1", delete=True), duplicate(2)),
        elsewhere=("beta",),
    ),
    case(
        "accounts are counted apart",
        does(change("a1", code=code()), {"index": 0, "account": "acme", "account_index": 0}),
        does(
            change("b1", account="beta", code=code()), {"index": 1, "account": "beta", "account_index": 0, "version": 1}
        ),
        does(change("a2", code=code("2")), {"index": 2, "account": "acme", "account_index": 1, "version": 2}),
    ),
]
