"""Sending single events to the topic while others wait for theirs: one producer for all, and a clear word on what became of each.

kafka-python in threads of its own rather than aiokafka: it is what `publish` uses, with the same settings of the cluster, and it
is idempotent with every broker that we know (docs/PERFORMANCE.md has the numbers).
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Final

from kafka.errors import (
    BrokerResponseError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    RetriableError,
    UnknownError,
)

from ledger.broker.clients import silence_client
from ledger.broker.cluster import Where, as_cluster
from ledger.broker.publish import STRUCTURED_HEADERS, Place, close_producer, new_producer
from ledger.broker.topics import MAX_MESSAGE_BYTES
from ledger.errors import BrokerError, InputError, LedgerError
from ledger.log.ledgerfile import LedgerFile
from ledger.operators.delivery import Delivery
from ledger.storage.store import Store

__all__ = ["Sender", "open_sender"]

_TIMEOUT_S: Final = 15.0
_CHECK_S: Final = 2.0
"""Between looks at the topic's id, while events are sent."""
_FAILED_S: Final = 1.0
"""For so long a look that failed is not tried again: who sends meanwhile is told the same at once."""
_THREADS: Final = 4
_MAX_UNDER_WAY: Final = 1000
_AGAIN: Final = (
    "send it again with the same id: if it has arrived after all, the copy is a duplicate that changes nothing"
)

_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)


class Sender:
    """Sends events to a ledger's topic. Any number of coroutines may send at once.

    Nothing is contacted before the first event, or `check`; a broker that is away is looked for again by the next event.

    Args:
        store: the ledger's objects; only read.
        about: what the ledger is.
        where: the cluster, or `HOST:PORT` of one without TLS and SASL.
        timeout_s: how long one event may take in all.
    """

    def __init__(self, store: Store, about: LedgerFile, where: Where, *, timeout_s: float = _TIMEOUT_S) -> None:
        silence_client()
        self._cluster = as_cluster(where)
        self._delivery = Delivery(store, about, self._cluster, timeout_s)
        self._topic = about.topic
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="send")
        self._lock = threading.Lock()
        self._producer: Any = None
        self._checked = -_CHECK_S
        self._failure: LedgerError | None = None
        self._under_way = 0

    async def send(self, event: bytes, account: str) -> Place:
        """Send one event to its account's home; returns where its record lies, once all replicas have it.

        Args:
            event: a change event as structured JSON, valid.
            account: the event's.

        Raises:
            BrokerError: `publish_unclear`: it was sent and nobody knows whether it has arrived. With any other code it has not:
                `publish_failed`, `publish_refused`, `too_many_sends`, `broker_unreachable`, `tls_failed`, `sasl_failed`, `token_failed`,
                `topic_missing`, `topic_denied`, `topic_unavailable`, `topic_replaced`, `partition_mismatch`.
            InputError: `too_large`.
            StoreError, IntegrityError: the account's home cannot be read.
        """
        if self._under_way >= _MAX_UNDER_WAY:
            raise BrokerError("too_many_sends", f"{self._under_way} events are being sent already", "try again later")
        self._under_way += 1
        sending = _Sending(event, account)
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.get_running_loop().run_in_executor(self._threads, self._hand_over, sending)
                place: Place = await sending.done
                return place
        except TimeoutError:
            if sending.give_up():
                raise self._unclear(f"no acknowledgement in {self._timeout_s:g} s") from None
            raise self._not_sent(f"no broker took it in {self._timeout_s:g} s") from None
        finally:
            sending.give_up()
            self._under_way -= 1

    def check(self) -> None:
        """Return if the broker answers and has the ledger's topic. Reads from the network: for threads that may wait.

        Raises:
            BrokerError: as `send`.
        """
        with self._lock:
            self._check_topic()

    def close(self) -> None:
        """Wait for what is under way, within the time-out, and end."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            _close(producer, self._timeout_s)

    def _hand_over(self, sending: "_Sending") -> None:
        with self._lock:
            self._check_topic()
            if self._producer is None:
                try:
                    self._producer = new_producer(self._cluster, self._timeout_s, linger_ms=0)
                except KafkaError as error:
                    raise self._not_sent(type(error).__name__) from error
            producer = self._producer
        key = sending.account.encode()
        partition = self._delivery.partition(sending.account, key)
        if not sending.begin():
            return
        try:
            future = producer.send(
                self._topic, value=sending.event, key=key, headers=list(STRUCTURED_HEADERS), partition=partition
            )
        except _TOO_LARGE as error:
            raise _too_large() from error
        except KafkaError as error:
            self._drop(producer)
            raise self._not_sent(type(error).__name__) from error
        future.add_callback(sending.arrived)
        future.add_errback(lambda error: self._failed(sending, producer, error))

    def _check_topic(self) -> None:
        """Raise unless the topic is the ledger's, as far as was just looked (requires the lock)."""
        age = time.monotonic() - self._checked
        if self._failure is None and age < _CHECK_S:
            return
        if self._failure is not None and age < _FAILED_S:
            raise type(self._failure)(self._failure.code, self._failure.message, self._failure.hint)
        try:
            self._delivery.check_topic()
            self._failure = None
        except LedgerError as error:
            self._failure = error
            raise
        finally:
            self._checked = time.monotonic()

    def _failed(self, sending: "_Sending", producer: Any, error: BaseException) -> None:
        """A record that was handed over did not get through: told in the producer's thread."""
        if isinstance(error, _TOO_LARGE):
            sending.fail(_too_large())
            return
        self._drop(producer)
        if isinstance(error, BrokerResponseError) and not isinstance(error, (RetriableError, UnknownError)):
            message = f"the broker refuses the event ({type(error).__name__}): it has not arrived"
            sending.fail(
                BrokerError("publish_refused", message, "look at the broker's settings and this user's rights")
            )
        else:
            sending.fail(self._unclear(type(error).__name__))

    def _drop(self, producer: Any) -> None:
        """Use another producer from now on: one that failed once may refuse whatever follows."""
        if self._producer is producer:
            self._producer = None
            threading.Thread(
                target=_close, args=(producer, self._timeout_s), name="close-producer", daemon=True
            ).start()

    def _unclear(self, why: str) -> BrokerError:
        message = f"the broker did not say whether it has the event ({why})"
        return BrokerError("publish_unclear", message, _AGAIN)

    def _not_sent(self, why: str) -> BrokerError:
        return BrokerError(
            "publish_failed", f"the event was not sent ({why})", "look at the broker, then send it again"
        )


