"""What a half-written statement may go on with. Pure."""

import re
from collections.abc import Iterable
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ledger.query.vocabulary import Vocabulary

__all__ = ["COMMANDS", "MODES", "WORD_CHARACTERS", "candidates"]

MODES: Final = ("table", "json", "jsonl", "csv")
COMMANDS: Final = {
    ".help": "these commands",
    ".views": "the views",
    ".schema VIEW": "a view's columns and what they mean",
    ".mode MODE": f"how answers are printed: {', '.join(MODES)}",
    ".timing on|off": "whether it is said how long each took",
    ".param NAME=VALUE": "the value of $NAME in statements, as text; .param alone lists them, .param NAME forgets one",
    ".as-known-at TIME|now": "see only what the ledger had received by then",
    ".refresh": "see what has been recorded since",
    ".quit": "end, as Ctrl-D does",
}
WORD_CHARACTERS: Final = f"{ascii_letters}{digits}_"
_BEFORE_A_VIEW: Final = re.compile(r"(?:\b(?:from|join)|,)\s+\w*$", re.IGNORECASE)
_AFTER_FROM: Final = re.compile(r"\bfrom\b(?:(?!\b(?:where|group|order|select|limit)\b).)*$", re.IGNORECASE | re.DOTALL)
_QUALIFIED: Final = re.compile(r"(\w+)\.\w*$")
_NAMED: Final = re.compile(r"\b(?:from|join)\s+(\w+)(?:\s+(?:as\s+)?(\w+))?", re.IGNORECASE)


def candidates(before: str, after: str, words: "Vocabulary") -> list[str]:
    """The words that may stand where the cursor is, the likely ones first.

    Args:
        before: what is written up to the cursor; its last word is what has been begun.
        after: the rest of it.
        words: that there are.
    """
    prefix = before[len(before.rstrip(WORD_CHARACTERS)) :].casefold()
    return list(dict.fromkeys(word for word in _in_order(before, after, words) if word.casefold().startswith(prefix)))


def _in_order(before: str, after: str, words: "Vocabulary") -> Iterable[str]:
    if before.lstrip().startswith("."):
        yield from _of_commands(before.lstrip(), words)
        return
    named = _views_named(before + after, words)
    if qualified := _QUALIFIED.search(before):
        view = named.get(qualified[1].casefold(), qualified[1])
        yield from (column.column for column in words.views.get(view, ()))
        return
    if _BEFORE_A_VIEW.search(before) and _AFTER_FROM.search(before):
        yield from words.views
        yield "scripts_at"
        return
    for view in dict.fromkeys(named.values()):
        yield from (column.column for column in words.views[view])
    is_upper = any(word.isupper() for word in before.split())
    yield from (keyword.upper() if is_upper else keyword for keyword in words.keywords)
    yield from words.functions
    yield from words.views


def _views_named(text: str, words: "Vocabulary") -> dict[str, str]:
    """The views that a statement asks, by name and alias."""
    found = {}
    for view, alias in _NAMED.findall(text):
        name = view.casefold()
        if name in words.views:
            found[name] = name
            if alias:
                found[alias.casefold()] = name
    return found


def _of_commands(text: str, words: "Vocabulary") -> Iterable[str]:
    name, space, _ = text.partition(" ")
    if not space:
        yield from (command.split(" ")[0].removeprefix(".") for command in COMMANDS)
    elif name == ".schema":
        yield from words.views
    elif name == ".mode":
        yield from MODES
    elif name == ".timing":
        yield from ("on", "off")
