"""Tables on terminals of different widths."""

import sys

import pytest

from cli.tables import print_table

TITLES = ("", "time", "author", "message")
ROWS = (
    ("*", "2026-08-20 12:41:25Z", "ana@acme.example", "a longer message than fits into a narrow terminal"),
    ("", "2026-08-19 08:00:00Z", "", "two"),
)


def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int) -> list[str]:
    """What a terminal of so many columns shows."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    print_table(TITLES, ROWS)
    return capsys.readouterr().out.splitlines()


def test_a_wide_terminal_gets_one_line_for_each_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Titles, a rule, and the rows."""
    lines = printed(capsys, monkeypatch, 120)
    assert len(lines) == 2 + len(ROWS)
    assert lines[2].split("  ")[0].strip() == "*"


def test_a_narrow_terminal_gets_a_block_for_each_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each cell under its title, empty ones left out, nothing folded or cut."""
    assert printed(capsys, monkeypatch, 50) == [
        "         *",
        "time     2026-08-20 12:41:25Z",
        "author   ana@acme.example",
        "message  a longer message than fits into a narrow terminal",
        "",
        "time     2026-08-19 08:00:00Z",
        "message  two",
    ]


def test_without_rows_there_are_titles(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """However narrow it is, an empty table shows that there was an answer."""
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    print_table(TITLES, ())
    assert capsys.readouterr().out.split() == list(TITLES[1:])
