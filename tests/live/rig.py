"""What the tests of the live view share: a log in memory, followed step by step."""

from pathlib import Path

from ledger.live.cache import LiveCache
from ledger.live.names import Names
from ledger.live.view import LiveLedger
from ledger.log.whole import whole
from tests.log.rig import Log

__all__ = ["Stepping"]


class Stepping:
    """The live view of a log, which follows when it is told to, without a thread.

    Args:
        log: of one shard.
        cache: where its snapshots are.
    """

    def __init__(self, log: Log, cache: Path | None = None) -> None:
        self.live = LiveLedger(whole(log.store), log.file, Names(log.keys), LiveCache(cache, log.file))
        self.follower = self.live._follower
        self.follower._shards = [self.live._load(0)]

    def step(self) -> None:
        """Follow to the end of the log."""
        self.follower._follow(0, looks=True, checks=False)

    def keep(self) -> None:
        """Write a snapshot, and end."""
        shard = self.follower._shards[0]
        assert shard is not None
        shard.keep(at_least=1)
        self.live.close()
