"""What is said to the person beside the data: always on stderr."""

import sys
from contextlib import suppress

from cli.tables import printable

__all__ = ["complain", "say", "warn"]


def say(text: str) -> None:
    """A line of progress or explanation."""
    with suppress(OSError):  # nobody is left to tell, and the exit code still says it
        print(text, file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Something is not as it should be, and the command goes on."""
    say(f"warning: {text}")


def complain(message: str, hint: str = "", *, kind: str = "error") -> None:
    """Why the command stops, and what to do about it."""
    # It may quote what others wrote: a member's name in an event, for one.
    say("\n".join(printable(line) for line in f"{kind}: {message}".split("\n")))
    if hint:
        say(f"hint: {printable(hint)}")
