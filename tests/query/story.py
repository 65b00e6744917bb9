"""A small ledger whose answers can be checked by hand.

minute  entry  what
0       0/0    shop: version 1, deployment 1, by Ana; routes shop.example/* and api.example/*
10      0/1    shop: version 2 uploaded only, by Ben, through the dashboard
20      0/2    shop: deployment 2: version 1 90 %, version 2 10 %
30      0/3    blog: takes shop.example/* from shop, before it has any version
40      0/4    shop: deployment 3: version 2 100 %
40      0/5    shop: deployment 4: back to deployment 1, at the same time
50      0/6    rejected, account unknown
60      0/7    duplicate of 0/0
70      0/8    shop: deleted; its cron and route go with it
80      0/9    an operator's note
5       1/0    shop of the account other: version 1, deployment 1, by nobody known
"""

from pathlib import Path

from tests.query.build import ANA, BEN, Json, deployment, entry, identifier, triggers, version, write_ledger

ROUTES = {"shop.example/*": {"zone": "shop.example"}, "api.example/*": {"zone_id": "z1"}}
CRONS: Json = {"*/5 * * * *": {}}
V1 = version(
    1,
    code={
        "main": "index.js",
        "modules": {"index.js": {"type": "esm", "size": 3, "sha256": "a" * 64}, "b.wasm": {"type": "wasm", "size": 9, "sha256": "b" * 64}},
    },
    bindings={"CART": {"type": "kv_namespace", "namespace_id": "n1"}},
    config={"usage_model": "bundled", "vars": {"STAGE": {"text": "live"}, "LIMITS": {"json": {"rate": 0.25}}}, "secrets": {"KEY": {"mac": "cd" * 32}}},
)  # fmt: skip
V2 = version(2, code=V1["manifest"]["code"], config={"usage_model": "unbound"})

SHARD_0: list[Json] = [
    entry(
        0,
        "deployed",
        version=V1,
        deployment=deployment(1, {1: 100}),
        data={"message": "first", "tag": "v1"},
        changes=[["bindings", "CART", "added"], ["crons", "*/5 * * * *", "added"], ["routes", "api.example/*", "added"], ["routes", "shop.example/*", "added"]],
        triggers=triggers(routes=ROUTES, crons=CRONS, subdomain={"enabled": True}),
    ),
    entry(
        10,
        "uploaded",
        actor=BEN,
        version=V2,
        data={"interface": "dash"},
        changes=[["bindings", "CART", "removed"], ["config", "usage_model", "changed"]],
    ),
    entry(20, "deployed", deployment=deployment(2, {1: 90, 2: 10})),
    entry(
        30,
        "changed",
        script="blog",
        actor=BEN,
        changes=[["routes", "shop.example/*", "added"]],
        triggers=triggers(routes={"shop.example/*": {}}),
        others=[
            {
                "subject": "shop",
                "changes": [["routes", "shop.example/*", "removed"]],
                "triggers": triggers(routes={"api.example/*": {"zone_id": "z1"}}, crons=CRONS, subdomain={"enabled": True}),
            }
        ],
    ),
    entry(40, "deployed", deployment=deployment(3, {2: 100})),
    entry(40, "deployed", deployment=deployment(4, {1: 100}, rollback=True, rollback_of=identifier("d-shop", 1))),
    entry(
        50,
        "rejected",
        account=None,
        event={"source": "gateway/eu-1", "id": "bad", "time": "yesterday"},
        reason={"code": "bad_time", "path": "$.time", "detail": "not a time"},
    ),
    entry(60, "duplicate", event={"source": "gateway/eu-1", "id": "event-0-shop", "subject": "shop"}, first_index=0),
    entry(
        70,
        "deleted",
        changes=[["crons", "*/5 * * * *", "removed"], ["routes", "api.example/*", "removed"], ["subdomain", "enabled", "removed"]],
        triggers=triggers(),
    ),
    entry(80, "noted", data={"action": "hold", "detail": {"because": "a lawsuit"}}),
]  # fmt: skip

SHARD_1: list[Json] = [
    entry(
        5,
        "deployed",
        account="other",
        actor=None,
        version=version(1, script="other-shop"),
        deployment=deployment(1, {1: 100}, script="other-shop"),
    )
]


def write_story(root: Path) -> Path:
    """Write the ledger into a directory and return it."""
    return write_ledger(root, [SHARD_0, SHARD_1], segment_entries=4)


__all__ = ["ANA", "BEN", "SHARD_0", "SHARD_1", "V1", "V2", "write_story"]
