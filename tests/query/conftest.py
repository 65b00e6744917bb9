"""Fixtures: the story's ledger, opened."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.query.opened import OpenLedger, open_ledger
from tests.query.story import write_story


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the story's ledger."""
    return write_story(tmp_path_factory.mktemp("story") / "ledger")


@pytest.fixture
def ledger(story: Path) -> Iterator[OpenLedger]:
    """The story's ledger, opened."""
    with open_ledger(str(story)) as opened:
        yield opened
