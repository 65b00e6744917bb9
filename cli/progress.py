"""Progress of what takes longer than a second: a bar on a terminal, nothing elsewhere. On stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["bar", "counting"]

Advance = Callable[[float, float | None], None]
"""(how far, of how much: None where nobody knows)."""


@contextmanager
def bar(title: str, unit: str = "") -> Iterator[Advance]:
    """A progress bar while the block runs; the function given moves it."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    shown = [
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    ]
    with Progress(*shown, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None, note="")

        def advance(done: float, total: float | None) -> None:
            progress.update(task, completed=done, total=total, note=f"{done:,.0f} {unit}" if unit else "")

        yield advance


@contextmanager
def counting(title: str) -> Iterator[Callable[[int], None]]:
    """The same for work that says how many entries it is done with after each step."""
    done = 0
    with bar(title, "entries") as advance:

        def count(entries: int) -> None:
            nonlocal done
            done += entries
            advance(done, None)

        yield count
