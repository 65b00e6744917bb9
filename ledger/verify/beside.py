"""What lies beside the log: accepted topics and gaps, registrations, blobs, names that are no segment's."""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

import msgspec

from ledger.errors import InputError, IntegrityError, NotFoundError
from ledger.log.gaps import AcceptedGap, parse_gap
from ledger.log.ledgerfile import LedgerFile, topic_file
from ledger.storage import layout
from ledger.storage.blobs import BlobStore
from ledger.storage.store import Store
from ledger.verify.findings import BadError, Lost, Notice, Problem

__all__ = ["Beside", "Gaps", "read_gaps", "read_topics", "unused"]

_SHARD: Final = re.compile(r"(?:log|packs|index)/([0-9]{4})/")
_encode = msgspec.json.Encoder().encode


class _Registration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    account: str
    shard: int


class Beside:
    """Looks at each of these objects once, whether an entry refers to it or not."""

    def __init__(self, store: Store, file: LedgerFile) -> None:
        self._store = store
        self._file = file
        self._blobs = BlobStore(store)
        self._homes: dict[str, int] = {}
        """Object of a registration that was met in a log, and the shard."""
        self._seen_blobs: set[str] = set()

    def home(self, account: str, shard: int) -> None:
        """Check that an account is registered for this shard and no other; raises BadError `bad_registration`."""
        name = layout.account(account)
        try:
            found = self._store.get(name)
        except NotFoundError:
            raise BadError("bad_registration", f"account {account} has no registration ({name})") from None
        expected = _encode(_Registration(account, shard)) + b"\n"
        if found != expected or self._homes.setdefault(name, shard) != shard:
            message = f"account {account} is not registered for this shard as it should be ({name})"
            raise BadError(
                "bad_registration", message, expected=expected.decode(), found=found.decode(errors="replace")
            )

    def blob(self, digest: str) -> None:
        """Check a blob that an entry refers to; raises BadError `blob_missing` or `blob_changed`."""
        if digest in self._seen_blobs:
            return
        try:
            self._blobs.get(digest)
        except NotFoundError as error:
            raise BadError("blob_missing", error.message, expected=digest) from None
        except IntegrityError as error:
            raise BadError("blob_changed", error.message, expected=digest) from None
        except InputError as error:
            raise BadError("malformed_entry", error.message) from None
        self._seen_blobs.add(digest)

    def problems(self) -> Iterator[Problem]:
        """What is wrong with objects that no entry led to."""
        yield from self._unknown_shards()
        yield from self._leftover_registrations()
        yield from self._leftover_blobs()

    def notices(self) -> Iterator[Notice]:
        """What is unusual about names."""
        for name in self._store.list(layout.LOG):
            if layout.parse_segment(name) is None:
                yield Notice(file=name, message="no segment has such a name; readers pass it over")
        for name in self._store.list(layout.INDEX):
            if layout.parse_index(name) is None and layout.parse_index_ids(name) is None:
                yield Notice(file=name, message="no index has such a name; readers pass it over")
        for name in self._store.list(layout.PACKS):
            if layout.parse_pack(name) is None:
                yield Notice(file=name, message="no pack has such a name; readers pass it over")

    def _unknown_shards(self) -> Iterator[Problem]:
        seen = set()
        for name in chain.from_iterable(map(self._store.list, (layout.LOG, layout.PACKS, layout.INDEX))):
            match = _SHARD.match(name)
            if match and int(match[1]) >= self._file.shards and match[1] not in seen:
                seen.add(match[1])
                bad = BadError("unknown_shard", f"the ledger has {self._file.shards} shards")
                yield bad.problem(int(match[1]), name)

    def _leftover_registrations(self) -> Iterator[Problem]:
        """Registrations of accounts without entries: a crash leaves them, so they are no problem by themselves."""
        for name in self._store.list(layout.ACCOUNTS):
            if name in self._homes:
                continue
            raw = self._store.get(name)
            try:
                found = msgspec.json.decode(raw, type=_Registration)
                good = layout.account(found.account) == name and 0 <= found.shard < self._file.shards
                good = good and raw == _encode(found) + b"\n"
            except (msgspec.MsgspecError, UnicodeDecodeError):
                good = False
            if not good:
                yield BadError("bad_registration", "it is not the registration of an account").problem(None, name)

    def _leftover_blobs(self) -> Iterator[Problem]:
        for name in self._store.list(layout.BLOBS):
            digest = name.rpartition("/")[2]
            if digest in self._seen_blobs:
                continue
            try:
                if layout.blob(digest) != name:
                    raise BadError("blob_changed", "no blob has such a name")
                self._blobs.get(digest)
            except (IntegrityError, InputError) as error:
                yield BadError("blob_changed", error.message, expected=digest).problem(None, name)
            except BadError as bad:
                yield bad.problem(None, name)


def read_topics(store: Store, file: LedgerFile) -> tuple[frozenset[str], list[Problem]]:
    """The ids of the topics that the ledger accepts, and what is wrong with the objects that say so."""
    topics, problems = set(), []
    for name in store.list(layout.TOPICS):
        topic_id = name.removeprefix(layout.TOPICS).removesuffix(".json")
        if name == layout.topic(topic_id) and store.get(name) == topic_file(file.topic, topic_id):
            topics.add(topic_id)
        else:
            bad = BadError("bad_topic", "it does not say that records of a topic are accepted")
            problems.append(bad.problem(None, name))
    return frozenset(topics), problems


Gaps = dict[int, dict[str, dict[int, AcceptedGap]]]
"""Accepted gaps by shard, topic id and first offset."""


def read_gaps(store: Store, file: LedgerFile) -> tuple[Gaps, list[Problem]]:
    """The gaps that were accepted, and what is wrong with the objects that say so."""
    gaps: Gaps = {shard: {} for shard in range(file.shards)}
    problems = []
    for name in store.list(layout.GAPS):
        try:
            gap = parse_gap(name, store.get(name))
            gaps[gap.partition].setdefault(gap.topic_id, {})[gap.from_] = gap
        except (IntegrityError, KeyError):
            problems.append(BadError("bad_gap", "it does not say that a gap is accepted").problem(None, name))
    return gaps, problems


def unused(gaps: Gaps, lost: Sequence[Lost]) -> Iterator[Notice]:
    """Accepted gaps that no entry carries."""
    for shard, topics in gaps.items():
        for topic_id, accepted in topics.items():
            carried = [one for one in lost if (one.shard, one.topic_id) == (shard, topic_id)]
            for start, gap in accepted.items():
                if not any(one.first_offset <= start <= one.last_offset for one in carried):
                    message = f"the loss of offsets {start} to {gap.to} was accepted; no entry after it is in the log"
                    yield Notice(file=layout.gap(shard, topic_id, start), message=message)
