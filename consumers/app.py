"""The Faust app: one agent on the ledger's topic, with the batch transport."""

from collections.abc import Awaitable, Iterable
from pathlib import Path
from typing import Any, Final, cast

import faust
from faust.types import TP
from yarl import URL

from consumers.credentials import faust_credentials
from consumers.partition import Fetched
from consumers.settings import Settings
from consumers.shards import Shards
from consumers.transport import BatchConsumer, BatchTransport
from ledger.log.ledgerfile import LedgerFile

__all__ = ["build_app", "end_offsets"]

_DAY_S: Final = 86_400.0
_ANSWER_S: Final = 10.0
"""How long a broker has for an answer when it need not wait for anybody."""


def build_app(settings: Settings, file: LedgerFile, shards: Shards, data: Path) -> faust.App:
    """The app of a worker.

    Args:
        settings: the worker's.
        file: what the ledger is.
        shards: where the agent hands records to.
        data: a directory that Faust may use; it keeps nothing there.
    """
    cluster = settings.cluster
    brokers = [URL(f"aiokafka://{address.strip()}") for address in cluster.bootstrap.split(",")]
    app = faust.App(
        settings.group,
        broker=brokers,
        broker_credentials=faust_credentials(cluster),
        broker_client_id=cluster.client_id,
        datadir=data,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        table_standby_replicas=0,
        consumer_auto_offset_reset="none",
        stream_wait_empty=False,
        stream_buffer_maxsize=2,
        broker_commit_interval=settings.commit_interval_s,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.heartbeat_s,
        # A connection that died without a word (its broker's machine did, or a router forgot it) is given up after so long. No request is
        # answered later than a join, which waits for the other members: the rebalance time-out, or until the session of a silent one ends.
        broker_rebalance_timeout=settings.rebalance_timeout_s,
        broker_request_timeout=max(settings.rebalance_timeout_s, settings.session_timeout_s) + _ANSWER_S,
        broker_max_poll_interval=_DAY_S,
        stream_processing_timeout=_DAY_S,
        broker_commit_livelock_soft_timeout=_DAY_S,
        worker_redirect_stdouts=False,
    )
    app.transport = BatchTransport(brokers, app, next_offsets=shards.next_offsets, out_of_range=shards.out_of_range)
    topic = app.topic(file.topic, key_serializer="raw", value_serializer="raw")
    shards.log_range = lambda partition: _log_range(app, TP(file.topic, partition))

    @app.agent(topic, name="fold")
    async def fold(stream: Any) -> None:
        # `noack`: a batch is acknowledged when its segment is durable, which is later than when this loop goes on.
        async for event in stream.noack().events():
            batch = event.value
            if batch.epoch == cast(BatchConsumer, app.consumer).epoch:
                await shards.offer(event.message.partition, Fetched(batch.records, event.ack, batch.start))

    @app.on_partitions_revoked.connect
    async def _revoked(_app: Any, _revoked: Any, **_: Any) -> None:
        await _finish(app, shards)

    @app.on_before_shutdown.connect
    async def _before_shutdown(_app: Any, **_: Any) -> None:
        shards.is_stopping = True
        await _finish(app, shards)

    return app


async def _finish(app: faust.App, shards: Shards) -> None:
    await shards.finish()
    if shards.failure is None:
        await cast(Awaitable[bool], app.consumer.commit())


async def end_offsets(app: faust.App, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """Where partitions end, as the broker says at this moment."""
    wanted = [TP(topic, partition) for partition in partitions]
    found = await app.consumer.highwaters(*wanted) if wanted else {}
    return {partition.partition: int(offset) for partition, offset in found.items()}


async def _log_range(app: faust.App, partition: TP) -> tuple[int, int]:
    found = [await app.consumer.earliest_offsets(partition), await app.consumer.highwaters(partition)]
    start, end = (int(next(iter(offsets.values()))) for offsets in found)
    return start, end
