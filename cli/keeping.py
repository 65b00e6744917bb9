"""The ledger itself: init, schema."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import json
from typing import Annotated

import typer

from cli.configuring import configuration
from cli.messages import say
from cli.options import Keys, Ledger, Set, examples, keys_location

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    shown = examples(
        "ledger init --ledger ./audit",
        "ledger init --ledger ./audit --name audit.acme.example --shards 12",
        "ledger init --config prod.toml --shards 12 --make-topic",
    )
    app.command(epilog=shown)(init)
    app.command(epilog=examples("ledger schema > change-event.schema.json"))(schema)


def init(
    context: typer.Context,
    ledger: Ledger,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Name of the ledger, signed in every checkpoint.")
    ] = "ledger",
    shards: Annotated[
        int, typer.Option("--shards", metavar="N", help="Shards: the topic's partitions. Never changes.")
    ] = 4,
    topic: Annotated[
        str, typer.Option("--topic", metavar="TOPIC", help="The Kafka topic of its change events.")
    ] = "ledger.changes",
    bootstrap: Annotated[
        str | None,
        typer.Option("--bootstrap", "-b", metavar="HOST:PORT", help="Make the topic too, at this Kafka broker."),
    ] = None,
    make_topic: Annotated[
        bool, typer.Option("--make-topic", help="Make the topic too, at the broker of environment or settings file.")
    ] = False,
    keys: Keys = None,
    pairs: Set = None,
) -> None:
    """Make a new ledger: its keys and ledger.json.

    Refuses a directory that is not empty. Prints the ledger's public key: keep it, `ledger verify --vkey` trusts nothing else.
    """
    from ledger.log import ledgerfile
    from ledger.storage.opening import open_store

    _refuse_used(ledger)
    ledgerfile.check_names(name, topic, shards)
    configured = configuration(context, pairs)
    topic_id = cluster = None
    is_said = configured.values["bootstrap"].source == "flag"
    if is_said or make_topic:
        from ledger.broker.topics import ensure_topic

        cluster = configured.cluster(bootstrap)
        # First: where the broker does not answer, no ledger is left behind that has no topic.
        topic_id = ensure_topic(cluster, topic, shards).topic_id
    store = open_store(ledger)
    key_store = open_store(keys_location(ledger, keys), file_mode=0o600, dir_mode=0o700)
    made = ledgerfile.create_ledger(store, key_store, name=name, topic=topic, shards=shards)
    say(f"made the ledger {made.name} at {ledger}: {made.shards} shards of the topic {made.topic}")
    if topic_id is not None and cluster is not None:
        ledgerfile.accept_topic(store, made.topic, topic_id)
        say(f"the topic {made.topic} is at {cluster.bootstrap}")
    print(made.vkey)


def schema() -> None:
    """Print the JSON Schema of change events."""
    from ledger.model.schema import change_event_schema

    print(json.dumps(change_event_schema(), indent=2))


def _refuse_used(ledger: str) -> None:
    from ledger.errors import StoreError, UsageError
    from ledger.storage.local import LocalStore
    from ledger.storage.opening import open_store

    store = open_store(ledger)
    if not isinstance(store, LocalStore):
        return
    try:
        used = store.root.exists() and (not store.root.is_dir() or any(store.root.iterdir()))
    except OSError as error:
        raise StoreError(
            "store_unreadable", f"cannot look into {ledger}: {error.strerror}", "check its permissions"
        ) from error
    if used:
        raise UsageError(
            "not_empty", f"{ledger} is there already and is not an empty directory", "give a new directory"
        )
