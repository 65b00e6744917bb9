"""docs/OPERATIONS.md and the README's tables against the code."""

import re
from typing import Any

import msgspec
import pytest
from typer.main import get_command

from cli.main import app
from consumers.settings import Settings
from ledger import errors
from ledger.api.metrics import Metrics
from ledger.api.settings import Settings as ApiSettings
from ledger.config.catalog import CATALOG
from tests.docs.reading import ROOT, cells, codes_in, column, section

_DOCUMENT = "docs/OPERATIONS.md"


def _exit_codes() -> set[int]:
    return {value for name, value in vars(errors).items() if name.startswith("EXIT_")}


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is msgspec.NODEFAULT:
        return "required"
    return "none" if field.default is None else str(field.default)


def test_the_settings_are_those_of_a_worker() -> None:
    """Every setting is documented, in order, with its default."""
    documented = [(name.strip("`"), default) for name, default, *_ in cells(section(_DOCUMENT, "Settings"))]
    assert documented == [(field.name, _default(field)) for field in msgspec.structs.fields(Settings)]


def test_the_settings_of_a_cluster_are_those_of_the_catalog() -> None:
    """Every setting of a cluster is documented, in order, with its variable, its default and the values that it takes."""
    known = [item for item in CATALOG if item.section == "broker"]
    documented = [row for row in cells(section(_DOCUMENT, "Clusters")) if len(row) == 4]
    assert [row[0] for row in documented] == [f"`{item.name}`" for item in known]
    for (_, variable, default, meaning), item in zip(documented, known, strict=True):
        is_flag = isinstance(item.default, bool)
        assert variable == f"`{item.variable}`"
        assert default == ("none" if item.default is None else str(item.default).lower() if is_flag else item.default)
        assert all(choice in meaning for choice in item.choices)


def test_every_setting_of_a_worker_can_be_said_in_environment_and_file() -> None:
    """A worker's settings are in the catalog with the same defaults; the cluster is a table of its own there."""
    known = {item.name: item.default for item in CATALOG}
    for field in msgspec.structs.fields(Settings):
        if field.name != "cluster":
            assert field.name in known
            assert field.default is msgspec.NODEFAULT or field.default == known[field.name]


def test_each_option_of_a_setting_is_one_of_the_command() -> None:
    """An option named for a setting is an option of `ledger worker` or of the process that it starts."""
    source = (ROOT / "cli" / "running.py").read_text() + (ROOT / "cli" / "options.py").read_text()
    for _, _, option, _ in cells(section(_DOCUMENT, "Settings")):
        for name in codes_in(option):
            assert f'"{name}"' in source, name


def test_the_options_of_a_worker_have_the_defaults_of_its_settings() -> None:
    """What the help says is what holds where nothing is said."""
    command: Any = get_command(app)
    shown = {option: param.default for param in command.commands["worker"].params for option in param.opts}
    for setting in CATALOG:
        if setting.section == "worker" and setting.option:
            assert shown[setting.option] == setting.default, setting.option


@pytest.mark.parametrize("document", [_DOCUMENT, "README.md"])
def test_the_exit_codes_are_those_of_the_errors(document: str) -> None:
    """Every exit code is documented, and no other."""
    assert {int(code) for code in column(section(document, "Exit codes"))} == _exit_codes()


def test_each_error_has_the_exit_code_that_is_documented() -> None:
    """Every class of error stands in the row of its exit code."""
    documented = {
        name: int(code) for code, classes, _ in cells(section(_DOCUMENT, "Exit codes")) for name in codes_in(classes)
    }
    assert documented == {name: getattr(errors, name).exit_code for name in errors.__all__}


def test_the_variables_of_the_readme_are_read_somewhere() -> None:
    """Each environment variable in the README's table of settings is one of a setting, or read somewhere."""
    source = "".join(path.read_text() for package in ("cli", "ledger") for path in (ROOT / package).rglob("*.py"))
    source += "".join(f'"{item.variable}"' for item in CATALOG)
    for name in column(section("README.md", "Settings")):
        assert f'"{name}"' in source, name


def test_the_settings_of_the_server_are_those_of_the_catalog() -> None:
    """Every setting of `[api]` is documented, in order, with default and option, and is one that the server is told, with that default."""
    known = [item for item in CATALOG if item.section == "api"]
    rows = cells(section(_DOCUMENT, "Serving over HTTP"))
    documented = [(row[0], row[1], row[2]) for row in rows if row[0] in {f"`{item.name}`" for item in known}]
    assert documented == [
        (
            f"`{item.name}`",
            "none" if item.default is None else str(item.default),
            f"`{item.option}`" if item.option else "",
        )
        for item in known
    ]
    fields = {field.name: field.default for field in msgspec.structs.fields(ApiSettings)}
    assert {item.name: item.default for item in known}.items() <= fields.items()
    assert set(fields) - {item.name for item in CATALOG} == {"cluster", "insecure"}
    command: Any = get_command(app)
    shown = {option: param.default for param in command.commands["serve"].params for option in param.opts}
    assert all(shown[item.option] == item.default for item in known if item.option)


def test_the_numbers_of_the_server_are_explained() -> None:
    """Every metric that a server shows has a row with its type and labels, and every event that it logs one of its own."""
    rows = cells(section(_DOCUMENT, "Serving over HTTP"))
    explained = {row[0].strip("`"): row[1] for row in rows if row[0].startswith("`ledger_")}
    metrics = Metrics()
    metrics.watch(lambda: {0: 1})
    shown = dict(re.findall(r"^# TYPE (ledger_\w+) (\w+)$", metrics.text().decode(), re.MULTILINE))
    assert shown == explained
    source = "".join(path.read_text() for path in (ROOT / "ledger" / "api").glob("*.py"))
    events = set(re.findall(r"log\.(?:tell|caution)\(\s*\"(\w+)\"", source))
    documented = {name for row in rows for name in codes_in(row[0])}
    assert events <= documented, events - documented


def test_the_refusals_of_the_server_are_explained() -> None:
    """Every code with which the server itself refuses stands in the table of docs/API.md, with its status."""
    explained = {
        name: row[1] for row in cells(section("docs/API.md", "What is refused, and how")) for name in codes_in(row[0])
    }
    source = "".join(path.read_text() for path in (ROOT / "ledger" / "api").glob("*.py"))
    raised = re.findall(r"(?:RefusalError|_reject)\(\s*(\d{3}),\s*\"(\w+)\"", source)
    assert raised
    for status, code in raised:
        assert status in explained[code], code
