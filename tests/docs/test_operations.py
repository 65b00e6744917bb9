"""docs/OPERATIONS.md and the README's tables against the code."""

import msgspec
import pytest

from consumers.settings import Settings
from ledger import errors
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


def test_each_option_of_a_setting_is_one_of_the_command() -> None:
    """An option named for a setting is an option of `ledger worker` or of the process that it starts."""
    source = (ROOT / "cli" / "running.py").read_text() + (ROOT / "cli" / "options.py").read_text()
    for _, _, option, _ in cells(section(_DOCUMENT, "Settings")):
        for name in codes_in(option):
            assert f'"{name}"' in source, name


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
    """Each environment variable in the README's table of settings is read by the command line."""
    source = "".join(path.read_text() for path in (ROOT / "cli").glob("*.py"))
    for name in column(section("README.md", "Settings")):
        assert f'"{name}"' in source, name
