"""Static assets: a session, its uploads, and the version that has them."""

import json
from base64 import b64encode

from ledger.storage import layout
from tests.api.platform.rig import ACCOUNT, Scene
from tests.gateway.bodies import CONTENT_TYPE, Sent, multipart_body, upload_body
from tests.log.rig import Json

A, B = "a" * 32, "b" * 32
MANIFEST = {"/index.html": {"hash": A, "size": 10}, "/app.css": {"hash": B, "size": 4}}
FILES: list[Sent] = [(A, "text/html", b64encode(b"0123456789")), (B, "text/css", b64encode(b"p{}\n"))]


def _session(scene: Scene, script: str) -> Json:
    return dict(scene.result("POST", f"scripts/{script}/assets-upload-session", {"manifest": MANIFEST}))


def _send(scene: Scene, token: str, parts: list[Sent], account: str = ACCOUNT) -> tuple[int, Json]:
    path = f"/accounts/{account}/workers/assets/upload?base64=true"
    headers = {"content-type": CONTENT_TYPE}
    answer = scene.server.ask(path, method="POST", token=token, headers=headers, body=multipart_body(parts))
    return answer.status, answer.json


def test_assets_are_uploaded_once_and_the_log_has_their_digest(scene: Scene) -> None:
    """A second session asks for nothing; a version without code is legal."""
    session = _session(scene, "site")
    assert session["buckets"] == [[A, B]]
    status, body = _send(scene, session["jwt"], FILES)
    assert status == 201
    metadata = {"assets": {"jwt": body["result"]["jwt"], "config": {}}, "compatibility_date": "2024-09-23"}
    upload = upload_body(metadata)
    scene.result("PUT", "scripts/site", upload, headers={"content-type": CONTENT_TYPE})
    entry = scene.entries()[-1]
    assets = entry["version"]["manifest"]["code"]["assets"]
    assert assets["count"] == 2
    assert json.loads((scene.root / layout.blob(assets["sha256"])).read_bytes()) == MANIFEST
    assert body["result"]["jwt"] not in json.dumps(entry)
    again = _session(scene, "site")
    assert again["buckets"] == []
    metadata["assets"] = {"jwt": again["jwt"], "config": {}}
    upload = upload_body(metadata)
    scene.result("POST", "scripts/site/versions", upload, headers={"content-type": CONTENT_TYPE})
    assert scene.entries()[-1]["outcome"] == "unchanged"


def test_a_session_is_its_accounts_and_its_scripts_and_has_to_be_finished(scene: Scene) -> None:
    """Its token opens nothing else, and no other token opens it."""
    session = _session(scene, "one")
    for token, account in ((scene.token, ACCOUNT), (session["jwt"], "other"), ("x.y.z", ACCOUNT)):
        assert _send(scene, token, FILES, account)[0] == 401
    assert scene.ask("GET", "scripts/one/settings", token=session["jwt"]).status == 401
    assert _send(scene, session["jwt"], [("c" * 32, None, b"")])[0] == 400
    unfinished = upload_body({"assets": {"jwt": session["jwt"]}})
    assert scene.refusal("PUT", "scripts/one", unfinished, headers={"content-type": CONTENT_TYPE})[:2] == (400, 10021)
    done = _send(scene, session["jwt"], FILES)[1]["result"]["jwt"]
    others = upload_body({"assets": {"jwt": done}})
    assert scene.refusal("PUT", "scripts/two", others, headers={"content-type": CONTENT_TYPE})[:2] == (400, 10021)
    assert not (scene.root / "keys" / "accounts").joinpath("other.json").exists()
