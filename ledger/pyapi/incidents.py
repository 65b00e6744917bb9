"""Questions of an incident: at, blame, who, explain, skew, diff, reach, exposure, during, schedule, stats, secret test."""

from collections.abc import Iterable

from ledger.errors import UsageError
from ledger.pyapi.answers import Rows
from ledger.pyapi.asking import Asking
from ledger.pyapi.given import Length, When, as_text, length_of, moment_of
from ledger.query import blame as blaming
from ledger.query import (
    callgraph,
    differences,
    entrances,
    explaining,
    exposing,
    persons,
    reaching,
    scheduled,
    secrettest,
    skewed,
    statistics,
    window,
)
from ledger.query.entrances import Entrance
from ledger.query.exposing import Exposure
from ledger.query.fleet import fleet_at
from ledger.query.forensics import (
    BlameRow,
    Difference,
    DifferenceStat,
    DoneRow,
    DoneSummary,
    Explained,
    FleetRow,
    HeldRow,
    SkewRow,
)
from ledger.query.lookup import Accounts, find_script
from ledger.query.opened import OpenLedger
from ledger.query.reaching import Reached
from ledger.query.scheduled import Scheduled
from ledger.query.statistics import AccountStats
from ledger.query.window import ChangedRow
from ledger.query.wired import Use

__all__ = ["Incidents"]


