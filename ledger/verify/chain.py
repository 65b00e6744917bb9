"""What an entry must agree with in the entries before it: index, offsets, times, and its account's chain."""

from collections.abc import Callable, Collection, Mapping

from msgspec import UNSET

from ledger.log.gaps import Accepted, gap_before
from ledger.verify.findings import BadError, Lost
from ledger.verify.forms import Entry, Facts, Gap, Origin
from ledger.verify.summary import Summary

__all__ = ["Chain"]


class Chain:
    """The end of a shard's log, as far as the next entry must agree with it.

    Args:
        shard: whose log.
        topic: the ledger's topic.
        topics: the topic ids that it accepts.
        home: called with each account that is met for the first time; raises BadError where it is not at home here.
        gaps: the accepted gaps of the partition, by topic id.
    """

    def __init__(
        self,
        shard: int,
        topic: str,
        topics: Collection[str],
        home: Callable[[str], None],
        gaps: Mapping[str, Accepted],
    ) -> None:
        self.shard = shard
        self._topic = topic
        self._topics = topics
        self._home = home
        self._gaps = gaps
        self.size = 0
        self.next_offset = 0
        self.topic_id = ""
        self.recorded = ""
        """Of the last entry, as text: all have the same length, so they compare as text."""
        self.accounts: dict[str, tuple[int, str | None]] = {}
        """How many entries each account's chain has, and the leaf hash (hex) of the last."""
        self.lost: list[Lost] = []
        """The gaps that entries so far carry."""

    def step(self, entry: Entry | Facts, leaf: str) -> None:
        """Go on by one entry (requires that it keeps the rules of `content`).

        Raises:
            BadError: `reordered`, `wrong_origin`, `unknown_topic`, `offset_gap`, `offset_repeat`, `time_went_back`,
                `account_chain_broken`, or what `home` raises.
        """
        if entry.index != self.size:
            message = f"entry {entry.index} stands where entry {self.size} belongs"
            raise BadError("reordered", message, expected=str(self.size), found=str(entry.index))
        self._check_origin(entry.origin)
        if entry.recorded_at < self.recorded:
            raise BadError("time_went_back", f"recorded at {entry.recorded_at}, after {self.recorded}")
        self.recorded = entry.recorded_at
        self._check_account(entry, leaf)
        self.size += 1

    def join(self, summary: Summary) -> bool:
        """Go on by a whole segment; False where it does not follow, or something about it takes a closer look: then nothing changed."""
        if summary.first != self.size or not self.topic_id or summary.offset != self.next_offset:
            return False
        if summary.recorded < self.recorded:
            return False
        accounts = self.accounts
        for name, count, last, _, _ in summary.accounts:
            if accounts.get(name, (0, None)) != (count, last):
                return False
            if name not in accounts:
                try:
                    self._home(name)
                except BadError:
                    return False
        for name, _, _, count, last in summary.accounts:
            accounts[name] = count, last
        self.size += summary.count
        self.next_offset = summary.next_offset
        self.recorded = summary.last_recorded
        return True

    def _check_origin(self, origin: Origin) -> None:
        if origin.partition != self.shard or origin.topic != self._topic:
            message = f"the record is of {origin.topic}/{origin.partition}"
            raise BadError("wrong_origin", message, expected=f"{self._topic}/{self.shard}")
        if origin.topic_id is not UNSET:
            if origin.topic_id == self.topic_id or origin.topic_id not in self._topics:
                message = f"topic id {origin.topic_id} is not one that the ledger accepted newly here"
                raise BadError("unknown_topic", message)
            self.topic_id, self.next_offset = origin.topic_id, 0
        elif not self.topic_id:
            raise BadError("unknown_topic", "the first entry names no topic id")
        expected = self.next_offset
        if origin.gap is not UNSET:
            self._check_gap(origin.gap, origin.offset)
            expected = origin.gap.to + 1
        if origin.skipped is not UNSET:
            if origin.skipped < 1:
                raise BadError("malformed_entry", f"{origin.skipped} offsets cannot have been skipped")
            expected += origin.skipped
        if origin.offset != expected:
            kind = "offset_gap" if origin.offset > expected else "offset_repeat"
            message = f"offset {origin.offset} stands where {expected} belongs"
            raise BadError(kind, message, expected=str(expected), found=str(origin.offset))
        self.next_offset = origin.offset + 1

    def _check_gap(self, gap: Gap, offset: int) -> None:
        """Records may be lost only where somebody has accepted that, and the entry says just what was accepted."""
        expected = self.next_offset
        if gap.from_ != expected or gap.to < expected:
            raise BadError("offset_gap", f"the gap from offset {gap.from_} to {gap.to} does not begin at {expected}")
        accepted = self._gaps.get(self.topic_id, {})
        # What was accepted beyond the gap's end may have been accepted later.
        then = {start: one for start, one in accepted.items() if start <= gap.to}
        known = gap_before(then, expected, offset)
        if known is None or known.to != gap.to:
            to = "nothing" if known is None else f"{expected} to {known.to}"
            message = f"the entry says that the loss of offsets {expected} to {gap.to} was accepted; what was accepted is {to}"
            raise BadError("offset_gap", message, expected=to, found=f"{expected} to {gap.to}")
        if known.accepted_by != gap.accepted_by:
            message = f"the entry says that {gap.accepted_by} accepted the loss of offsets {expected} to {gap.to}; it was {known.accepted_by}"
            raise BadError("offset_gap", message, expected=known.accepted_by, found=gap.accepted_by)
        reason = accepted[expected].reason
        count = gap.to + 1 - expected
        self.lost.append(
            Lost(
                shard=self.shard,
                index=self.size,
                topic_id=self.topic_id,
                first_offset=expected,
                last_offset=gap.to,
                records=count,
                accepted_by=gap.accepted_by,
                reason=None if reason is UNSET else reason,
                message=f"{count} record{'s' * (count > 1)} of partition {self.shard}, offsets {expected} to {gap.to}, "
                f"were lost; accepted by {gap.accepted_by}",
            )
        )

    def _check_account(self, entry: Entry | Facts, leaf: str) -> None:
        name = entry.account
        if name is None:
            if entry.outcome != "rejected":
                message = f"an entry with the outcome {entry.outcome} has no account"
                raise BadError("account_chain_broken", message)
            return
        if name not in self.accounts:
            self._home(name)
        count, last = self.accounts.get(name, (0, None))
        if (entry.account_index, entry.account_prev) != (count, last):
            expected, found = f"{count} after {last}", f"{entry.account_index} after {entry.account_prev}"
            message = f"account {name}: {found}; expected {expected}"
            raise BadError("account_chain_broken", message, expected=expected, found=found)
        self.accounts[name] = count + 1, leaf
