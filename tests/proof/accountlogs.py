"""Small logs of chained entries, signed, and account proofs of them made without the code that makes them in the product."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from ledger.proof.accounts import AccountProof
from ledger.proof.checkpoints import Checkpoint, sign
from ledger.proof.merkle import Frontier, Hash, Index, Size, inclusion_proof, leaf_hash, node_hash, split
from ledger.proof.notes import Signer

__all__ = ["LEDGER", "LOG", "Row", "SignedLog", "at", "build", "proof_of", "replaced", "sign_log"]

LEDGER: Final = Signer("ledger.example", bytes(32)).verifier
LOG: Final = Signer("ledger.example/0003", bytes(32))
TRIGGERS: Final[dict[str, Any]] = {
    name: {} for name in ("crons", "domains", "queues", "routes", "settings", "subdomain")
}

Row = tuple[str, ...]
"""Account, script, outcome, and the script that lost a route to it."""


class SignedLog(NamedTuple):
    """Entries, and the signed checkpoint after them."""

    lines: list[bytes]
    note: bytes

    def subtree(self, lo: int, hi: int) -> Hash:
        """The Merkle tree hash, by its definition."""
        if hi - lo == 1:
            return leaf_hash(self.lines[lo])
        mid = lo + split(hi - lo)
        return node_hash(self.subtree(lo, mid), self.subtree(mid, hi))

    def path(self, index: int) -> tuple[Hash, ...]:
        """An inclusion proof."""
        return tuple(inclusion_proof(Index(index), Size(len(self.lines)), self.subtree))

    def edge(self, size: int) -> tuple[Hash, ...]:
        """The frontier of the first entries."""
        frontier = Frontier()
        frontier.extend([leaf_hash(line) for line in self.lines[:size]])
        return frontier.hashes


def at(minute: int) -> str:
    """When the entry with this index was recorded: one a minute."""
    return f"2022-11-28T{minute // 60:02}:{minute % 60:02}:00.000Z"


def build(rows: Sequence[Row], signer: Signer = LOG) -> SignedLog:
    """A log of these entries, with the account chains as they must be."""
    lines: list[bytes] = []
    chains: dict[str, tuple[int, str | None]] = {}
    for index, row in enumerate(rows):
        count, last = chains.get(row[0], (0, None))
        lines.append(msgspec.json.encode(_entry(index, row, count, last)))
        chains[row[0]] = (count + 1, leaf_hash(lines[-1]).hex())
    return sign_log(lines, signer)


def sign_log(lines: list[bytes], signer: Signer = LOG) -> SignedLog:
    """The log of these lines, whatever they are."""
    frontier = Frontier()
    frontier.extend([leaf_hash(line) for line in lines])
    return SignedLog(lines, sign(Checkpoint(origin=signer.name, size=frontier.size, root=frontier.root()), signer))


def proof_of(
    log: SignedLog, places: Sequence[int], *, account: str = "acme", rest: bool = False, **members: Any
) -> AccountProof:
    """An account proof that shows these entries."""
    last = places[-1]
    return AccountProof(
        account=account,
        first=log.path(places[0]),
        last=log.path(last),
        note=log.note,
        entries=tuple(log.lines[place] for place in places),
        rest=tuple(log.lines[last + 1 :]) if rest else None,
        edge=log.edge(last + 1) if rest else None,
        **members,
    )


def replaced(line: bytes, **members: Any) -> bytes:
    """An entry with other values for some members."""
    return msgspec.json.encode(msgspec.json.decode(line) | members)


def _entry(index: int, row: Row, count: int, last: str | None) -> dict[str, Any]:
    account, script, outcome, *lost = row
    origin: dict[str, Any] = {"topic": "t", "partition": 3, "offset": index, "mac": "00"}
    event = {
        "source": "s",
        "id": f"e{index}",
        "subject": script,
        "time": at(index),
        "data": {"actor": None, "interface": "api"},
    }
    entry: dict[str, Any] = {"v": 1, "index": index, "account": account, "account_index": count, "account_prev": last}
    entry |= {"recorded_at": at(index), "effective_at": at(index), "origin": origin, "event": event, "outcome": outcome}
    if outcome not in {"duplicate", "rejected", "noted"}:
        entry["changes"] = []
    if lost:
        entry["others"] = [{"subject": lost[0], "changes": [["routes", "r/*", "removed"]], "triggers": TRIGGERS}]
    return entry
