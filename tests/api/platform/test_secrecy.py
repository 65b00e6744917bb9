"""No secret's value leaves the handler: not into the log, blobs, quarantine, keys, the trail, the server's log, or the topic."""

import json
import re
from pathlib import Path

import pytest

from ledger.api.tokens import Scope
from tests.api.platform.rig import ACCOUNT, CODE, Asker, scene_at
from tests.api.rig import make_token, said, serving
from tests.gateway.bodies import CONTENT_TYPE, multipart_body, part, upload_body
from tests.kafka.brokers import Broker
from tests.worker.rig import Ledger

VALUE = "s3cr3t-value-of-the-test"


def _secret(name: str) -> dict[str, str]:
    return {"name": name, "type": "secret_text", "text": VALUE}


def _send_everywhere(scene: Asker) -> None:
    """The value by every way in, in requests that are taken and in such that are refused."""
    form = {"content-type": CONTENT_TYPE}
    upload = upload_body({"main_module": "index.js", "bindings": [_secret("A")]}, CODE)
    settings = multipart_body([part("settings", json.dumps({"bindings": [_secret("D")]}), None)])
    taken = [
        ("PUT", "scripts/s", upload, form),
        ("POST", "scripts/s/versions", upload, form),
        ("PUT", "scripts/s/secrets", json.dumps(_secret("B")).encode(), {}),
        ("PATCH", "scripts/s/secrets-bulk", json.dumps({"secrets": {"C": _secret("C")}}).encode(), {}),
        ("PATCH", "scripts/s/settings", settings, form),
        ("PATCH", "workers/s/versions/latest", json.dumps({"env": {"E": _secret("E")}}).encode(), {}),
    ]
    for method, path, body, headers in taken:
        scene.result(method, path, body, headers=headers)
    hidden = upload_body({"main_module": "index.js", "secrets": {"A": {"text": VALUE}}}, CODE)
    twice = json.dumps(_secret("A"))[:-1].encode() + b',"text":"' + VALUE.encode() + b'"}'
    refused = [
        ("PUT", "scripts/s", hidden, form),
        ("PUT", "scripts/s", upload[:-30], form),
        ("PUT", "scripts/absent/secrets", json.dumps(_secret("A")).encode(), {}),
        ("PUT", "scripts/s/secrets", twice, {}),
        ("PUT", "scripts/s/secrets", VALUE.encode(), {}),
        ("PUT", "scripts/s/secrets", json.dumps({VALUE: 1, "name": "A"}).encode(), {}),
        ("PATCH", "scripts/s/script-settings", json.dumps({"x": _secret("A")}).encode(), {}),
        ("PATCH", "scripts/s/settings", settings.replace(b'"D"', b'""'), form),
        ("POST", "scripts/s/versions", upload.replace(b'"A"', b'["' + VALUE.encode() + b'"]'), form),
    ]
    for method, path, body, headers in refused:
        answer = scene.ask(method, path, body, headers=headers)
        assert 400 <= answer.status < 500, (path, answer)
        assert VALUE.encode() not in answer.body


def _files_with(root: Path, value: bytes) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and value in path.read_bytes()]


def test_no_file_no_event_and_no_line_of_the_log_holds_a_secrets_value(tmp_path: Path) -> None:
    """Searched as it was sent, everywhere that the server writes; what is compressed is searched unpacked."""
    with scene_at(tmp_path / "ledger") as scene:
        _send_everywhere(scene)
        scene.sender.append(json.dumps({"accountid": ACCOUNT, "data": {"secret": "other"}}).encode())
        found = _files_with(tmp_path, VALUE.encode())
        events, entries, lines = scene.sender.sent, scene.log.lines(), said(scene.context)
    assert found == _files_with(tmp_path, VALUE.encode()) == []
    assert not [event for event in events if VALUE.encode() in event]
    assert not [entry for entry in entries if VALUE.encode() in entry]
    assert VALUE not in lines
    assert len(events) == 6
    assert any(b'"mac":"' in event for event in events)


def test_with_a_broker_and_a_worker_no_process_keeps_the_value_anywhere(tansu: Broker, tmp_path: Path) -> None:
    """Real processes: their logs, the worker's cache, the topic itself."""
    topic = tansu.topic(1)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
    token = make_token(ledger.root, "ci", Scope.read, Scope.write, account=ACCOUNT)
    with (
        ledger.worker(tansu, "--batch-age-ms", "10", "--log-level", "info", idle_s=None) as worker,
        serving(ledger.root, "--bootstrap", tansu.bootstrap) as server,
    ):
        worker.wait_ready()
        _send_everywhere(Asker(server, token))
        limits = Path(f"/proc/{server.process.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits)
        code, lines = server.stop()
        worker.kill()
    assert code == 0
    assert VALUE not in lines
    assert _files_with(tmp_path, VALUE.encode()) == []
    records = tansu.read(topic, 6)
    assert not [record for record in records if VALUE.encode() in (record.value or b"")]
    assert [entry["outcome"] for entry in ledger.entries()[0]].count("rejected") == 0
    assert VALUE not in json.dumps(ledger.entries())


def test_an_error_that_nobody_foresaw_does_not_show_the_value_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text may quote anything: it goes nowhere."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(VALUE)

    with scene_at(tmp_path / "ledger") as scene:
        monkeypatch.setattr("ledger.api.platform.writing.checked", fail)
        body = upload_body({"main_module": "index.js", "bindings": [_secret("A")]}, CODE)
        answer = scene.ask("PUT", "scripts/s", body, headers={"content-type": CONTENT_TYPE})
        assert answer.status == 500
        assert VALUE.encode() not in answer.body
        assert VALUE not in said(scene.context)
    assert _files_with(tmp_path, VALUE.encode()) == []


def test_a_server_without_keys_takes_no_secrets_and_says_so(tmp_path: Path) -> None:
    """All else it takes."""
    with scene_at(tmp_path / "ledger", keys=tmp_path / "elsewhere") as scene:
        body = upload_body({"main_module": "index.js", "bindings": [_secret("A")]}, CODE)
        refusal = scene.refusal("PUT", "scripts/s", body, headers={"content-type": CONTENT_TYPE})
        assert refusal == (503, 10021, "this server has no keys, so it can take no secrets")
        assert scene.upload("s")["id"] == "s"
        assert scene.result("GET", "scripts/s/deployments")["deployments"][0]["author_email"] == "erased"


def test_the_key_of_a_new_account_is_made_by_its_first_secret_and_used_ever_after(tmp_path: Path) -> None:
    """A MAC can be checked later, by whoever has the key."""
    from ledger.storage.keys import Mac, read_account_key

    with scene_at(tmp_path / "ledger") as scene:
        assert read_account_key(scene.log.keys, ACCOUNT) is None
        body = upload_body({"main_module": "index.js", "bindings": [_secret("A")]}, CODE)
        scene.result("PUT", "scripts/s", body, headers={"content-type": CONTENT_TYPE})
        key = read_account_key(scene.log.keys, ACCOUNT)
        assert key is not None
        secrets = scene.entries()[-1]["version"]["manifest"]["config"]["secrets"]
        assert secrets == {"A": {"mac": Mac(key)(VALUE.encode())}}
