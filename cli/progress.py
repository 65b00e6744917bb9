"""Progress of what takes longer than a second: a bar on a terminal, nothing elsewhere. On stderr."""

import sys
import time
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
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    shown = [
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    ]
    with Progress(*shown, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None, note="")

        started = time.monotonic()

        def note(done: float) -> str:
            rate = done / max(time.monotonic() - started, 0.001)
            return f"{done:,.0f} {unit}, {rate:,.0f}/s" if unit else ""

        def advance(done: float, total: float | None) -> None:
            progress.update(task, completed=done, total=total, note=note(done))

        yield advance


@contextmanager
def counting(title: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """The same for work that says how many entries it is done with after each step, with its rate and the time left."""
    done = 0
    with bar(title, "entries") as advance:

        def count(entries: int) -> None:
            nonlocal done
            done += entries
            advance(done, None if total is None else max(total, done))

        yield count
