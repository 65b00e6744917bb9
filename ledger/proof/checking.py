"""What a proof file proves, with nothing at hand but the file and a public key. Pure: no IO.

Every kind of file is told by its first line. A check that returns has held; what does not hold raises.
"""

from typing import Any, TypeVar, assert_never

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ledger.errors import IntegrityError, UsageError
from ledger.model import times
from ledger.model.entries import Entry
from ledger.proof import accounts, boundanswers, growth, receipts
from ledger.proof.accounts import AccountProof
from ledger.proof.answerchecks import CheckedAnswer, check_answer
from ledger.proof.checkpoints import Checkpoint, format_hash
from ledger.proof.completeness import Ending, ProvedAccount, verify_account
from ledger.proof.cosignatures import WitnessPolicy, judge
from ledger.proof.growth import Growth
from ledger.proof.notes import Verifier
from ledger.proof.receipts import Receipt
from ledger.proof.wording import described, read_entry, says, who

__all__ = [
    "Checked",
    "CheckedAccount",
    "CheckedEntry",
    "CheckedGrowth",
    "Witnessed",
    "check_proof",
    "is_answer",
    "needs_entry",
]


class Witnessed(Struct, frozen=True, kw_only=True):
    """Who has cosigned the checkpoint that a proof rests on."""

    asked: int
    """How many cosignatures were asked for."""
    by: list[str]
    """Names of the witnesses, of those that were asked about."""
    times: list[int]
    """When each did, POSIX seconds by its own clock."""


class CheckedEntry(Struct, frozen=True, kw_only=True, tag_field="kind", tag="entry"):
    """A receipt held: the log has this entry."""

    holds: bool = True
    statement: str
    """What was proved, in a sentence or two."""
    rests_on: str
    """What one has to trust for it."""
    log: str
    """The log's origin."""
    index: int
    leaf_hash: str
    """Hex."""
    size: int
    """Of the signed checkpoint's tree."""
    root: str
    """Base64."""
    entry: Any
    """The entry as JSON; None where the bytes are no entry of a deployment ledger."""
    witnessed: Witnessed | None = None
    """None where no witnesses were asked for."""


class CheckedGrowth(Struct, frozen=True, kw_only=True, tag_field="kind", tag="growth"):
    """A growth proof held: the later checkpoint extends the earlier one."""

    holds: bool = True
    statement: str
    rests_on: str
    log: str
    old_size: int
    old_root: str
    size: int
    root: str
    witnessed: Witnessed | None = None


class ShownEntry(Struct, frozen=True, kw_only=True):
    """An entry of an account proof, in short; the file has it whole."""

    index: int
    account_index: int
    recorded_at: str
    effective_at: str
    outcome: str
    script: str | None
    what: str


class CheckedAccount(Struct, frozen=True, kw_only=True, tag_field="kind", tag="account"):
    """An account proof held: these are all entries of the account in the range."""

    holds: bool = True
    statement: str
    rests_on: str
    log: str
    size: int
    root: str
    account: str
    start: str | None
    """Of the range, in recorded time; None: from the account's first entry."""
    end: str | None
    """Of the range, the first time outside of it; None: no end was asked for."""
    unchanged: str | None
    """The script that nothing in the range changed."""
    ending: Ending
    complete_until: str
    """Up to this recorded time nothing is left out: the end of the range, or when the last entry in the file was recorded."""
    entries: list[ShownEntry]
    """All in the range."""
    witnessed: Witnessed | None = None


Checked = CheckedEntry | CheckedGrowth | CheckedAccount | CheckedAnswer
C = TypeVar("C", CheckedEntry, CheckedGrowth, CheckedAccount)


def needs_entry(data: bytes) -> bool:
    """Whether the file proves an entry that lies in another one."""
    return data.startswith(receipts.FIRST_LINE.encode())


def is_answer(data: bytes) -> bool:
    """Whether the file is a bound answer, which can be asked again where the ledger is."""
    return data.startswith(boundanswers.FIRST_LINE.encode())


def check_proof(data: bytes, key: Verifier, entry: bytes | None = None, policy: WitnessPolicy | None = None) -> Checked:
    """Check a proof file.

    Args:
        data: its bytes.
        key: the public key of the log or ledger, from somewhere else than the file.
        entry: for a receipt the entry's exact bytes.
        policy: the witnesses that must have cosigned the checkpoint that it rests on, and how many of them.

    Raises:
        IntegrityError: what it claims does not hold; `unwitnessed`, where it holds and too few have cosigned; `unknown_proof`,
            where it is no proof file.
        UsageError: `entry_missing`, `entry_unneeded`, `witnesses_unneeded`.
        InputError: `log_is_witness`.
    """
    if needs_entry(data):
        if entry is None:
            raise UsageError("entry_missing", "a receipt is checked with its entry", "give its bytes with --entry")
        receipt = receipts.parse_receipt(data)
        return _with_witnesses(_check_receipt(receipt, key, entry), receipt.note, key, policy)
    if entry is not None:
        raise UsageError("entry_unneeded", "only a receipt is checked with an entry", "leave --entry out")
    if data.startswith(growth.FIRST_LINE.encode()):
        grown = growth.parse_growth(data)
        return _with_witnesses(_check_growth(grown, key), grown.new, key, policy)
    if data.startswith(accounts.FIRST_LINE.encode()):
        account = accounts.parse_account_proof(data)
        return _with_witnesses(_check_account(account, key), account.note, key, policy)
    if is_answer(data):
        if policy is not None:
            raise UsageError(
                "witnesses_unneeded",
                "a bound answer has no cosignatures",
                "have the log's checkpoints witnessed: ledger verify --witness",
            )
        return check_answer(data, key)
    raise IntegrityError(
        "unknown_proof", "it is no proof file", "proof files are what `ledger prove` and `ledger sql --bind` write"
    )


