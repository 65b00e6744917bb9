"""A stand-in for the platform: as much of its API as lets a wrangler work, in memory.

It proves nothing about the ledger. Wranglers are recorded against it, and timed against it.
"""

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, unquote

import msgspec

from tests.wrangler.parts import Part, joined, parts_of

__all__ = ["Answer", "Ask", "Json", "Platform", "Refused", "content", "route", "secretless"]

Json = dict[str, Any]
Handler = Callable[["Platform", "Ask"], Any]

_AUTHOR: Final = "dev@acme.example"
_SECRET: Final = frozenset(("secret_text", "secret_key"))
_UNVERSIONED: Final = ("logpush", "tail_consumers", "observability", "tags")
_ROUTES: Final[list[tuple[str, re.Pattern[str], Handler]]] = []


class Refused(Exception):  # noqa: N818 - an answer of the API
    """An error that the platform answers."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.errors = [{"code": code, "message": message}]


class Answer(msgspec.Struct, frozen=True):
    """An answer that is no envelope."""

    headers: dict[str, str]
    body: bytes


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request, its target taken apart."""

    method: str
    names: dict[str, str]
    """What the path names."""
    query: dict[str, str]
    content_type: str
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return msgspec.json.decode(self.body)

    @property
    def parts(self) -> list[Part]:
        """The body's parts."""
        return parts_of(self.body, self.content_type)


class Script(msgspec.Struct, kw_only=True):
    """A script: versions and deployments with the newest last, and what is not versioned."""

    tag: str
    versions: list[Json]
    deployments: list[Json]
    modules: dict[str, list[Part]]
    settings: Json
    subdomain: Json
    crons: list[Json]


