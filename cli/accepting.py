"""What an operator accepts: accept-topic, accept-gap."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import base64
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from cli.configuring import configuration
from cli.messages import say
from cli.noting import operator
from cli.options import Ledger, Set, examples
from cli.tables import printable

if TYPE_CHECKING:
    from ledger.broker.cluster import Cluster
    from ledger.log.gaps import AcceptedGap
    from ledger.log.tail import ShardEnd

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(
        "accept-topic", epilog=examples("ledger accept-topic 1f0c0a52-6b1e-4d8f-9d58-2a6c1f6f0d11 --ledger ./audit")
    )(accept_topic)
    app.command(
        "accept-gap",
        epilog=examples(
            "ledger accept-gap --ledger ./audit --partition 3 --from 1200 --to 1349 --dry-run",
            "ledger accept-gap --ledger ./audit --partition 3 --from 1200 --to 1349 --by on-call --reason 'outage, ticket 4711'",
        ),
    )(accept_gap)


def accept_topic(
    topic_id: Annotated[str, typer.Argument(metavar="TOPIC_ID", help="The id, as the worker's message says it.")],
    context: typer.Context,
    ledger: Ledger,
    bootstrap: Annotated[
        str | None,
        typer.Option("--bootstrap", "-b", metavar="HOST:PORT", help="Ask this broker whether its topic has that id."),
    ] = None,
    pairs: Set = None,
) -> None:
    """Accept a topic that was deleted and made anew.

    A worker stops at a topic id that the ledger does not know: the new topic's offsets start again, and what the old one held
    and no worker had read is gone. Accepting says that this was meant; the id then stands in the log.
    """
    from ledger.log import ledgerfile
    from ledger.query.opened import read_about

    store, about = read_about(ledger)
    accepted = _read_topic_id(topic_id)
    if bootstrap is not None:
        from ledger.broker.connection import describe_topic

        ledgerfile.check_topic_id(accepted, describe_topic(_cluster(context, pairs, bootstrap), about.topic).topic_id)
    if ledgerfile.accept_topic(store, about.topic, accepted):
        say(f"accepted: workers started now read the topic {about.topic} with the id {accepted} from its start")
    else:
        say("accepted before: nothing was written")


def accept_gap(
    context: typer.Context,
    ledger: Ledger,
    partition: Annotated[int, typer.Option("--partition", metavar="N", help="The partition that lost records.")],
    first: Annotated[int, typer.Option("--from", metavar="A", help="Offset of the first one lost: the ledger's next.")],
    last: Annotated[int, typer.Option("--to", metavar="B", help="Offset of the last one lost.")],
    topic_id: Annotated[
        str | None,
        typer.Option("--topic-id", metavar="ID", help="Of the topic; needed where the ledger accepts several."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="WHO", help="Who accepts it, for good in the log; default: your user name."),
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why, kept beside the log.")] = None,
    bootstrap: Annotated[
        str | None,
        typer.Option("--bootstrap", "-b", metavar="HOST:PORT", help="Ask this broker whether they are lost."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be accepted, and accept nothing.")] = False,
    pairs: Set = None,
) -> None:
    """Accept that records expired before they were read.

    A worker stops where the topic begins after the ledger's next offset, and its message has this command with all arguments.
    Accepting gives the records up for good: the next entry says which are lost and who accepted it, and `ledger verify` reports it
    for ever. It cannot be taken back.
    """
    from msgspec import UNSET

    from ledger.log import accepting, gaps
    from ledger.log.tail import shard_end
    from ledger.query.opened import read_about

    store, about = read_about(ledger)
    accepting.check_partition(about, partition)
    end = shard_end(store, partition)
    gap = gaps.AcceptedGap(
        topic_id=accepting.topic_at(store, about, end) if topic_id is None else _read_topic_id(topic_id),
        partition=partition,
        from_=first,
        to=last,
        accepted_by=operator(None) if by is None else by,
        reason=UNSET if reason is None else reason,
    )
    gaps.check(gap)
    accepting.check_gap(store, gap, end)
    if bootstrap is not None:
        from ledger.broker.connection import describe_topic
        from ledger.broker.topics import start_offsets

        cluster = _cluster(context, pairs, bootstrap)
        found = describe_topic(cluster, about.topic).topic_id
        accepting.check_gap_at_broker(gap, found, start_offsets(cluster, about.topic)[partition])
    _say_lost(gap, about.topic, end)
    if bootstrap is None:
        say("the broker was not asked: with --bootstrap it is")
    if dry_run:
        say(printable(f"nothing was accepted; without --dry-run it would be, by {gap.accepted_by}"))
    elif gaps.accept_gap(store, gap):
        say(printable(f"accepted by {gap.accepted_by}: run the worker again, it goes on at offset {last + 1}"))
    else:
        say(printable(f"accepted before by {gap.accepted_by}, word for word: nothing was written"))


def _say_lost(gap: "AcceptedGap", topic: str, end: "ShardEnd") -> None:
    count = gap.to + 1 - gap.from_
    records = f"{count} record{'s' * (count > 1)} of partition {gap.partition} of {topic}"
    say(printable(f"lost: {records}, offsets {gap.from_} to {gap.to}"))
    last = "" if end.recorded_at is None else f", the last recorded at {end.recorded_at}"
    say(f"before them: {end.size} entries{last}")


def _cluster(context: typer.Context, pairs: list[str] | None, bootstrap: str) -> "Cluster":
    return configuration(context, pairs).cluster(bootstrap)


def _read_topic_id(text: str) -> str:
    """The id as workers write it: a UUID in lower case. Kafka's own tools show it in 22 characters of base64."""
    from ledger.errors import UsageError

    try:
        return str(UUID(bytes=base64.urlsafe_b64decode(f"{text}==")) if len(text) == 22 else UUID(text))
    except ValueError as error:
        raise UsageError("bad_topic_id", f"{text!r} is no topic id", "copy it from the worker's message") from error
