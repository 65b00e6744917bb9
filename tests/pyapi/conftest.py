"""Fixtures: the story's ledger and the real data's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import ledger
from ledger.pyapi.log import Log
from tests.query.real import write_real
from tests.query.story import write_story


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the story's ledger."""
    return write_story(tmp_path_factory.mktemp("story") / "ledger")


@pytest.fixture
def log(story: Path) -> Iterator[Log]:
    """The story's ledger, opened."""
    with ledger.open(story) as opened:
        yield opened


@pytest.fixture(scope="module")
def real_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the real data's ledger, made by the real writer."""
    return write_real(tmp_path_factory.mktemp("real") / "ledger")


@pytest.fixture(scope="module")
def real(real_root: Path) -> Iterator[Log]:
    """The real data's ledger, opened."""
    with ledger.open(real_root) as opened:
        yield opened
