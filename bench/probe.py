"""Stopwatches around functions where the ledger's other modules call them: what a part costs inside the whole.

Measured in place, a part has the inputs, the caches and the garbage that it has in earnest, and how its callers hand things to it
may change without notice here.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

__all__ = ["Function", "probed"]

_PACKAGE: Final = "ledger."

Function = Callable[..., Any]


@contextmanager
def probed(parts: Mapping[str, Sequence[Function]]) -> Iterator[dict[str, int]]:
    """Within the block, add up the CPU time (ns) of calls to functions from outside the module that defines them.

    A call costs some 0.3 µs more than without; half of it counts as the function's.

    Args:
        parts: name of a part to its functions.

    Raises:
        LookupError: no other module has one of the functions: it would be measured as costing nothing.
    """
    spent = dict.fromkeys(parts, 0)
    replaced: list[tuple[ModuleType, str, Function]] = []
    try:
        for part, functions in parts.items():
            for function in functions:
                timed = _timed(function, part, spent)
                places = list(_importers(function))
                if not places:
                    raise LookupError(f"no module has imported {function.__module__}.{function.__name__}")
                for module, name in places:
                    replaced.append((module, name, function))
                    setattr(module, name, timed)
        yield spent
    finally:
        for module, name, function in replaced:
            setattr(module, name, function)


def _timed(function: Function, part: str, spent: dict[str, int]) -> Function:
    clock = time.thread_time_ns

    def timed(*args: Any, **kwargs: Any) -> Any:
        started = clock()
        try:
            return function(*args, **kwargs)
        finally:
            spent[part] += clock() - started

    return timed


def _importers(function: Function) -> Iterator[tuple[ModuleType, str]]:
    """The modules of the ledger, but for its own, that have imported a function, and under which name."""
    for full_name, module in list(sys.modules.items()):
        if full_name.startswith(_PACKAGE) and full_name != function.__module__:
            for name, value in list(vars(module).items()):
                if value is function:
                    yield module, name
