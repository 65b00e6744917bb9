"""docs/FAULTS.md against the fault suite."""

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from tests.docs.reading import ROOT, cells, codes_in, column, section
from tests.faults import rounds, stages
from tests.faults.points import OFFSETS, STEPS

_DOCUMENT = "docs/FAULTS.md"


def test_every_step_is_explained_in_order() -> None:
    """The table of steps names the fault points, in the order in which a batch passes them."""
    assert column(section(_DOCUMENT, "Steps of a commit")) == [*STEPS, OFFSETS]


def test_every_fault_of_the_soak_is_explained() -> None:
    """What the soak does to workers and brokers stands in the table, under the name that it prints."""
    explained = column(section(_DOCUMENT, "What goes wrong around a worker"))
    played = rounds._faults(
        cast(Any, SimpleNamespace(faults={})),
        random.Random(1),
        cast(Any, SimpleNamespace(kill=None, replace=None, pause=None, intrude=None, limit=None)),
    )
    assert {name for name, _ in played} <= set(explained)
    source = Path(stages.__file__).read_text()
    for name in ("broker silent", "broker restarted", "connections reset", "connections silent"):
        assert name in explained
        assert f'"{name}"' in source


def test_every_fault_is_shown_by_a_test_that_exists() -> None:
    """The last column names files of the suite."""
    for *_, shown in cells(section(_DOCUMENT, "What goes wrong around a worker")):
        places = [name for name in codes_in(shown) if "/" in name]
        assert places
        assert all((ROOT / place).exists() for place in places)