class Platform:
    """Everything that it remembers. Not thread safe."""

    def __init__(self, first: int = 0) -> None:
        """Without any script; ids are numbered from `first` on."""
        self._ticks = first
        self._scripts: dict[str, Script] = {}
        self._routes: dict[str, Json] = {}

    def answer(self, method: str, target: str, content_type: str, body: bytes) -> tuple[int, Any]:
        """The status, and what the body of the answer says."""
        path, _, query = target.partition("?")
        for wanted, pattern, handler in _ROUTES:
            if method == wanted and (found := pattern.fullmatch(path)):
                names = {name: unquote(value) for name, value in found.groupdict().items()}
                said = {name: values[-1] for name, values in parse_qs(query).items()}
                ask = Ask(method=method, names=names, query=said, content_type=content_type, body=body)
                try:
                    result = handler(self, ask)
                except Refused as refused:
                    return refused.status, _envelope(None, refused.errors)
                return 200, result if isinstance(result, Answer) else _envelope(result)
        return 404, _envelope(None, [{"code": 7003, "message": f"no route for {method} {path}"}])

    def now(self) -> str:
        """A time later than all before."""
        self._ticks += 1
        hours, minutes, seconds = self._ticks // 3600, self._ticks // 60 % 60, self._ticks % 60
        return f"2026-03-01T{hours:02}:{minutes:02}:{seconds:02}.000000Z"

    def script(self, ask: Ask, code: int = 10007) -> Script:
        """The script that a path names."""
        if (found := self._scripts.get(ask.names["n"])) is None:
            raise Refused(404, code, "This Worker does not exist on your account.")
        return found

    def tagged(self, tag: str) -> Script:
        """The script of that tag."""
        for script in self._scripts.values():
            if script.tag == tag:
                return script
        raise Refused(404, 10007, "This Worker does not exist on your account.")

    def upload(self, ask: Ask, *, activate: bool) -> tuple[Script, Json]:
        """Take in a version, and deploy it where that is asked for."""
        name, number = ask.names["n"], len(self._scripts)
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = Script(
                tag=f"7a9{number:029x}",
                versions=[],
                deployments=[],
                modules={},
                settings={},
                subdomain={"enabled": False, "previews_enabled": False},
                crons=[],
            )
        metadata: Json = {}
        modules = []
        for part in ask.parts:
            if part.name == "metadata":
                metadata = msgspec.json.decode(part.body)
            else:
                modules.append(part)
        if activate:
            script.settings |= {key: metadata[key] for key in _UNVERSIONED if key in metadata}
        version = self.add_version(script, metadata, _bindings(script, metadata), modules)
        if activate:
            self.deploy(script, {version["id"]: 100}, triggered_by="upload")
        return script, version

    def add_version(self, script: Script, metadata: Json, bindings: list[Json], modules: list[Part]) -> Json:
        """A new newest version."""
        self._ticks += 1
        created, number = self.now(), len(script.versions) + 1
        runtime: Json = {key: metadata[key] for key in ("compatibility_date", "limits") if key in metadata}
        notes: Json = {"workers/triggered_by": "upload"} | {
            k: v for k, v in metadata.get("annotations", {}).items() if v
        }
        version: Json = {
            "id": f"70000000-0000-4000-8000-{self._ticks:012}",
            "number": number,
            "metadata": {"created_on": created, "modified_on": created, "source": "wrangler", "author_email": _AUTHOR},
            "annotations": notes,
            "resources": {
                "script": {"etag": f"{number:064x}", "handlers": ["fetch"], "last_deployed_from": "wrangler"},
                "script_runtime": {"usage_model": "standard", **runtime},
                "bindings": bindings,
            },
            "startup_time_ms": 2,
            "main": metadata.get("main_module") or metadata.get("body_part") or "",
        }
        script.versions.append(version)
        script.modules[version["id"]] = modules
        return version

    def deploy(self, script: Script, shares: dict[str, float], *, message: str = "", triggered_by: str = "") -> Json:
        """A new newest deployment."""
        self._ticks += 1
        notes = {"workers/message": message, "workers/triggered_by": triggered_by}
        deployment = {
            "id": f"80000000-0000-4000-8000-{self._ticks:012}",
            "source": "wrangler",
            "strategy": "percentage",
            "author_email": _AUTHOR,
            "annotations": {key: value for key, value in notes.items() if value},
            "created_on": self.now(),
            "versions": [{"version_id": version, "percentage": share} for version, share in shares.items()],
        }
        script.deployments.append(deployment)
        return deployment

    def item(self, script: Script, deployment: Json) -> Json:
        """A Worker deployment as 2022 knew it."""
        version = self.version(script, deployment["versions"][0]["version_id"])
        return {
            "id": deployment["id"],
            "number": script.deployments.index(deployment) + 1,
            "metadata": version["metadata"] | {"created_on": deployment["created_on"]},
            "annotations": deployment["annotations"],
            "resources": version["resources"],
        }

    def version(self, script: Script, id: str) -> Json:
        """The version of that id."""
        for version in script.versions:
            if version["id"] == id:
                return version
        raise Refused(404, 10222, "there is no such version")

    def deployment(self, script: Script, id: str) -> Json:
        """The deployment of that id."""
        for deployment in script.deployments:
            if deployment["id"] == id:
                return deployment
        raise Refused(404, 10222, "there is no such deployment")

    def active(self, script: Script) -> Json:
        """The version of the newest deployment; refused while traffic is split."""
        serving = script.deployments[-1]["versions"]
        if len(serving) > 1:
            raise Refused(400, 10215, "Secret edit failed.")
        return self.version(script, serving[0]["version_id"])

    def edit(self, ask: Ask, change: Callable[[dict[str, Json]], None]) -> None:
        """A new version, deployed, whose bindings are the active one's after a change."""
        script = self.script(ask)
        base = self.active(script)
        bindings = {item["name"]: item for item in base["resources"]["bindings"]}
        change(bindings)
        metadata = {"main_module": base["main"], "annotations": {"workers/triggered_by": "secret"}}
        version = self.add_version(script, metadata, list(bindings.values()), script.modules[base["id"]])
        self.deploy(script, {version["id"]: 100}, triggered_by="secret")

    def forget(self, name: str) -> None:
        """Delete a script."""
        del self._scripts[name]
        self._routes = {key: route for key, route in self._routes.items() if route["script"] != name}

    def routes(self, script: str, patterns: list[Json]) -> list[Json]:
        """Give a script these routes, and no others."""
        self._routes = {key: route for key, route in self._routes.items() if route["script"] != script}
        for item in patterns:
            self._routes[item["pattern"]] = item | {"id": f"{len(self._routes):032x}", "script": script}
        return [route for route in self._routes.values() if route["script"] == script]

    def all_routes(self) -> list[Json]:
        """The routes of all scripts."""
        return list(self._routes.values())


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """Serve a method and a path: `A` is an account, `S` a script in it, `{x}` one segment called x."""
    path = re.sub(r"^S", "A/workers/scripts/{n}", path)
    path = re.sub(r"^A", "/accounts/{account}", path)
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))

    def add(handler: Handler) -> Handler:
        _ROUTES.append((method, pattern, handler))
        return handler

    return add


def content(script: Script, version: Json) -> Answer:
    """A version's modules."""
    boundary = "stand-in-7f3a"
    return Answer(
        {"content-type": f"multipart/form-data; boundary={boundary}", "cf-entrypoint": version["main"]},
        joined(script.modules[version["id"]], boundary),
    )


def _bindings(script: Script, metadata: Json) -> list[Json]:
    """An upload's bindings: secrets without their text, what is inherited in place of `inherit`, what is kept."""
    before = script.versions[-1]["resources"]["bindings"] if script.versions else []
    known = {item["name"]: item for item in before}
    found = {}
    for item in metadata.get("bindings", []):
        name, type_ = item["name"], item["type"]
        if type_ == "inherit" and name not in known:
            raise Refused(400, 10057, f"inherit binding '{name}' is invalid")
        found[name] = known[name] if type_ == "inherit" else secretless(item)
    keep = set(metadata.get("keep_bindings", []))
    if not keep & _SECRET:
        keep |= _SECRET
    return [*found.values(), *(item for item in before if item["type"] in keep and item["name"] not in found)]


def secretless(item: Json) -> Json:
    """A binding as it is read back."""
    return {"name": item["name"], "type": item["type"]} if item["type"] in _SECRET else item


def _envelope(result: Any, errors: list[Json] | None = None) -> Json:
    return {"success": not errors, "errors": errors or [], "messages": [], "result": result}
