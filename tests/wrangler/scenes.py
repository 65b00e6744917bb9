"""What a developer does with a Worker, scene by scene, in commands of each wrangler."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from tests.wrangler.driver import Driver
from tests.wrangler.projects import Project

__all__ = ["SCENES", "SECRETS", "play"]

SECRETS: Final = {
    "TOKEN": "s3kr1t-alpha-7c1e",
    "TOKEN_2": "s3kr1t-beta-41d9",
    "API_KEY": "s3kr1t-gamma-0b7f",
    "DB_PASS": "s3kr1t-dëlta-ключ-58aa",
    "weird.name": "s3kr1t-epsilon-e2c4",
    "NEEDED": "s3kr1t-zeta-9d30",
}
"""Every secret value that a scene sends; nothing that the ledger keeps may hold one."""

ZONE: Final = {"zone_id": "5" * 32}
_UPLOADED: Final = ("--message", "Grüße – candidate", "--tag", "v2.0.0")


class _Words:
    """What the same act is called in each version."""

    def __init__(self, driver: Driver) -> None:
        new = driver.major >= 3
        self.deploy = "deploy" if new else "publish"
        self.bulk = ("secret", "bulk") if new else ("secret:bulk",)
        self.list = ("deployments",) if driver.version == "2.6.2" else ("deployments", "list")
        self.delete = ("delete", "--force") if new else ("delete",)
        self.note = ("--message", "zweite Fassung: größer", "--tag", "v1.2.3") if driver.major >= 4 else ()


def life(driver: Driver) -> None:
    """First deploy, a change, nothing new, rollbacks, deletion, a second life."""
    words = _Words(driver)
    project = _tiny(driver)
    first = driver.run("life-first", project, words.deploy).id
    project.edit("greet.js", "Grüße", "Servus")
    second = driver.run("life-second", project, words.deploy, *words.note).id
    driver.run("life-unchanged", project, words.deploy)
    project.edit("greet.js", "Servus", "Moin")
    driver.run("life-third", project, words.deploy)
    driver.run("life-list", project, *words.list)
    if driver.version == "2.21.3":
        driver.run("life-view", project, "deployments", "view", second)
        driver.run("life-view-latest", project, "deployments", "view")
        driver.run("life-rollback", project, "rollback", first, "--message", "bad release")
        driver.run("life-rollback-default", project, "rollback")
        driver.run("life-rollback-unknown", project, "rollback", "0" * 8 + first[8:], "--message", "none", fails=True)
    if driver.major >= 3:
        driver.run("life-list-json", project, "deployments", "list", "--json")
        driver.run("life-status", project, "deployments", "status")
        driver.run("life-versions", project, "versions", "list")
        driver.run("life-view", project, "versions", "view", second)
        driver.run("life-rollback-default", project, "rollback", "--message", "bad release", "--yes")
        driver.run("life-rollback", project, "rollback", first, "--message", "older still", "--yes")
        driver.run("life-rollback-unknown", project, "rollback", "0" * 8 + first[8:], "--yes", fails=True)
    if driver.version != "2.6.2":
        driver.run("life-after", project, *words.list)
    driver.run("life-newest-again", project, words.deploy)
    driver.run("life-delete", project, *words.delete)
    driver.run("life-gone", project, *words.list, fails=True)
    driver.run("life-again", project, words.deploy)
    driver.run("life-list-again", project, *words.list)


def splits(driver: Driver) -> None:
    """Traffic split between two and three versions, with fractions, and what may be done meanwhile."""
    project = driver.project("canary", "plain", vars={"GREETING": "you"})
    first = driver.run("splits-first", project, "deploy").id
    project.edit("greet.js", "Grüße", "Servus")
    second = driver.run("splits-upload", project, "versions", "upload", *_UPLOADED).id
    project.edit("greet.js", "Servus", "Moin")
    third = driver.run("splits-upload-again", project, "versions", "upload").id
    deploy = ("versions", "deploy", "--yes")
    driver.run("splits-two", project, *deploy, f"{second}@20%", f"{first}@80%", "--message", "canary")
    driver.run("splits-status", project, "deployments", "status")
    three = (f"{third}@12.5", f"{second}@33.333", f"{first}@54.167", "--max-versions", "3")
    driver.run("splits-three", project, *deploy, *three)
    driver.run("splits-three-again", project, *deploy, *three)
    driver.run("splits-even", project, *deploy, third, second, first, "--max-versions", "3")
    driver.run("splits-nothing-for-one", project, *deploy, f"{third}@0%", f"{second}@100%")
    driver.run("splits-two-again", project, *deploy, f"{third}@0.5%", f"{first}@99.5%")
    driver.run("splits-secret", project, "secret", "put", "TOKEN", given=SECRETS["TOKEN"], fails=True)
    driver.run("splits-next-secret", project, "versions", "secret", "put", "TOKEN", given=SECRETS["TOKEN"])
    project.edit("greet.js", "Moin", "Hallo")
    driver.run("splits-deploy-over", project, "deploy")
    driver.run("splits-rollback", project, "rollback", second, "--message", "the canary", "--yes")
    driver.run("splits-versions", project, "versions", "list")
    driver.run("splits-list", project, "deployments", "list")


def kinds(driver: Driver) -> None:
    """Modules and bindings of many kinds, and what becomes of them when they are removed."""
    words = _Words(driver)
    project = driver.project("shop", "modules", **_many(driver))
    driver.run("kinds-first", project, words.deploy)
    driver.run("kinds-unchanged", project, words.deploy)
    driver.run("kinds-secret", project, "secret", "put", "TOKEN", given=SECRETS["TOKEN"] + "\n")
    project.write("notes/größe.txt", "Maße in mm: 148 × 210\n")
    project.configure(
        kv_namespaces=[], vars={"STAGE": "live", "LIMITS": {"rate": 0.5}}, triggers={"crons": ["0 3 * * *"]}
    )
    driver.run("kinds-fewer", project, words.deploy)
    driver.run("kinds-secrets", project, "secret", "list")
    if driver.version != "2.6.2":
        project.configure(vars={"STAGE": "live"})
        driver.run("kinds-keep-vars", project, words.deploy, "--keep-vars")
    project.configure(vars={"STAGE": "live", "TOKEN": "no secret any more"})
    driver.run("kinds-var-for-secret", project, words.deploy)
    if driver.major >= 3:
        project.configure(vars={"STAGE": "live", "weird.name": "x", "deep": {"a": None, "e": {}, "l": [1, 1e21, 0.1]}})
        driver.run("kinds-odd-vars", project, words.deploy)
        driver.run("kinds-versions", project, "versions", "list")


def service(driver: Driver) -> None:
    """A service worker with wasm, text and data."""
    words = _Words(driver)
    project = driver.project(
        "legacy",
        "service",
        vars={"MODE": "old"},
        wasm_modules={"SHAPE": "shape.wasm"},
        text_blobs={"TERMS": "terms.txt"},
        data_blobs={"TABLE": "table.bin"},
    )
    driver.run("service-first", project, words.deploy)
    driver.run("service-unchanged", project, words.deploy)
    project.write("terms.txt", "Neue Nutzungsbedingungen\n")
    driver.run("service-second", project, words.deploy)
    driver.run("service-list", project, *words.list)


def secrets(driver: Driver) -> None:
    """Secrets before the first deploy, one by one, many at once, the same again, and taken away."""
    words = _Words(driver)
    project = driver.project("vault", "plain")
    some = {name: SECRETS[name] for name in ("API_KEY", "DB_PASS", "weird.name")}
    project.write("some.json", msgspec.json.encode(some).decode())
    driver.run("secrets-before", project, "secret", "put", "TOKEN", given=SECRETS["TOKEN"] + "\n")
    driver.run("secrets-first-deploy", project, words.deploy)
    driver.run("secrets-bulk", project, *words.bulk, "some.json")
    driver.run("secrets-same", project, "secret", "put", "TOKEN", given=SECRETS["TOKEN"])
    driver.run("secrets-other", project, "secret", "put", "TOKEN", given=SECRETS["TOKEN_2"])
    driver.run("secrets-list", project, "secret", "list")
    if driver.version != "2.6.2":  # it asks on a terminal
        driver.run("secrets-delete", project, "secret", "delete", "weird.name")
        driver.run("secrets-delete-again", project, "secret", "delete", "weird.name", fails=True)
    driver.run("secrets-unchanged", project, words.deploy)
    if driver.major >= 3:
        _next_secrets(driver, project)


def _next_secrets(driver: Driver, project: Project) -> None:
    put = ("versions", "secret", "put")
    driver.run("secrets-next", project, *put, "TOKEN_2", "--message", "for later", given=SECRETS["TOKEN_2"])
    driver.run("secrets-next-bulk", project, "versions", "secret", "bulk", "some.json", "--tag", "t1")
    driver.run("secrets-next-delete", project, "versions", "secret", "delete", "API_KEY", "--message", "drop")
    driver.run("secrets-next-list", project, "versions", "secret", "list")
    driver.run("secrets-versions", project, "versions", "list")
    driver.run("secrets-newest-not-active", project, "secret", "put", "TOKEN", given=SECRETS["TOKEN"])
    driver.run("secrets-after", project, "secret", "list")
    unknown = driver.project("fresh", "plain")
    unknown.write("some.json", (project.directory / "some.json").read_text())
    driver.run("secrets-bulk-before", unknown, "secret", "bulk", "some.json")
    if driver.major >= 4:
        project.write("needed.json", msgspec.json.encode({"NEEDED": SECRETS["NEEDED"]}).decode())
        project.configure(secrets={"required": ["TOKEN", "NEEDED"]})
        driver.run("secrets-required", project, "deploy", fails=True)
        driver.run("secrets-file", project, "deploy", "--secrets-file", "needed.json")
        driver.run("secrets-there", project, "deploy")


def places(driver: Driver) -> None:
    """Environments, routes that change hands, queues, crons without a deploy, an account that is not named."""
    words = _Words(driver)
    staging = {"vars": {"STAGE": "staging"}, "workers_dev": False}
    project = driver.project("multi", "plain", vars={"STAGE": "live"}, env={"staging": staging})
    driver.run("places-env", project, words.deploy, "--env", "staging")
    driver.run("places-no-env", project, words.deploy)
    owner = driver.project("owner", "plain", routes=[{"pattern": "owned.shop.example/*", **ZONE}])
    driver.run("places-owner", owner, words.deploy)
    thief = driver.project("thief", "plain", routes=[{"pattern": "owned.shop.example/*", **ZONE}])
    driver.run("places-not-mine", thief, words.deploy, fails=True)
    thief.configure(workers_dev=True)
    driver.run("places-taken", thief, words.deploy)
    named = driver.project("named", "plain", routes=["www.shop.example/*"])
    driver.run("places-zone-by-name", named, words.deploy)
    consumers = [{"queue": "orders", "max_batch_size": 5, "dead_letter_queue": "dead"}]
    consumer = driver.project("consumer", "plain", queues={"consumers": consumers})
    driver.run("places-queue", consumer, words.deploy)
    driver.run("places-member", consumer, words.deploy, member=True)
    driver.run("places-whoami", consumer, "whoami")
    if driver.major >= 3:
        named.configure(triggers={"crons": ["15 4 * * 1"]})
        driver.run("places-triggers", named, "triggers", "deploy")
        driver.run("places-unknown", driver.project("nobody", "plain"), "versions", "upload", fails=True)
    else:
        driver.run("places-service-env", project, words.deploy, "--env", "staging", "--legacy-env", "false", fails=True)


def site(driver: Driver) -> None:
    """Static assets, with a script and without."""
    assets = {"directory": "public", "binding": "ASSETS"}
    project = driver.project("site", "site", assets=assets)
    driver.run("site-first", project, "deploy")
    driver.run("site-unchanged", project, "deploy")
    project.write("public/docs/words.txt", "other words\n")
    driver.run("site-second", project, "deploy")
    alone = driver.project("leaflet", "site", None, assets={"directory": "public"})
    driver.run("site-no-script", alone, "deploy")
    driver.run("site-no-script-unchanged", alone, "deploy")


SCENES: Final[dict[str, tuple[int, Callable[[Driver], None]]]] = {
    "life": (2, life),
    "splits": (3, splits),
    "kinds": (2, kinds),
    "service": (2, service),
    "secrets": (2, secrets),
    "places": (2, places),
    "site": (3, site),
}
"""Each scene, and the first major version that can play it."""


def play(driver: Driver, *names: str) -> None:
    """Play these scenes, or all that the driver's version can play."""
    for name in names or SCENES:
        since, scene = SCENES[name]
        if driver.major >= since:
            scene(driver)


