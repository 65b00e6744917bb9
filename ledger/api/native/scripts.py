"""What ran: status, scripts, deployments, versions, history, show, rejected, notes. The command line's questions."""

# ruff: noqa: FBT002 (the parameters of a request are its handler's arguments)

from typing import Annotated, Any

from litestar import Response
from litestar.params import Parameter
from msgspec import structs

from ledger.api.native.answering import answer_one, answer_rows
from ledger.api.native.asked import Asked, Listed
from ledger.api.native.operations import Index, ScriptName, Shard, asks
from ledger.query import questions, showing
from ledger.query.answers import DeploymentRow, HistoryRow, NoteRow, RejectedRow, ScriptRow, Status, VersionRow
from ledger.query.opened import OpenLedger

__all__ = ["HANDLERS"]

Shown = showing.Shown


@asks("/status", "A ledger at a glance", listed=False)
async def status(asked: Asked) -> Response[Status]:
    """Sizes, checkpoints, last recorded time, outcomes. Outcomes, accounts and scripts are those that the token may see."""
    return await answer_one(asked, lambda ledger: _status(asked, ledger))


@asks("/scripts", "What is active")
async def scripts(
    listed: Listed,
    deleted: Annotated[bool, Parameter(description="Deleted ones too.")] = False,
) -> Response[list[ScriptRow]]:
    """What is active, by whom, since when, how reached; by account and name."""
    return await answer_rows(
        listed, lambda ledger: questions.scripts(ledger, account=listed.accounts, at=listed.at, deleted=deleted)
    )


@asks("/scripts/{script:str}/deployments", "The deployments of a script")
async def deployments(script: ScriptName, listed: Listed) -> Response[list[DeploymentRow]]:
    """Newest first."""
    return await answer_rows(
        listed,
        lambda ledger: questions.deployments(ledger, script, account=listed.accounts, at=listed.at, limit=None),
    )


@asks("/scripts/{script:str}/versions", "The versions of a script")
async def versions(script: ScriptName, listed: Listed) -> Response[list[VersionRow]]:
    """Newest first, with the part of the traffic that each has."""
    return await answer_rows(
        listed, lambda ledger: questions.versions(ledger, script, account=listed.accounts, at=listed.at, limit=None)
    )


@asks("/scripts/{script:str}/history", "Every recorded change of a script")
async def history(script: ScriptName, listed: Listed) -> Response[list[HistoryRow]]:
    """Newest first; changes of its triggers, what it lost to other scripts, and notes about it too."""
    return await answer_rows(
        listed, lambda ledger: questions.history(ledger, script, account=listed.accounts, at=listed.at)
    )


@asks("/show/{id:str}", "One version or deployment, whole", listed=False)
async def show(id: Annotated[str, Parameter(description="The beginning of its id.")], asked: Asked) -> Response[Shown]:
    """By its id, or as much of the id's beginning as only one has."""
    return await answer_one(asked, lambda ledger: showing.show(ledger, id))


@asks("/show/{shard:str}/{index:str}", "One entry, whole", listed=False)
async def show_entry(shard: Shard, index: Index, asked: Asked) -> Response[Shown]:
    """As it stands in the log; its exact bytes are at `/v1/entries/{shard}/{index}`."""
    return await answer_one(asked, lambda ledger: showing.show(ledger, f"{shard}/{index}"))


@asks("/rejected", "Records that became no change, and why")
async def rejected(listed: Listed) -> Response[list[RejectedRow]]:
    """Newest first. Records of which no account is known are shown to tokens for all accounts."""
    return await answer_rows(listed, lambda ledger: questions.rejected(ledger, account=listed.accounts))


@asks("/notes", "What operators noted")
async def notes(
    listed: Listed, subject: Annotated[str | None, Parameter(description="Only about this.")] = None
) -> Response[list[NoteRow]]:
    """Newest first."""
    return await answer_rows(listed, lambda ledger: questions.notes(ledger, account=listed.accounts, subject=subject))


def _status(asked: Asked, ledger: OpenLedger) -> Any:
    found = questions.status(ledger)
    if asked.caller.sees_all:
        return found
    return structs.replace(found, ledger=found.name)


HANDLERS = [status, scripts, deployments, versions, history, show, show_entry, rejected, notes]
