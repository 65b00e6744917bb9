"""What deploys the product: the compose file, the image, the lock file, the make targets. No container is started."""

import re
import subprocess
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from ledger.broker.cluster import split_bootstrap

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def compose() -> Any:
    """The compose file with its anchors resolved."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture(scope="module")
def project() -> Any:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def schema() -> Any:
    """The Compose Specification's schema, as check-jsonschema brings it."""
    vendor = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    return msgspec.json.decode(vendor.read_bytes())


def test_the_compose_file_follows_the_compose_specification(compose: Any) -> None:
    """The file is valid, and the schema refuses a service with an unknown member."""
    jsonschema.validate(compose, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"services": {"kafka": {"immage": "apache/kafka"}}}, schema())


def test_kafka_is_a_pinned_fourth_generation_with_a_health_check(compose: Any) -> None:
    """The broker is Apache Kafka 4, KRaft, makes no topics by itself and says when it is ready."""
    kafka = compose["services"]["kafka"]
    assert re.fullmatch(r"apache/kafka:4\.\d+\.\d+", kafka["image"])
    assert kafka["environment"]["KAFKA_PROCESS_ROLES"] == "broker,controller"
    assert kafka["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert kafka["healthcheck"]["test"][0] == "CMD"


def test_kafka_is_reached_where_it_says_it_is(compose: Any) -> None:
    """Workers and the health check use the inner listener; the published port is the outer one, on this machine only."""
    kafka = compose["services"]["kafka"]
    advertised = dict(item.split("://") for item in kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(","))
    assert kafka["ports"] == [f"{advertised['OUTSIDE']}:9092"]
    assert kafka["healthcheck"]["test"][-1] == advertised["INSIDE"]
    assert compose["services"]["worker-1"]["environment"]["LEDGER_BOOTSTRAP"] == advertised["INSIDE"]
    assert split_bootstrap(advertised["INSIDE"]) == [("kafka", 19092)]


def test_two_workers_start_when_broker_and_ledger_are_there(compose: Any) -> None:
    """Both workers wait for the broker's health and for `init` to have ended well, and share the ledger's volume."""
    services = compose["services"]
    for name in ("worker-1", "worker-2"):
        assert services[name]["command"] == ["worker"]
        assert services[name]["depends_on"]["kafka"]["condition"] == "service_healthy"
        assert services[name]["depends_on"]["init"]["condition"] == "service_completed_successfully"
        assert services[name]["volumes"] == services["init"]["volumes"] == ["ledger:/data"]
        assert services[name]["environment"]["LEDGER_DIR"] == "/data/ledger"


def test_init_runs_once_and_leaves_a_ledger_alone(compose: Any) -> None:
    """`init` makes topic and ledger where there is none, and does not fail where there is one."""
    init = compose["services"]["init"]
    (command,) = init["command"]
    assert init["restart"] == "no"
    assert command.startswith("test -e /data/ledger/ledger.json || exec ledger init ")
    assert "--bootstrap kafka:19092" in command
    subprocess.run(["sh", "-n", "-c", command], check=True, timeout=10)


def test_every_volume_that_is_used_is_declared(compose: Any) -> None:
    """No data lies in a container."""
    used = {item.split(":")[0] for service in compose["services"].values() for item in service["volumes"]}
    assert used == set(compose["volumes"])


def test_the_image_copies_what_is_there_and_runs_as_nobody_special() -> None:
    """Every file that the Dockerfile copies exists and is not ignored; the process is not root."""
    text = (ROOT / "Dockerfile").read_text()
    ignored = (ROOT / ".dockerignore").read_text().split()
    copied = [name for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE) for name in line.split()[:-1]]
    assert {"requirements.lock", "ledger", "consumers", "cli"} <= set(copied)
    assert all((ROOT / name).exists() and name not in ignored for name in copied)
    assert text.index("USER ledger") < text.index("ENTRYPOINT")


def test_the_lock_pins_every_dependency_and_names_no_registry(project: Any) -> None:
    """Each declared dependency has exactly one version in the lock file, which says nothing of where it came from."""
    text = (ROOT / "requirements.lock").read_text()
    pinned = re.findall(r"^([a-z0-9-]+)==\S+", text, re.MULTILINE)
    declared = list(project["project"]["dependencies"])
    for extra in project["project"]["optional-dependencies"].values():
        declared += extra
    names = {re.match(r"[A-Za-z0-9-]+", item)[0].lower() for item in declared}  # type: ignore[index]
    assert names <= set(pinned)
    assert "://" not in text
    assert "--index" not in text


def test_ruffs_ignored_rules_each_have_a_reason() -> None:
    """A rule that is switched off says why, on its own line."""
    text = (ROOT / "pyproject.toml").read_text()
    block = text[text.index("ignore = [\n") : text.index("]\nallowed-confusables")]
    assert all("#" in line for line in block.splitlines()[1:])


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench", "clean", "help"])
def test_make_knows_its_targets(target: str) -> None:
    """Each target can be planned, and `make help` names it."""
    subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True, timeout=30)
    shown = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=30).stdout
    assert f"make {target} " in shown


def test_the_licence_is_whole() -> None:
    """LICENSE is the Apache License 2.0, to its end."""
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert text.rstrip().endswith("limitations under the License.")
