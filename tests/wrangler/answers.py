"""What the stand-in answers, path by path."""

from typing import Final

import msgspec

from tests.wrangler.standin import Answer, Ask, Json, Platform, Refused, content, route, secretless

__all__: list[str] = []

_ACCOUNT: Final = {"id": "acme", "name": "Acme"}
_JWT: Final = "stand-in-jwt"


@route("GET", "/user")
def _user(platform: Platform, ask: Ask) -> Json:
    return {"id": "u_17", "email": "dev@acme.example"}


@route("GET", "/user/tokens/verify")
def _verify(platform: Platform, ask: Ask) -> Json:
    return {"id": "t_1", "status": "active"}


@route("GET", "/memberships")
def _memberships(platform: Platform, ask: Ask) -> list[Json]:
    return [{"id": "m_1", "account": _ACCOUNT}]


@route("GET", "/accounts")
def _accounts(platform: Platform, ask: Ask) -> list[Json]:
    return [_ACCOUNT]


@route("GET", "A/workers/services/{n}")
def _service(platform: Platform, ask: Ask) -> Json:
    script = platform.script(ask, 10090)
    about = {"id": ask.names["n"], "tag": script.tag, "handlers": ["fetch"], "last_deployed_from": "wrangler"}
    return {"id": ask.names["n"], "default_environment": {"environment": "production", "script": about}}


@route("DELETE", "A/workers/services/{n}")
def _delete(platform: Platform, ask: Ask) -> None:
    platform.script(ask)
    platform.forget(ask.names["n"])


@route("GET", "A/workers/scripts")
def _scripts(platform: Platform, ask: Ask) -> list[Json]:
    return []


@route("PUT", "S")
def _put(platform: Platform, ask: Ask) -> Json:
    if (wanted := ask.query.get("rollback_to")) is not None:
        script = platform.script(ask)
        old = platform.deployment(script, wanted)
        shares = {item["version_id"]: item["percentage"] for item in old["versions"]}
        message = next(part.body.decode() for part in ask.parts if part.name == "message")
        made = platform.deploy(script, shares, message=message, triggered_by="rollback")
        version = platform.version(script, next(iter(shares)))
    else:
        script, version = platform.upload(ask, activate=True)
        made = script.deployments[-1] if "include_subdomain_availability" in ask.query else version
    return {
        "id": ask.names["n"],
        "tag": script.tag,
        "deployment_id": made["id"].replace("-", ""),
        "etag": version["resources"]["script"]["etag"],
        "handlers": ["fetch"],
        "startup_time_ms": 2,
        "available_on_subdomain": script.subdomain["enabled"],
    }


@route("GET", "A/workers/deployments/by-script/{tag}")
def _by_script(platform: Platform, ask: Ask) -> Json:
    script = platform.tagged(ask.names["tag"])
    items = [platform.item(script, deployment) for deployment in script.deployments[-10:]]
    return {"latest": items[-1], "items": items if ask.query.get("order") == "asc" else items[::-1]}


@route("GET", "A/workers/deployments/by-script/{tag}/detail/{id}")
def _detail(platform: Platform, ask: Ask) -> Json:
    script = platform.tagged(ask.names["tag"])
    return platform.item(script, platform.deployment(script, ask.names["id"]))


@route("GET", "S/deployments")
def _deployments(platform: Platform, ask: Ask) -> Json:
    return {"deployments": platform.script(ask).deployments[:-11:-1]}


@route("POST", "S/deployments")
def _deploy(platform: Platform, ask: Ask) -> Json:
    shares = {item["version_id"]: item["percentage"] for item in ask.json["versions"]}
    message = ask.json.get("annotations", {}).get("workers/message", "")
    return platform.deploy(platform.script(ask), shares, message=message)


@route("GET", "S/versions")
def _versions(platform: Platform, ask: Ask) -> Json:
    newest = platform.script(ask).versions[:-11:-1]
    return {"items": [{key: version[key] for key in ("id", "number", "metadata", "annotations")} for version in newest]}


@route("POST", "S/versions")
def _upload(platform: Platform, ask: Ask) -> Json:
    platform.script(ask)
    return platform.upload(ask, activate=False)[1]


@route("GET", "S/versions/{id}")
def _version(platform: Platform, ask: Ask) -> Json:
    return platform.version(platform.script(ask), ask.names["id"])


@route("GET", "S/content/v2")
def _content(platform: Platform, ask: Ask) -> Answer:
    script = platform.script(ask)
    return content(script, platform.version(script, ask.query["version"]))


@route("GET", "S/settings")
def _settings(platform: Platform, ask: Ask) -> Json:
    script = platform.script(ask)
    resources: Json = script.versions[-1]["resources"]
    return {**script.settings, **resources["script_runtime"], "bindings": resources["bindings"]}


