"""`ledger publish`: change events from a file to the topic."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.configuring import configuration
from cli.messages import complain, say
from cli.options import Bootstrap, Set, examples
from cli.progress import bar

if TYPE_CHECKING:
    from ledger.broker.cluster import Where
    from ledger.broker.publish import Published

__all__ = ["publish", "publish_file", "register", "say_published"]


def register(app: typer.Typer) -> None:
    """Add this command."""
    shown = examples(
        "ledger publish changes.ndjson.zst --ledger ./audit --bootstrap 127.0.0.1:9092",
        "my-exporter | ledger publish - --topic ledger.changes --rate 100",
    )
    app.command(epilog=shown)(publish)


def publish(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Change events, one a line: plain, .zst or .gz; - is standard input.")
    ],
    bootstrap: Bootstrap,
    ledger: Annotated[
        str | None,
        typer.Option(
            "--ledger", "-l", metavar="DIR", envvar="LEDGER_DIR", show_envvar=True, help="The ledger, for its topic."
        ),
    ] = None,
    topic: Annotated[
        str | None, typer.Option("--topic", metavar="TOPIC", help="The topic, where no ledger is at hand.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", min=0.001, metavar="N", help="At most so many events a second.")
    ] = None,
    validate: Annotated[
        bool,
        typer.Option(
            "--validate/--no-validate", help="Refuse what would be rejected. Plaintext secrets are refused always."
        ),
    ] = True,
    pairs: Set = None,
) -> None:
    """Send change events to Kafka.

    One account goes to one partition. Exit code 2 where lines were refused; the others are sent.
    """
    configured = configuration(context, pairs)
    wanted = _topic(ledger, topic, is_said=configured.values["topic"].source == "flag")
    published = publish_file(file, configured.cluster(bootstrap), wanted, validate=validate, rate=rate)
    say_published(published)
    if published.refused:
        raise typer.Exit(2)


def publish_file(
    file: str, where: "Where", topic: str, *, validate: bool = True, rate: float | None = None
) -> "Published":
    """Publish a file with a progress bar; raises what `ledger.broker.publish.publish` does."""
    from ledger.broker.lines import open_source
    from ledger.broker.publish import publish as publish_lines

    with open_source(file) as source, bar("publishing") as advance:
        return publish_lines(
            source,
            where,
            topic,
            validate=validate,
            rate=rate,
            progress=lambda now: advance(now.read_bytes, now.total_bytes),
        )


def say_published(published: "Published") -> None:
    """Counts, and the first lines refused."""
    rate = published.sent / published.duration_s if published.duration_s else 0
    say(f"published {published.sent} of {published.read} events in {published.duration_s:.1f} s ({rate:,.0f}/s)")
    for refusal in published.first_refusals:
        complain(f"{refusal.code} at {refusal.path}: {refusal.detail}", kind=f"line {refusal.line}")
    if published.refused > len(published.first_refusals):
        say(f"... and {published.refused - len(published.first_refusals)} more lines refused")


def _topic(ledger: str | None, topic: str | None, *, is_said: bool) -> str:
    """The topic that the command line says, else the ledger's, else the one of environment or file."""
    from ledger.errors import UsageError
    from ledger.query.opened import read_about

    if topic is not None and (is_said or ledger is None):
        return topic
    if ledger is None:
        raise UsageError("no_topic", "which topic?", "give the ledger with --ledger, or the topic with --topic")
    return read_about(ledger)[1].topic
