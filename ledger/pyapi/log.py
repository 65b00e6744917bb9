"""A ledger in Python: all questions, SQL, verifying, and following the log."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from ledger.proof.cosignatures import WitnessPolicy, WitnessVerifier
from ledger.pyapi.answers import SqlRows
from ledger.pyapi.given import When, moment_of
from ledger.pyapi.incidents import Incidents
from ledger.pyapi.states import States
from ledger.query import proofs
from ledger.query.answers import WatchRow
from ledger.query.binding import Bound, bind
from ledger.query.following import Follower, is_about
from ledger.query.lookup import Accounts
from ledger.query.moments import is_duration
from ledger.query.opened import open_ledger, read_about
from ledger.query.sql import Limits, run_sql
from ledger.query.vocabulary import Vocabulary, read_vocabulary
from ledger.verify import api
from ledger.verify.findings import Report
from ledger.verify.remembered import Memory, state_directory

__all__ = ["Log"]


class Log(States, Incidents):
    """A ledger that was opened with `ledger.open`."""

    def sql(
        self,
        query: str,
        /,
        *,
        as_known_at: When | None = None,
        limits: Limits | None = None,
        **parameters: object,
    ) -> SqlRows:
        """Ask in SQL over the views of the log: `log.sql("FROM changes WHERE script = $script", script="checkout")`.

        Read-only, in a process of its own, within limits, as `ledger sql`. Parameters are typed: a str is VARCHAR, a datetime
        TIMESTAMP WITH TIME ZONE. None can be called `as_known_at` or `limits`.

        Raises:
            UsageError: `bad_sql`, `sql_not_read_only`, `sql_refused`, `sql_timeout`, `sql_memory`, `sql_too_many_rows`,
                `parameter_missing`, `parameter_unknown`.
        """
        return SqlRows(self._ask(lambda seen: run_sql(seen, query, limits, parameters), as_known_at))

    def bind(
        self,
        query: str,
        /,
        *,
        as_known_at: When | None = None,
        limits: Limits | None = None,
        **parameters: str,
    ) -> Bound:
        """The same with what binds it, signed with the ledger's key: `bound.data` is what `ledger sql --bind` writes."""
        return self._ask(lambda seen: bind(seen, query, limits, parameters), as_known_at)

    def watch(
        self,
        script: str | None = None,
        *,
        account: Accounts = None,
        since: When | None = None,
        limit: int | None = None,
        interval: float = 0.5,
    ) -> Iterator[WatchRow]:
        """Every entry as it is recorded, without an end unless `limit` gives one; beside other questions, of any thread.

        Args:
            script: only this one, and what is taken from it.
            account: only these.
            since: begin with what was recorded then or later (`10m` is so long ago); default: from now on.
            limit: end after so many.
            interval: seconds between two looks.
        """
        ago = f"{since} ago" if isinstance(since, str) and is_duration(since) else since
        opened = ExitStack()
        follower = Follower(opened.enter_context(open_ledger(self.location, keys=self._keys)), moment_of(ago))
        wanted = (row for row in _endless(opened, follower, interval) if is_about(row, script, account))
        return islice(wanted, limit)

    def verify(
        self,
        *,
        vkey: str | None = None,
        against: Sequence[str] = (),
        since: Sequence[str] = (),
        replay: bool = False,
        witness: Sequence[str] = (),
        witnesses: int | None = None,
        remember: bool = True,
    ) -> Report:
        """Check every byte, chain, root, signature and offset of the ledger as it is now; `report.ok` is the verdict.

        Args:
            vkey: the ledger's public key as you know it.
            against: files, URLs or directories with earlier checkpoints, which the log must extend.
            since: checkpoints that an earlier run verified, or `last`: only what came after is read.
            replay: fold the recorded events again too.
            witness: public keys of witnesses whose cosignature counts.
            witnesses: how many of them must have cosigned; default: all given.
            remember: use what earlier runs saw, and keep what this one sees, as the command does.
        """
        policy = None
        if witness or witnesses is not None:
            keys = tuple(WitnessVerifier.from_vkey(key) for key in witness)
            policy = WitnessPolicy(witnesses=keys, quorum=len(keys) if witnesses is None else witnesses)
        store, _ = read_about(self.location)
        return api.verify(
            store,
            vkey=vkey,
            against=against,
            since=since,
            replay=replay,
            memory=self._memory() if remember else None,
            witnesses=policy,
        )

    def checkpoint(self, shard: int | None = None, *, at: int | None = None) -> bytes:
        """The signed checkpoint of a shard, where it had so many entries or as it is seen."""
        return self._ask(lambda seen: proofs.checkpoint_at(seen, proofs.only_shard(seen, shard), at), None)

    @property
    def name(self) -> str:
        """The ledger's name."""
        return self._ask(lambda seen: seen.about.name, None)

    def vocabulary(self) -> Vocabulary:
        """The views, their columns and what they mean; keywords and functions of their SQL."""
        return self._ask(read_vocabulary, None)

    def key(self) -> str:
        """The ledger's public key, to pin."""
        return self._ask(lambda seen: seen.about.vkey, None)

    def _memory(self) -> Memory:
        location = self.location if "://" in self.location else str(Path(self.location).resolve())
        return Memory(state_directory(os.environ), location)


def _endless(opened: ExitStack, follower: Follower, interval: float) -> Iterator[WatchRow]:
    with opened:
        while True:
            yield from follower.further()
            time.sleep(interval)