@route("PATCH", "S/settings")
def _patch_settings(platform: Platform, ask: Ask) -> Json:
    said = msgspec.json.decode(ask.parts[0].body)["bindings"]

    def change(bindings: dict[str, Json]) -> None:
        named = {item["name"]: bindings.get(item["name"]) or secretless(item) for item in said}
        bindings.clear()
        bindings.update(named)

    platform.edit(ask, change)
    return {}


@route("GET", "S/script-settings")
def _script_settings(platform: Platform, ask: Ask) -> Json:
    return platform.script(ask).settings


@route("PATCH", "S/script-settings")
def _patch_script_settings(platform: Platform, ask: Ask) -> Json:
    settings = platform.script(ask).settings
    settings.update(ask.json)
    return settings


@route("GET", "S/secrets")
def _secrets(platform: Platform, ask: Ask) -> list[Json]:
    bindings: list[Json] = platform.active(platform.script(ask))["resources"]["bindings"]
    return [item for item in bindings if item["type"] == "secret_text"]


@route("PUT", "S/secrets")
def _put_secret(platform: Platform, ask: Ask) -> Json:
    item: Json = secretless(ask.json)
    platform.edit(ask, lambda bindings: bindings.update({item["name"]: item}))
    return item


@route("DELETE", "S/secrets/{name}")
def _delete_secret(platform: Platform, ask: Ask) -> None:
    def change(bindings: dict[str, Json]) -> None:
        if bindings.pop(ask.names["name"], None) is None:
            raise Refused(404, 10056, "no such binding")

    platform.edit(ask, change)


@route("GET", "S/subdomain")
def _subdomain(platform: Platform, ask: Ask) -> Json:
    return platform.script(ask).subdomain


@route("POST", "S/subdomain")
def _post_subdomain(platform: Platform, ask: Ask) -> Json:
    subdomain = platform.script(ask).subdomain
    subdomain.update(ask.json)
    return subdomain


@route("GET", "S/schedules")
def _schedules(platform: Platform, ask: Ask) -> Json:
    return {"schedules": platform.script(ask).crons}


@route("PUT", "S/schedules")
def _put_schedules(platform: Platform, ask: Ask) -> Json:
    script = platform.script(ask)
    script.crons = ask.json
    return {"schedules": script.crons}


@route("PUT", "S/routes")
def _put_routes(platform: Platform, ask: Ask) -> list[Json]:
    return platform.routes(ask.names["n"], ask.json)


@route("GET", "/zones/{zone}/workers/routes")
def _zone_routes(platform: Platform, ask: Ask) -> list[Json]:
    return platform.all_routes()


@route("GET", "/zones")
def _zones(platform: Platform, ask: Ask) -> list[Json]:
    return [{"id": "5" * 32, "name": "shop.example"}] if ask.query.get("name") == "shop.example" else []


@route("PUT", "S/domains/records")
def _put_domains(platform: Platform, ask: Ask) -> list[Json]:
    return [item | {"service": ask.names["n"]} for item in ask.json["origins"]]


@route("GET", "A/workers/subdomain")
def _account_subdomain(platform: Platform, ask: Ask) -> Json:
    return {"subdomain": "acme"}


@route("GET", "A/queues")
def _queues(platform: Platform, ask: Ask) -> list[Json]:
    return [{"queue_id": "6" * 32, "queue_name": ask.query["name"], "consumers": [], "producers": []}]


@route("GET", "A/workers/queues/{queue}")
def _queue(platform: Platform, ask: Ask) -> Json:
    return {"queue_id": "6" * 32, "queue_name": ask.names["queue"], "consumers": [], "producers": []}


@route("POST", "A/queues/{queue}/consumers")
@route("PUT", "A/queues/{queue}/consumers/{consumer}")
@route("PUT", "A/workers/queues/{queue}/consumers/{consumer}")
def _consumer(platform: Platform, ask: Ask) -> Json:
    return {}


@route("GET", "A/r2/buckets/{bucket}")
def _bucket(platform: Platform, ask: Ask) -> Json:
    return {"name": ask.names["bucket"]}


@route("GET", "A/storage/kv/namespaces")
@route("GET", "A/workers/durable_objects/namespaces")
@route("GET", "A/workers/domains/records")
def _none(platform: Platform, ask: Ask) -> list[Json]:
    return []


@route("POST", "S/assets-upload-session")
def _session(platform: Platform, ask: Ask) -> Json:
    return {"jwt": _JWT, "buckets": [sorted({item["hash"] for item in ask.json["manifest"].values()})]}


@route("POST", "A/workers/assets/upload")
def _assets(platform: Platform, ask: Ask) -> Json:
    return {"jwt": _JWT}