class Incidents(Asking):
    """What happened. Every method has the options of the command of its name, and raises what that prints."""

    def at(
        self, time: When, *, account: Accounts = None, deleted: bool = False, as_known_at: When | None = None
    ) -> Rows[FleetRow]:
        """The whole fleet as it was at a time; `fleet` is the same in short, as a table of Arrow."""
        when = moment_of(time)
        return self._rows(FleetRow, lambda seen: fleet_at(seen, when, account=account, deleted=deleted), as_known_at)

    def blame(
        self,
        script: str,
        glob: str | None = None,
        *,
        first: bool = False,
        origin: bool = False,
        account: Accounts = None,
        at: When | None = None,
        as_known_at: When | None = None,
    ) -> Rows[BlameRow]:
        """Which entry gave each name of a script its value; `first` introduced it, `origin` made the value."""
        when, asked = moment_of(at), _asked(first=first, origin=origin)
        return self._rows(
            BlameRow, lambda seen: blaming.blame(seen, script, glob, account=account, at=when, asked=asked), as_known_at
        )

    def who(
        self,
        person: str,
        *,
        limit: int | None = None,
        account: Accounts = None,
        at: When | None = None,
        as_known_at: When | None = None,
    ) -> Rows[DoneRow]:
        """What a person or token changed, newest first: all, or `limit` of it."""
        when = moment_of(at)
        done = self._ask(lambda seen: persons.done_by(seen, person, account=account, at=when), as_known_at)
        return Rows(DoneRow, done[:limit])

    def who_summary(
        self, person: str, *, account: Accounts = None, at: When | None = None, as_known_at: When | None = None
    ) -> Rows[DoneSummary]:
        """How much of it, by script and interface."""
        done = self.who(person, account=account, at=at, as_known_at=as_known_at)
        return Rows(DoneSummary, persons.summed_up(list(done)))

    def explain(self, id: str, *, at: When | None = None, as_known_at: When | None = None) -> Explained:
        """What an entry, deployment or version was, in sentences."""
        when = moment_of(at)
        return self._ask(lambda seen: explaining.explain(seen, id, when), as_known_at)

    def skew(
        self,
        *,
        delay: Length = "5m",
        examples: int = 3,
        account: Accounts = None,
        at: When | None = None,
        as_known_at: When | None = None,
    ) -> Rows[SkewRow]:
        """Events whose clocks were off or that came late, by source."""
        when, longest = moment_of(at), length_of(delay)
        return self._rows(
            SkewRow,
            lambda seen: skewed.skew(seen, account=account, at=when, delay=longest, examples=examples),
            as_known_at,
        )

    def diff(
        self,
        a: When,
        b: When,
        script: str | None = None,
        *,
        code: bool = True,
        account: Accounts = None,
        at: When | None = None,
        as_known_at: When | None = None,
    ) -> Rows[Difference]:
        """What differs between two ids, times or accounts; without `code`, modules are not compared line by line."""
        when, ends = moment_of(at), (as_text(a), as_text(b))
        return self._rows(
            Difference,
            lambda seen: differences.differences(seen, *ends, script, account=account, at=when, code=code),
            as_known_at,
        )

    def diff_stat(
        self,
        a: When,
        b: When,
        script: str | None = None,
        *,
        account: Accounts = None,
        at: When | None = None,
        as_known_at: When | None = None,
    ) -> Rows[DifferenceStat]:
        """How much differs, script by script."""
        found = self.diff(a, b, script, account=account, at=at, as_known_at=as_known_at)
        return Rows(DifferenceStat, differences.summed(found))

    def reach(
        self, url: str, *, account: Accounts = None, at: When | None = None, as_known_at: When | None = None
    ) -> Reached:
        """Who answered an address."""
        when = moment_of(at)
        return self._ask(lambda seen: reaching.reach(seen, url, account=account, at=when), as_known_at)

    def entrances(
        self, script: str, *, account: Accounts = None, at: When | None = None, as_known_at: When | None = None
    ) -> Rows[Entrance]:
        """Every way into a script: `ledger reach --script`."""
        when = moment_of(at)
        return self._rows(
            Entrance, lambda seen: entrances.entrances(seen, script, account=account, at=when), as_known_at
        )

    def calls(
        self,
        script: str | None = None,
        *,
        account: Accounts = None,
        at: When | None = None,
        as_known_at: When | None = None,
    ) -> Rows[Use]:
        """Which scripts use which, all of them, or what leads to a script and on from it; `drawing` draws it."""
        when = moment_of(at)
        return self._rows(Use, lambda seen: callgraph.uses_of(seen, script, account=account, at=when), as_known_at)

    def drawing(self, calls: Iterable[Use], form: str = "mermaid") -> str:
        """What `calls` found as text for `mermaid` or `dot`: `ledger reach --graph`."""
        if form not in callgraph.FORMS:
            raise UsageError("bad_form", f"there is no form {form!r}", f"draw it as {' or '.join(callgraph.FORMS)}")
        return callgraph.FORMS[form](list(calls))

    def exposure(
        self,
        *,
        module: str | None = None,
        binding: str | None = None,
        var: str | None = None,
        secret: str | None = None,
        compat: str | None = None,
        account: Accounts = None,
        at: When | None = None,
        as_known_at: When | None = None,
    ) -> Rows[Exposure]:
        """Where and exactly when something was live: one of a module's SHA-256, TYPE:VALUE, NAME=VALUE, a secret's name, a date."""
        given = {"module": module, "binding": binding, "var": var, "secret": secret, "compat": compat}
        when, sought = moment_of(at), exposing.sought(given)
        return self._rows(Exposure, lambda seen: exposing.exposure(seen, sought, account=account, at=when), as_known_at)

    def during(
        self,
        start: When,
        end: When,
        *,
        rule: Iterable[str] = (),
        no_rule: Iterable[str] = (),
        only_marked: bool = False,
        account: Accounts = None,
        at: When | None = None,
        as_known_at: When | None = None,
    ) -> Rows[ChangedRow]:
        """What changed in a window of time, and what stands out."""
        when, first, last = moment_of(at), moment_of(start), moment_of(end)
        only, without = tuple(rule), tuple(no_rule)
        return self._rows(
            ChangedRow,
            lambda seen: window.during(
                seen, first, last, account=account, at=when, only=only, without=without, only_marked=only_marked
            ),
            as_known_at,
        )

    def schedule(
        self,
        script: str | None = None,
        *,
        account: Accounts = None,
        at: When = "now",
        as_known_at: When | None = None,
    ) -> Rows[Scheduled]:
        """Crons in words, and when each fired last and fires next."""
        when = moment_of(at)

        def ask(seen: OpenLedger) -> list[Scheduled]:
            homes = account if script is None else [find_script(seen, script, account)]
            return scheduled.schedule(seen, when, script=script, account=homes)

        return self._rows(Scheduled, ask, as_known_at)

    def stats(
        self,
        *,
        since: When | None = None,
        account: Accounts = None,
        at: When | None = None,
        as_known_at: When | None = None,
    ) -> Rows[AccountStats]:
        """How often accounts deploy, go back, and how fast."""
        when, first = moment_of(at), moment_of(since)
        return self._rows(
            AccountStats, lambda seen: statistics.stats(seen, account=account, since=first, at=when), as_known_at
        )

    def secret_test(
        self,
        script: str,
        name: str,
        value: str | bytes,
        *,
        account: Accounts = None,
        at: When | None = None,
        as_known_at: When | None = None,
    ) -> Rows[HeldRow]:
        """Which versions and deployments held a value; nothing of it is kept."""
        when, tested = moment_of(at), value.encode() if isinstance(value, str) else value
        return self._rows(
            HeldRow, lambda seen: secrettest.held(seen, script, name, tested, account=account, at=when), as_known_at
        )


def _asked(*, first: bool, origin: bool) -> blaming.Asked:
    if first and origin:
        raise UsageError("two_questions", "first and origin are two questions", "ask one of them")
    return "first" if first else "origin" if origin else "value"
