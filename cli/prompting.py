"""The prompt of `ledger shell` on a terminal: history, completion, several lines."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from cli.completing import WORD_CHARACTERS, candidates
from cli.messages import warn

if TYPE_CHECKING:
    from ledger.query.vocabulary import Vocabulary

__all__ = ["history_at", "inputs"]


class _Words(Completer):
    def __init__(self, vocabulary: "Callable[[], Vocabulary]") -> None:
        self._vocabulary = vocabulary

    def get_completions(self, document: Document, _event: CompleteEvent) -> Iterable[Completion]:
        before = document.text_before_cursor
        begun = len(before) - len(before.rstrip(WORD_CHARACTERS))
        for word in candidates(before, document.text_after_cursor, self._vocabulary()):
            yield Completion(word, start_position=-begun)


def history_at(path: Path | None) -> History:
    """What was asked before, in a file that its owner alone can read; in memory where that cannot be, or without a path."""
    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600))
        path.chmod(0o600)
    except OSError as error:
        warn(f"no history is kept: {path}: {error.strerror or error}")
        return InMemoryHistory()
    return FileHistory(path)


def inputs(
    is_whole: Callable[[str], bool], vocabulary: "Callable[[], Vocabulary]", history: History
) -> Iterator[str | None]:
    """What somebody types, one whole input after another, until Ctrl-D; None for a line that Ctrl-C gave up.

    Enter begins another line until the input is whole; with Escape before it, it ends it all the same.
    """
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_whole(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    session: PromptSession[str] = PromptSession(
        "ledger> ",
        history=history,
        completer=_Words(vocabulary),
        complete_while_typing=False,
        key_bindings=keys,
        multiline=True,
        prompt_continuation="   ...> ",
    )
    while True:
        try:
            yield session.prompt()
        except KeyboardInterrupt:
            yield None
        except EOFError:
            return
