"""The documents hang together: links lead somewhere, and nothing in them is about how they came about."""

import re
from pathlib import Path

import pytest

from tests.docs.reading import DOCUMENTS, ROOT, links


def _anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    """A relative link names a file or folder of the repository, and its anchor a heading there."""
    for link in links(document):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def test_every_decision_record_has_its_parts() -> None:
    """Decision records are numbered without a hole and say context, decision, consequences and what else was weighed."""
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        text = record.read_text()
        assert text.startswith(f"# {int(record.name[:4])}. ")
        for part in ("Context", "Decision", "Consequences", "Instead of"):
            assert f"**{part}.**" in text, (record.name, part)