def _with_witnesses(checked: C, note: bytes, key: Verifier, policy: WitnessPolicy | None) -> C:
    """The same, with who has cosigned the checkpoint; raises `unwitnessed` where they are too few."""
    if policy is None:
        return checked
    verdict = judge(note, key.renamed(checked.log), policy)
    by = [cosigned.witness.name for cosigned in verdict.cosigned]
    if not verdict.witnessed:
        raise IntegrityError(
            "unwitnessed",
            f"it is what the log signed, but of {policy.quorum} cosignatures that are asked for its checkpoint has {len(by)}",
            "ask for a proof in a checkpoint that the witnesses have cosigned: ledger witness push, then ledger prove",
        )
    times = [cosigned.time for cosigned in verdict.cosigned]
    return replace(checked, witnessed=Witnessed(asked=policy.quorum, by=by, times=times))


def _check_receipt(receipt: Receipt, key: Verifier, line: bytes) -> CheckedEntry:
    proved = receipts.verify_receipt(receipt, line, key)
    log, entry = proved.checkpoint.origin, read_entry(line)
    place = f"recorded at index {proved.index} of {log}"
    if entry is None:
        statement = f"these {len(line)} bytes were {place}; they are not an entry of a deployment ledger"
    else:
        statement = f"{described(entry)} was {place}, by {who(entry)}, at {entry.recorded_at}; it says: {says(entry)}"
    return CheckedEntry(
        statement=statement,
        rests_on=_rests_on(proved.checkpoint, key),
        log=log,
        index=proved.index,
        leaf_hash=proved.leaf.hex(),
        size=proved.checkpoint.size,
        root=format_hash(proved.checkpoint.root),
        entry=None if entry is None else msgspec.json.decode(line),
    )


def _check_growth(grown: Growth, key: Verifier) -> CheckedGrowth:
    proved = growth.verify_growth(grown, key)
    old, new = proved.old, proved.new
    return CheckedGrowth(
        statement=f"{new.origin} with {new.size} entries begins with all {old.size} that it had before, unchanged",
        rests_on=_rests_on(new, key),
        log=new.origin,
        old_size=old.size,
        old_root=format_hash(old.root),
        size=new.size,
        root=format_hash(new.root),
    )


def _check_account(proof: AccountProof, key: Verifier) -> CheckedAccount:
    proved = verify_account(proof, key)
    return CheckedAccount(
        statement=_account_statement(proof, proved),
        rests_on=f"{_rests_on(proved.checkpoint, key)}; and on the log having one chain of entries for each account, which "
        "`ledger verify` checks on the whole log",
        log=proved.checkpoint.origin,
        size=proved.checkpoint.size,
        root=format_hash(proved.checkpoint.root),
        account=proof.account,
        start=proof.start,
        end=proof.end,
        unchanged=proof.unchanged,
        ending=proved.ending,
        complete_until=_complete_until(proof, proved),
        entries=[_shown(entry) for entry in proved.entries],
    )


def _complete_until(proof: AccountProof, proved: ProvedAccount) -> str:
    """The time up to which nothing is left out: the range's end, or when the last entry shown was recorded, if that is earlier."""
    last = proved.last_recorded
    if proof.end is None or (proved.after is None and times.key_of(last) < times.key_of(proof.end)):
        return last
    return proof.end


def _account_statement(proof: AccountProof, proved: ProvedAccount) -> str:
    start, until = proof.start or "its first entry", _complete_until(proof, proved)
    count = f"{len(proved.entries)} {'entry' if len(proved.entries) == 1 else 'entries'}"
    parts = [
        f"all that {proved.checkpoint.origin} recorded of the account {proof.account} from {start} to {until} is here: {count}"
    ]
    if proof.unchanged is not None:
        parts.append(
            f"None of it changed {proof.unchanged}. What happened in that time and was recorded later is not here"
        )
    before = "Nothing comes before: its first entry in the file is the account's first"
    if proved.before is not None:
        before = f"The entry before is in the file too and was recorded at {proved.before.recorded_at}"
    return ". ".join([*parts, before, _ending_statement(proved)])


def _ending_statement(proved: ProvedAccount) -> str:
    size = proved.checkpoint.size
    match proved.ending:
        case Ending.next_entry:
            return f"The account's next entry is in the file too and was recorded at {proved.last_recorded}"
        case Ending.end_of_log:
            return f"As of the checkpoint of {size} entries nothing of the account follows; the log then ended at {proved.last_recorded}"
        case Ending.not_shown:
            return (
                f"THE END IS OPEN: whether the account has more entries after {proved.last_recorded}, up to the checkpoint of "
                f"{size} entries or later, is not shown"
            )
        case _:
            assert_never(proved.ending)


def _shown(entry: Entry) -> ShownEntry:
    return ShownEntry(
        index=entry.index,
        account_index=entry.account_index or 0,
        recorded_at=entry.recorded_at,
        effective_at=entry.effective_at,
        outcome=entry.outcome,
        script=entry.event.subject,
        what=says(entry),
    )


def _rests_on(checkpoint: Checkpoint, key: Verifier) -> str:
    return (
        f"the signature of the key {key.name}+{key.key_id.hex()} on the tree of {checkpoint.size} entries of {checkpoint.origin}, "
        "and on that key being the ledger's"
    )
