"""Questions about what ran: status, scripts, deployments, versions, show, history, rejected, notes."""

from typing import TYPE_CHECKING

from ledger.pyapi.answers import Rows
from ledger.pyapi.asking import Asking
from ledger.pyapi.given import When, moment_of
from ledger.query import questions, showing
from ledger.query.answers import (
    DeploymentRow,
    HistoryRow,
    NoteRow,
    RejectedRow,
    ScriptRow,
    ShownDeployment,
    ShownEntry,
    ShownVersion,
    Status,
    VersionRow,
)
from ledger.query.lookup import Accounts

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["States"]


class States(Asking):
    """What is and was there. Every method has the options of the command of its name, and raises what that prints."""

    def status(self, *, as_known_at: When | None = None) -> Status:
        """Sizes, checkpoints, last recorded time, outcomes."""
        return self._ask(questions.status, as_known_at)

    def scripts(
        self,
        *,
        account: Accounts = None,
        at: When | None = None,
        deleted: bool = False,
        as_known_at: When | None = None,
    ) -> Rows[ScriptRow]:
        """What is active, by whom, since when, how reached; with `deleted`, those gone too."""
        when = moment_of(at)
        return self._rows(
            ScriptRow, lambda seen: questions.scripts(seen, account=account, at=when, deleted=deleted), as_known_at
        )

    def script(
        self, script: str, *, account: Accounts = None, at: When | None = None, as_known_at: When | None = None
    ) -> ScriptRow:
        """One script as it is, or was at a time, whatever its state; raises NotFoundError `script_not_found`."""
        when = moment_of(at)
        return self._ask(lambda seen: questions.one_script(seen, script, account=account, at=when), as_known_at)

    def deployments(
        self,
        script: str,
        *,
        limit: int | None = None,
        account: Accounts = None,
        at: When | None = None,
        as_known_at: When | None = None,
    ) -> Rows[DeploymentRow]:
        """The deployments of a script, newest first: all, or `limit` of them."""
        when = moment_of(at)
        return self._rows(
            DeploymentRow,
            lambda seen: questions.deployments(seen, script, account=account, at=when, limit=limit),
            as_known_at,
        )

    def versions(
        self,
        script: str,
        *,
        limit: int | None = None,
        account: Accounts = None,
        at: When | None = None,
        as_known_at: When | None = None,
    ) -> Rows[VersionRow]:
        """The versions of a script, newest first: all, or `limit` of them."""
        when = moment_of(at)
        return self._rows(
            VersionRow,
            lambda seen: questions.versions(seen, script, account=account, at=when, limit=limit),
            as_known_at,
        )

    def show(self, id: str, *, as_known_at: When | None = None) -> ShownVersion | ShownDeployment | ShownEntry:
        """A version, deployment or entry, whole: by the start of its id, or as SHARD/INDEX."""
        return self._ask(lambda seen: showing.show(seen, id), as_known_at)

    def show_bytes(self, id: str, *, as_known_at: When | None = None) -> bytes:
        """Of a rejected entry what was received, from quarantine."""
        return self._ask(lambda seen: showing.quarantined_bytes(seen, id), as_known_at)

    def history(
        self,
        script: str,
        *,
        limit: int | None = None,
        account: Accounts = None,
        at: When | None = None,
        as_known_at: When | None = None,
    ) -> Rows[HistoryRow]:
        """Every recorded change of a script, newest first."""
        when = moment_of(at)
        return self._rows(
            HistoryRow, lambda seen: questions.history(seen, script, account=account, at=when, limit=limit), as_known_at
        )

    def rejected(
        self, *, limit: int | None = None, account: Accounts = None, as_known_at: When | None = None
    ) -> Rows[RejectedRow]:
        """Records that became no change, newest first."""
        return self._rows(RejectedRow, lambda seen: questions.rejected(seen, account=account, limit=limit), as_known_at)

    def notes(
        self,
        *,
        subject: str | None = None,
        limit: int | None = None,
        account: Accounts = None,
        as_known_at: When | None = None,
    ) -> Rows[NoteRow]:
        """What operators noted, newest first."""
        return self._rows(
            NoteRow, lambda seen: questions.notes(seen, account=account, subject=subject, limit=limit), as_known_at
        )

    def fleet(
        self,
        at: When = "now",
        *,
        account: Accounts = None,
        deleted: bool = False,
        as_known_at: When | None = None,
    ) -> "pa.Table":
        """`scripts` as a table of Arrow, without a Python object for each: for many scripts, or many times.

        Columns as in the view `scripts`, people by name; `versions` is a map. Raises UsageError `dataframes_missing`.
        """
        from ledger.pyapi.fleettable import fleet_table

        when = moment_of(at)
        return self._ask(lambda seen: fleet_table(seen, when, account=account, deleted=deleted), as_known_at)
