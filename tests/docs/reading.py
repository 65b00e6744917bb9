"""Markdown as these tests read it: fenced blocks, tables, links."""

import re
from pathlib import Path
from typing import NamedTuple

__all__ = ["DOCUMENTS", "ROOT", "Fence", "cells", "codes_in", "column", "fences", "links", "section"]

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "examples" / "README.md"])

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`]+)`")


class Fence(NamedTuple):
    """A fenced block: what stands behind its opening backticks, and its text."""

    info: str
    text: str


def fences(document: str, info: str) -> list[Fence]:
    """The fenced blocks of a document (a path from the root) whose info string begins with these words."""
    text = (ROOT / document).read_text()
    found = [Fence(match[1].strip(), match[2].rstrip("\n")) for match in _FENCE.finditer(text)]
    return [fence for fence in found if fence.info == info or fence.info.startswith(info + " ")]


def section(document: str, title: str) -> str:
    """The text below a heading, up to the next one of the same or a higher level."""
    text = (ROOT / document).read_text()
    level, start = next((len(m[1]), m.end()) for m in re.finditer(r"^(#+) (.*)$", text, re.MULTILINE) if m[2] == title)
    end = re.search(rf"^#{{1,{level}}} ", text[start:], re.MULTILINE)
    return text[start : start + end.start()] if end else text[start:]


def cells(text: str) -> list[list[str]]:
    """The rows of all tables in a text, headings left out."""
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    rules = [place for place, row in enumerate(rows) if all(re.fullmatch(r" -+:? ", cell) for cell in row)]
    headings = {place - 1 for place in rules} | set(rules)
    return [[cell.strip() for cell in row] for place, row in enumerate(rows) if place not in headings]


def column(text: str, place: int = 0) -> list[str]:
    """One column of all tables in a text, without backticks."""
    return [row[place].replace("`", "") for row in cells(text)]


def codes_in(text: str) -> list[str]:
    """What stands between backticks."""
    return _CODE.findall(text)


def links(document: Path) -> list[str]:
    """Where a document's links lead, those in fenced blocks left out."""
    return _LINK.findall(_FENCE.sub("", document.read_text()))
