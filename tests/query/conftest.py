"""Fixtures: the story's ledger, opened."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.query.opened import OpenLedger, open_ledger
from tests.query.judge import Judge
from tests.query.real import write_real
from tests.query.story import write_story
from tests.reference.evaluator import evaluate
from tests.reference.test_evaluator import real_records


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the story's ledger."""
    return write_story(tmp_path_factory.mktemp("story") / "ledger")


@pytest.fixture
def ledger(story: Path) -> Iterator[OpenLedger]:
    """The story's ledger, opened."""
    with open_ledger(str(story)) as opened:
        yield opened


@pytest.fixture(scope="session")
def real_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the real data's ledger, made by the real writer."""
    return write_real(tmp_path_factory.mktemp("real") / "ledger")


@pytest.fixture
def real(real_root: Path) -> Iterator[OpenLedger]:
    """The real data's ledger, opened."""
    with open_ledger(str(real_root)) as opened:
        yield opened


@pytest.fixture(scope="session")
def judge() -> Judge:
    """What the independent evaluator says about the real data."""
    return Judge(evaluate(real_records(), topic="ledger.changes", partition=0, shard=0))
