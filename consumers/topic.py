"""The ledger's topic as a worker sees it: asked now and then whether it is still the one that it was."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

from consumers.operation import Operation
from ledger.broker.cluster import Where
from ledger.broker.connection import TopicIdProbe
from ledger.errors import BrokerError
from ledger.log.ledgerfile import LedgerFile, accept_topic, accepted_topics, check_topic
from ledger.storage.store import Store

__all__ = ["BROKER_PATIENCE_S", "BROKER_PAUSE_S", "Topic", "known_topic"]

BROKER_PATIENCE_S: Final = 60.0
"""For how long a broker may give no answer."""
BROKER_PAUSE_S: Final = 0.5


class Topic:
    """The topic, by the id that the worker started with.

    Args:
        where: the cluster.
        store: the ledger's objects.
        file: what the ledger is.
        topic_id: the id, which the ledger has accepted.
        asking: the thread that waits for answers.
        seen: told when the broker answered.
    """

    def __init__(
        self, where: Where, store: Store, file: LedgerFile, topic_id: str, asking: Executor, seen: Operation
    ) -> None:
        self.id = topic_id
        self._store = store
        self._file = file
        self._asking = asking
        self._seen = seen
        self._probe = TopicIdProbe(where, file.topic)

    async def check(self, is_over: Callable[[], bool]) -> None:
        """Return if the topic is still the same one. A broker that gives no answer is asked again, until `is_over`, or for a minute.

        Raises:
            BrokerError: `topic_replaced`, `topic_missing`, `partition_mismatch`, `broker_unreachable`.
        """
        deadline = time.monotonic() + BROKER_PATIENCE_S
        while True:
            try:
                described = await asyncio.get_running_loop().run_in_executor(self._asking, self._probe.describe)
            except BrokerError as error:
                if error.code == "topic_missing" or is_over() or time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(BROKER_PAUSE_S)
                continue
            self._seen.broker_answered = time.monotonic()
            if described.topic_id != self.id and described.topic_id in accepted_topics(self._store):
                raise BrokerError(
                    "topic_replaced",
                    f"the topic {self._file.topic} was deleted and made anew while this worker read the old one",
                    f"the ledger accepts the new one, {described.topic_id}: start the worker again, it reads that from its start",
                )
            check_topic(self._file, described.topic_id, described.partitions, frozenset((self.id,)))
            return

    def close(self) -> None:
        """End the connection."""
        self._probe.close()


def known_topic(store: Store, file: LedgerFile, topic_id: str, partitions: int) -> str:
    """The topic's id, once it is one that the ledger accepts; a ledger without any accepts the first it meets.

    Raises:
        BrokerError: `topic_replaced`, or `partition_mismatch`.
    """
    accepted = accepted_topics(store)
    check_topic(file, topic_id, partitions, accepted or frozenset((topic_id,)))
    if not accepted:
        accept_topic(store, file.topic, topic_id)
    return topic_id