@contextmanager
def open_sender(store: Store, about: LedgerFile, where: Where, *, timeout_s: float = _TIMEOUT_S) -> Iterator[Sender]:
    """A `Sender` that is closed in the end."""
    sender = Sender(store, about, where, timeout_s=timeout_s)
    try:
        yield sender
    finally:
        sender.close()


class _Sending:
    """One event under way, between the loop that waits and the threads that send."""

    def __init__(self, event: bytes, account: str) -> None:
        self.event = event
        self.account = account
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Place] = self._loop.create_future()
        self._lock = threading.Lock()
        self._begun = self._given_up = False

    def begin(self) -> bool:
        """It is handed to the producer now; False where nobody wants that any more."""
        with self._lock:
            self._begun = not self._given_up
            return self._begun

    def give_up(self) -> bool:
        """Nobody waits any more; whether it was handed over before."""
        with self._lock:
            self._given_up = True
            return self._begun

    def arrived(self, sent: Any) -> None:
        """All replicas have it."""
        self._settle(lambda: self.done.set_result(Place(sent.partition, sent.offset)))

    def fail(self, error: LedgerError) -> None:
        """It has not arrived, or nobody knows."""
        self._settle(lambda: self.done.set_exception(error))

    def _settle(self, act: Callable[[], None]) -> None:
        def settle() -> None:
            if not self.done.done() and not self._given_up:
                act()

        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(settle)


def _close(producer: Any, timeout_s: float) -> None:
    with suppress(KafkaError):
        close_producer(producer, timeout_s, at_once=False)
        return
    with suppress(KafkaError):
        close_producer(producer, timeout_s, at_once=True)


def _too_large() -> InputError:
    return InputError("too_large", f"the event has more than {MAX_MESSAGE_BYTES} bytes, more than the topic takes")
