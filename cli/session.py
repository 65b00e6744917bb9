"""What a shell does with what it is told: statements and its own commands. Knows no terminal."""

import sys
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from cli.completing import COMMANDS, MODES
from cli.messages import say
from cli.options import Format, moment
from cli.output import clock, emit_rows
from cli.querying import emit_result
from cli.tables import printable
from ledger.errors import NotFoundError, UsageError
from ledger.query.parameters import parse_parameters
from ledger.query.statements import is_blank, parameters_of, split_statements

if TYPE_CHECKING:
    from ledger.pyapi.log import Log
    from ledger.query.sql import Limits
    from ledger.query.vocabulary import Vocabulary

__all__ = ["Session"]

_HINT: Final = ".help lists the commands"


class Session:
    """One run of the shell.

    Args:
        log: what is asked.
        limits: what one statement may use.
        output: how answers are printed at first.
    """

    def __init__(self, log: "Log", limits: "Limits", output: Format) -> None:
        self.is_over = False
        self._log = log
        self._limits = limits
        self._output = output
        self._known_at: str | None = None
        self._is_timed = False
        self._parameters: dict[str, str] = {}
        self._rest = ""
        """What was begun and has no end yet."""

    @property
    def name(self) -> str:
        """Of the ledger."""
        return self._log.name

    @cached_property
    def _words(self) -> "Vocabulary":
        return self._log.vocabulary()

    def vocabulary(self) -> "Vocabulary":
        """The words that a statement may have; read when they are first asked for."""
        return self._words

    def is_whole(self, text: str) -> bool:
        """Whether what was typed needs no further line."""
        return is_blank(text) or text.lstrip().startswith(".") or is_blank(split_statements(text)[1])

    def take(self, text: str) -> None:
        """Answer the statements and commands in a text, as far as they are whole; raises what they raise."""
        for line in text.splitlines(keepends=True):
            if is_blank(self._rest) and line.lstrip().startswith("."):
                self._command(line.strip().removesuffix(";").rstrip())
            else:
                statements, self._rest = split_statements(self._rest + line)
                for statement in statements:
                    self._ask(statement)
            if self.is_over:
                return

    def finish(self) -> None:
        """Answer what was begun, though no semicolon ends it."""
        statement, self._rest = self._rest, ""
        self._ask(statement)

    def forget(self) -> None:
        """Give up what was begun."""
        self._rest = ""

    def _ask(self, text: str) -> None:
        statement = text.strip()  # errors count lines from its first
        if is_blank(statement):
            return
        wanted = {name.casefold() for name in parameters_of(statement)}
        given: dict[str, Any] = {name: value for name, value in self._parameters.items() if name.casefold() in wanted}
        began = time.monotonic()
        answer = self._log.sql(statement, as_known_at=self._known_at, limits=self._limits, **given)
        seconds = time.monotonic() - began
        emit_result(answer.result, self._output)
        sys.stdout.flush()
        if self._is_timed:
            say(f"{len(answer)} {'row' if len(answer) == 1 else 'rows'} in {seconds:.3f} s")

    def _command(self, line: str) -> None:
        name, _, argument = line.partition(" ")
        commands: dict[str, Callable[[str], None]] = {
            ".help": self._help,
            ".views": self._views,
            ".schema": self._schema,
            ".mode": self._mode,
            ".timing": self._timing,
            ".param": self._param,
            ".as-known-at": self._as_known_at,
            ".refresh": self._refresh,
            ".quit": self._quit,
            ".exit": self._quit,
        }
        if name not in commands:
            raise UsageError("bad_command", f"there is no command {name}", _HINT)
        commands[name](argument.strip())

    def _help(self, _: str) -> None:
        width = max(map(len, COMMANDS))
        for command, meaning in COMMANDS.items():
            print(f"{command.ljust(width)}  {meaning}")
        print("A statement ends with ; and may have several lines.")

    def _views(self, _: str) -> None:
        rows = [(name, columns[0].view_comment) for name, columns in self._words.views.items()]
        emit_rows(("view", "meaning"), rows, self._output)

    def _schema(self, argument: str) -> None:
        columns = self._words.views.get(argument.casefold())
        if columns is None:
            raise NotFoundError("no_view", f"there is no view {argument!r}", ".views lists them: .schema deployments")
        rows = [(column.column, column.type, column.meaning) for column in columns]
        emit_rows(("column", "type", "meaning"), rows, self._output)

    def _mode(self, argument: str) -> None:
        if argument not in MODES:
            raise UsageError("bad_command", f"there is no mode {argument!r}", f"one of {', '.join(MODES)}")
        self._output = Format(argument)

    def _timing(self, argument: str) -> None:
        if argument not in {"on", "off", ""}:
            raise UsageError("bad_command", f"not on or off: {argument!r}", ".timing on")
        self._is_timed = argument == "on" if argument else not self._is_timed
        say(f"timing is {'on' if self._is_timed else 'off'}")

    def _param(self, argument: str) -> None:
        if not argument:
            emit_rows(("name", "value"), sorted(self._parameters.items()), self._output)
        elif "=" in argument:
            for name, value in parse_parameters([argument]).items():
                self._forget_parameter(name)
                self._parameters[name] = value
        elif not self._forget_parameter(argument):
            raise NotFoundError("parameter_unknown", f"there is no parameter {argument}", ".param NAME=VALUE sets one")

    def _forget_parameter(self, name: str) -> bool:
        known = next((known for known in self._parameters if known.casefold() == name.casefold()), None)
        return known is not None and self._parameters.pop(known) is not None

    def _as_known_at(self, argument: str) -> None:
        if argument in {"", "now"}:
            self._known_at = None
            say("all that the log has is seen")
            return
        when = moment(argument)
        self._known_at = when.isoformat().replace("+00:00", "Z")
        say(printable(f"what was recorded by {clock(when)} is seen"))

    def _refresh(self, _: str) -> None:
        before = sum(rest.entries for rest in self._log.rests_on())
        self._log.refresh()
        more = sum(rest.entries for rest in self._log.rests_on()) - before
        say(f"{more} more {'entry' if more == 1 else 'entries'}")

    def _quit(self, _: str) -> None:
        self.is_over = True
