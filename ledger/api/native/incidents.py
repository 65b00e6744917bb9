"""Questions of an incident: at, diff, blame, who, explain, skew."""

# ruff: noqa: FBT002 (the parameters of a request are its handler's arguments)

from typing import Annotated, Any

from litestar import Response
from litestar.params import Parameter, QueryParameter

from ledger.api.native.answering import answer_one, answer_rows
from ledger.api.native.asked import Asked, Listed
from ledger.api.native.operations import Index, ScriptName, Shard, asks
from ledger.query import blame as blaming
from ledger.query.differences import differences, summed
from ledger.query.explaining import explain as explained
from ledger.query.fleet import fleet_at
from ledger.query.forensics import (
    BlameRow,
    Difference,
    DifferenceStat,
    DoneRow,
    DoneSummary,
    Explained,
    FleetRow,
    SkewRow,
)
from ledger.query.moments import parse_duration
from ledger.query.persons import done_by, summed_up
from ledger.query.skewed import skew as skewed

__all__ = ["HANDLERS"]

MAX_EXAMPLES = 1000


First = Annotated[str, Parameter(description="A time, an account, or the beginning of a deployment's or version's id.")]
Second = Annotated[str, Parameter(description="Likewise.")]
OnlyScript = Annotated[str | None, Parameter(description="Of times and accounts: only this script.")]
WithTexts = Annotated[bool, Parameter(description="Whether the texts of modules are compared.")]


@asks("/at", "The whole fleet as it was at a time")
async def at(
    listed: Listed,
    time: Annotated[str, Parameter(description="Effective time: `2022-11-28T09:15:02Z`, a date, `2h ago` or `now`.")],
    deleted: Annotated[bool, Parameter(description="Scripts that were deleted by then too.")] = False,
) -> Response[list[FleetRow]]:
    """With each version's digest and maker, the entry behind each deployment, and since when each way has led to the script."""
    when = listed.moment(time)
    return await answer_rows(listed, lambda ledger: fleet_at(ledger, when, account=listed.accounts, deleted=deleted))


@asks("/diff", "What differs between two ids, times or accounts")
async def diff(
    listed: Listed,
    a: First,
    b: Second,
    script: OnlyScript = None,
    code: WithTexts = True,
) -> Response[list[Difference]]:
    """Name by name with the values before and after; modules line by line where the ledger has both texts."""
    return await answer_rows(listed, _differences(listed, a, b, script, code=code))


@asks("/diff/stat", "How much differs, script by script")
async def diff_stat(
    listed: Listed,
    a: First,
    b: Second,
    script: OnlyScript = None,
    code: WithTexts = True,
) -> Response[list[DifferenceStat]]:
    """The same, counted."""
    ask = _differences(listed, a, b, script, code=code)
    return await answer_rows(listed, lambda ledger: summed(ask(ledger)))


@asks("/scripts/{script:str}/blame", "Which entry gave each name of a script its value")
async def blame(
    script: ScriptName,
    listed: Listed,
    name: Annotated[
        str | None, Parameter(description="Only names that this glob fits: `CART`, `modules/*`, `bindings/*`.")
    ] = None,
    asked_for: Annotated[
        blaming.Asked,
        QueryParameter(
            name="question",
            description="`value`: who made it live or brought it back; `origin`: who made the value; `first`: who introduced the name.",
        ),
    ] = "value",
) -> Response[list[BlameRow]]:
    """Of code, bindings and configuration, and of what leads to the script."""
    return await answer_rows(
        listed,
        lambda ledger: blaming.blame(ledger, script, name, account=listed.accounts, at=listed.at, asked=asked_for),
    )


@asks("/who", "What a person or token changed")
async def who(
    listed: Listed,
    person: Annotated[
        str,
        Parameter(
            description="The beginning of a pseudonym; with the scope audit also an e-mail address or id, which then stands in the URL: "
            "prefer the pseudonym."
        ),
    ],
) -> Response[list[DoneRow]]:
    """Newest first; what a token did on a person's behalf too."""
    return await answer_rows(listed, lambda ledger: done_by(ledger, person, account=listed.accounts, at=listed.at))


@asks("/who/summary", "How much a person or token changed, by script and interface")
async def who_summary(
    listed: Listed,
    person: Annotated[str, Parameter(description="As for `/v1/who`.")],
) -> Response[list[DoneSummary]]:
    """The most first."""
    return await answer_rows(
        listed, lambda ledger: summed_up(done_by(ledger, person, account=listed.accounts, at=listed.at))
    )


@asks("/explain/{id:str}", "What a deployment or version was, in sentences", listed=False)
async def explain(
    id: Annotated[str, Parameter(description="The beginning of its id.")], asked: Asked
) -> Response[Explained]:
    """What changed and from what, by whom, how it was reached, how long it was live and what replaced it."""
    return await answer_one(asked, lambda ledger: explained(ledger, id, asked.at))


@asks("/explain/{shard:str}/{index:str}", "What an entry was, in sentences", listed=False)
async def explain_entry(shard: Shard, index: Index, asked: Asked) -> Response[Explained]:
    """Likewise, by its place in the log."""
    return await answer_one(asked, lambda ledger: explained(ledger, f"{shard}/{index}", asked.at))


@asks("/skew", "Events whose clocks were off or that came late, by source")
async def skew(
    listed: Listed,
    delay: Annotated[
        str, Parameter(description="Recorded so long after its own time, an event came late: `90s`, `5m`, `2h`.")
    ] = "5m",
    examples: Annotated[int, Parameter(ge=0, le=MAX_EXAMPLES, description="So many events of each.")] = 3,
) -> Response[list[SkewRow]]:
    """ahead: from the future. late: from before something that is on record already. delayed: recorded long after its own time."""
    longest = parse_duration(delay)
    return await answer_rows(
        listed,
        lambda ledger: skewed(ledger, account=listed.accounts, at=listed.at, delay=longest, examples=examples),
    )


def _differences(listed: Listed, a: str, b: str, script: str | None, *, code: bool) -> Any:
    first, second = listed.point(a), listed.point(b)
    return lambda ledger: differences(ledger, first, second, script, account=listed.accounts, at=listed.at, code=code)


HANDLERS = [at, diff, diff_stat, blame, who, who_summary, explain, explain_entry, skew]