def _tiny(driver: Driver) -> Project:
    return driver.project(
        "tiny",
        "plain",
        vars={"GREETING": "you", "OBJ": {"a": 1}},
        kv_namespaces=[{"binding": "KV", "id": "1" * 32}],
        route={"pattern": "tiny.shop.example/*", **ZONE},
        triggers={"crons": ["*/5 * * * *"]},
    )


def _many(driver: Driver) -> dict[str, Any]:
    """Bindings of as many kinds as the version knows."""
    found: dict[str, Any] = {
        "vars": {
            "STAGE": "live",
            "LIMITS": {"rate": 0.25, "deep": [1, 2.5]},
            "COUNT": 3,
            "DEBUG": False,
            "ÄRGER": "🌍",
        },
        "kv_namespaces": [{"binding": "CART", "id": "1" * 32}],
        "durable_objects": {"bindings": [{"name": "COUNTER", "class_name": "Counter"}]},
        "migrations": [{"tag": "v1", "new_classes": ["Counter"]}],
        "r2_buckets": [{"binding": "IMAGES", "bucket_name": "images"}],
        "queues": {"producers": [{"binding": "ORDERS", "queue": "orders"}]},
        "services": [{"binding": "AUTH", "service": "auth"}],
        "analytics_engine_datasets": [{"binding": "AE", "dataset": "ds"}],
        "routes": [
            {"pattern": "shop.example/*", **ZONE},
            {"pattern": "pay.shop.example/*", "zone_name": "shop.example"},
            {"pattern": "www.shop.example", "custom_domain": True},
        ],
        "triggers": {"crons": ["0 3 * * *", "*/20 * * * *"]},
        "workers_dev": True,
        "logpush": True,
    }
    if driver.major >= 3:
        found |= {
            "d1_databases": [
                {"binding": "DB", "database_name": "db", "database_id": f"{'3' * 8}-3333-4333-8333-{'3' * 12}"}
            ],
            "tail_consumers": [{"service": "tail"}],
            "observability": {"enabled": True, "head_sampling_rate": 0.25},
            "limits": {"cpu_ms": 50},
            "placement": {"mode": "smart"},
            "version_metadata": {"binding": "ABOUT"},
        }
    return found
