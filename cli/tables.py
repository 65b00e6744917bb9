"""Tables for people: fitted to a terminal, else plain text that nothing is cut from."""

import os
import sys
from collections.abc import Sequence
from typing import Final

__all__ = ["print_table", "printable"]

_GAP: Final = 2
_FOLDED_WIDTH: Final = 20


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; without rows, only its titles."""
    cells = [[printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_fitted(titles, cells)
    else:
        _print_plain(titles, cells)


def printable(text: str) -> str:
    """The text without what could move the cursor or colour the screen: names and messages are written by others."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return " " if char in "\n\t" else repr(char)[1:-1]


def _print_plain(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [list(titles), *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(titles))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _print_fitted(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(no_color=bool(os.environ.get("NO_COLOR")), highlight=False)
    if _readable_width([titles, *rows]) > console.width:
        _print_blocks(titles, rows)
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _readable_width(lines: Sequence[Sequence[str]]) -> int:
    """How wide a terminal has to be: a cell may be folded, but not to less than a time or the better part of an address."""
    widths = [min(max(map(len, column)), _FOLDED_WIDTH) for column in zip(*lines, strict=True)]
    return sum(widths) + _GAP * (len(widths) - 1)


def _print_blocks(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """One block of lines for each row, for terminals that are too narrow for the table."""
    width = max(map(len, titles))
    for number, row in enumerate(rows):
        if number:
            print()
        for title, cell in zip(titles, row, strict=True):
            if cell:
                print(f"{title.ljust(width)}  {cell}")
    if not rows:
        print("  ".join(titles))
