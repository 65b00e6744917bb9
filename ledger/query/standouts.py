"""What stands out among changes: rules, each a small function of one change and what is known around it. Pure.

docs/INCIDENTS.md says of each what it marks, and its limits stand here.
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from ledger.errors import UsageError

__all__ = ["BY_HAND", "CI", "RULES", "SOON", "Act", "Rule", "chosen_rules"]

SOON: Final = timedelta(hours=1)
HABIT_ENTRIES: Final = 5
HABIT_SHARE: Final = 0.8
USUAL_ENTRIES: Final = 50
UNUSUAL_SHARE: Final = 0.01
MANY_SCRIPTS: Final = 3
BY_HAND: Final = "dash"
CI: Final = frozenset({"workersci", "terraform", "pulumi", "github", "gitlab"})


class Act(Struct, frozen=True, kw_only=True):
    """A change, and what the rules look at around it. Counts are of entries before it in the log."""

    effective_at: datetime
    interface: str | None
    changes: list[tuple[str, str, str]]
    """Aspect, name, what happened to it."""
    rollback: bool
    previous_at: datetime | None
    """When the script's deployment before this one was made, if this is a deployment."""
    next_at: datetime | None
    """When the one after it was made,"""
    next_rollback: bool
    """and whether that was a rollback."""
    known_person: bool
    """Whether the log names who did it."""
    before: int
    """Of the script."""
    before_by_person: int
    """Of the script, by the same person."""
    before_by_ci: int
    """Of the script, through continuous integration."""
    account_before: int
    account_before_this_hour: int
    """Of the account, in the same hour of the day (UTC)."""
    scripts_at_once: int
    """Scripts of the account that the same person changed within ten minutes before or after, this one too."""


def rollback(act: Act) -> str | None:
    """A rollback within an hour of what it undoes, and a deployment that is rolled back within an hour."""
    if act.rollback and act.previous_at is not None and act.effective_at - act.previous_at <= SOON:
        return f"rolls back what was deployed {_length(act.effective_at - act.previous_at)} before"
    if act.next_rollback and act.next_at is not None and act.next_at - act.effective_at <= SOON:
        return f"was rolled back {_length(act.next_at - act.effective_at)} later"
    return None


def secret(act: Act) -> str | None:
    """A secret was added, removed or given another value."""
    changed = [f"{name.removeprefix('secrets/')} {op}" for aspect, name, op in act.changes if _is_secret(aspect, name)]
    return f"secret {', '.join(changed)}" if changed else None


def by_hand(act: Act) -> str | None:
    """The dashboard was used on a script that otherwise comes from continuous integration."""
    if act.interface != BY_HAND or act.before < HABIT_ENTRIES or act.before_by_ci < act.before * HABIT_SHARE:
        return None
    return f"through the dashboard, where {act.before_by_ci} of {act.before} changes before came from CI"


def newcomer(act: Act) -> str | None:
    """This person has never changed this script, which others have."""
    if act.known_person and act.before and not act.before_by_person:
        return f"first change of this script by this person, after {act.before} by others"
    return None


def hour(act: Act) -> str | None:
    """An hour of the day in which hardly any of the account's changes fall."""
    if act.account_before < USUAL_ENTRIES or act.account_before_this_hour >= act.account_before * UNUSUAL_SHARE:
        return None
    return f"outside usual hours: {act.account_before_this_hour} of {act.account_before} changes before at {act.effective_at:%H}h UTC"


def many(act: Act) -> str | None:
    """One person changed several scripts at once."""
    if act.scripts_at_once < MANY_SCRIPTS:
        return None
    return f"one of {act.scripts_at_once} scripts changed by the same person within ten minutes"


Rule = Callable[[Act], str | None]
"""Why a change stands out, or None."""

RULES: Final[dict[str, Rule]] = {
    "rollback": rollback,
    "secret": secret,
    "by-hand": by_hand,
    "newcomer": newcomer,
    "hour": hour,
    "many": many,
}


def chosen_rules(only: Collection[str] = (), without: Collection[str] = ()) -> dict[str, Rule]:
    """The rules that were asked for: these only, or all; and without those.

    Raises:
        UsageError: `unknown_rule`.
    """
    for name in (*only, *without):
        if name not in RULES:
            raise UsageError("unknown_rule", f"there is no rule {name}", f"the rules are {', '.join(RULES)}")
    return {name: rule for name, rule in RULES.items() if (not only or name in only) and name not in without}


def _is_secret(aspect: str, name: str) -> bool:
    return aspect == "config" and name.startswith("secrets/")


def _length(length: timedelta) -> str:
    minutes, seconds = divmod(round(length.total_seconds()), 60)
    return f"{minutes} min" if minutes else f"{seconds} s"
