"""Who was reached, what was live, what changed, and how often: reach, entrances, exposure, during, schedule, stats."""

# ruff: noqa: FBT002 (the parameters of a request are its handler's arguments)

from typing import Annotated

from litestar import Response
from litestar.params import Parameter, QueryParameter

from ledger.api.native.answering import answer_one, answer_rows
from ledger.api.native.asked import Asked, Listed
from ledger.api.native.operations import ScriptName, asks
from ledger.query import exposing
from ledger.query.entrances import Entrance
from ledger.query.entrances import entrances as entered
from ledger.query.exposing import Exposure
from ledger.query.lookup import find_script
from ledger.query.opened import OpenLedger
from ledger.query.reaching import Reached
from ledger.query.reaching import reach as reached
from ledger.query.scheduled import Scheduled
from ledger.query.scheduled import schedule as scheduled
from ledger.query.statistics import AccountStats
from ledger.query.statistics import stats as counted
from ledger.query.window import ChangedRow
from ledger.query.window import during as changed

__all__ = ["HANDLERS"]


@asks("/reach", "Who answered an address", listed=False)
async def reach(
    asked: Asked,
    url: Annotated[str, Parameter(description="An address, or a host alone (its / and its other routes).")],
) -> Response[Reached]:
    """Routes come before custom domains, the most specific pattern first; then workers.dev."""
    return await answer_one(asked, lambda ledger: reached(ledger, url, account=asked.accounts, at=asked.at))


@asks("/scripts/{script:str}/entrances", "Every way into a script")
async def entrances(script: ScriptName, listed: Listed) -> Response[list[Entrance]]:
    """Those from outside first, then those from other scripts."""
    return await answer_rows(listed, lambda ledger: entered(ledger, script, account=listed.accounts, at=listed.at))


@asks("/exposure", "Where and exactly when something was live")
async def exposure(
    listed: Listed,
    module: Annotated[str | None, Parameter(description="A module's SHA-256, or its first 4 digits or more.")] = None,
    binding: Annotated[
        str | None, Parameter(description="A binding: `TYPE`, or `TYPE:VALUE` with one of its values.")
    ] = None,
    var: Annotated[
        str | None,
        Parameter(
            description="A variable: `NAME`, or `NAME=VALUE`. The value stands in the URL: of a leaked one ask on the command line."
        ),
    ] = None,
    secret: Annotated[str | None, Parameter(description="A secret by name, whatever its value.")] = None,
    compat: Annotated[str | None, Parameter(description="A compatibility date before this one, or none.")] = None,
) -> Response[list[Exposure]]:
    """One of the five. A row for each interval in which a script served it with the same share of its traffic."""
    sought = exposing.sought({"module": module, "binding": binding, "var": var, "secret": secret, "compat": compat})
    return await answer_rows(
        listed, lambda ledger: exposing.exposure(ledger, sought, account=listed.accounts, at=listed.at)
    )


@asks("/during", "What changed in a window of time, and what stands out")
async def during(
    listed: Listed,
    start: Annotated[str, QueryParameter(name="from", description="Beginning of the window (effective time).")],
    end: Annotated[str, QueryParameter(name="to", description="Its end, which is not in it.")],
    rule: Annotated[
        list[str] | None, Parameter(description="Apply this rule only; may be given again.", max_items=20)
    ] = None,
    no_rule: Annotated[
        list[str] | None, Parameter(description="Apply all but this rule; may be given again.", max_items=20)
    ] = None,
    only_marked: Annotated[bool, Parameter(description="Only what stands out.")] = False,
) -> Response[list[ChangedRow]]:
    """Oldest first. Rules: rollback, secret, by-hand, newcomer, hour, many."""
    first, last = listed.moment(start), listed.moment(end)
    return await answer_rows(
        listed,
        lambda ledger: changed(
            ledger,
            first,
            last,
            account=listed.accounts,
            at=listed.at,
            only=rule or (),
            without=no_rule or (),
            only_marked=only_marked,
        ),
    )


@asks("/schedule", "Crons in words, and when each fired last and fires next")
async def schedule(
    listed: Listed, script: Annotated[str | None, Parameter(description="Only this script's.")] = None
) -> Response[list[Scheduled]]:
    """Seen from `at`, or from now."""
    when = listed.at or listed.moment("now")

    def ask(ledger: OpenLedger) -> list[Scheduled]:
        homes = listed.accounts if script is None else [find_script(ledger, script, listed.accounts)]
        return scheduled(ledger, when, script=script, account=homes)

    return await answer_rows(listed, ask)


@asks("/stats", "How often accounts deploy, go back, and how fast")
async def stats(
    listed: Listed,
    since: Annotated[str | None, Parameter(description="Only deployments from then on.")] = None,
) -> Response[list[AccountStats]]:
    """Deployments a week, rollbacks, time to restore, lead time by interface, busiest scripts; by account."""
    first = None if since is None else listed.moment(since)
    return await answer_rows(listed, lambda ledger: counted(ledger, account=listed.accounts, since=first, at=listed.at))


HANDLERS = [reach, entrances, exposure, during, schedule, stats]
