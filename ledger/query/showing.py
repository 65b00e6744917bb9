"""`show`: one version, deployment or entry, whole."""

import hashlib

import msgspec

from ledger.errors import NotFoundError
from ledger.log.quarantine import read_quarantined
from ledger.log.reader import read_entry
from ledger.query.answers import Change, ShownDeployment, ShownEntry, ShownVersion, VersionRow
from ledger.query.lines import entry_lines
from ledger.query.lookup import EntryId, FoundId, find_id, parse_entry_id
from ledger.query.manifests import Made, manifests_of
from ledger.query.opened import OpenLedger
from ledger.query.questions import script_deployments, script_versions
from ledger.query.rows import rows

__all__ = ["Shown", "entry_line", "quarantined_bytes", "show"]

Shown = ShownVersion | ShownDeployment | ShownEntry

_CHANGES = """
SELECT aspect, name, op FROM changes
WHERE account = $account AND script = $script AND "index" = $index AND lost_to IS NULL
ORDER BY ALL
"""


def show(ledger: OpenLedger, text: str) -> Shown:
    """What an id names: `shard/index`, or a unique prefix of a version's or deployment's id.

    Raises:
        UsageError: `bad_id`, `ambiguous_id`.
        NotFoundError: `id_not_found`, `entry_not_found`.
    """
    entry = parse_entry_id(text)
    if entry is not None:
        return _show_entry(ledger, entry)
    found = find_id(ledger, text)
    return _show_version(ledger, found) if found.kind == "version" else _show_deployment(ledger, found)


def entry_line(ledger: OpenLedger, entry: EntryId) -> bytes:
    """The bytes of an entry, without the line feed.

    Raises:
        NotFoundError: `entry_not_found`, also where whoever asks may not see it.
        IntegrityError: `bad_segment`, `segment_unreadable`, `malformed_entry`.
    """
    place = (entry.shard, entry.index)
    line = entry_lines(ledger, [place]).get(place)
    if line is None:
        raise _not_found(ledger, entry)
    if ledger.accounts is not None and not ledger.sees(read_entry(line, f"{entry.shard}/{entry.index}").account):
        raise _not_found(ledger, entry)
    return line


def _not_found(ledger: OpenLedger, entry: EntryId) -> NotFoundError:
    sizes = ", ".join(f"{shard.shard}/{shard.size - 1}" for shard in ledger.shards if shard.size)
    hint = f"the last entries are {sizes}" if sizes else "the log is empty"
    return NotFoundError("entry_not_found", f"there is no entry {entry.shard}/{entry.index}", hint)


def quarantined_bytes(ledger: OpenLedger, text: str) -> bytes:
    """The value of the Kafka record behind a rejected entry, as it was received.

    Raises:
        NotFoundError: `entry_not_found`; `not_quarantined`, where the entry is none that was rejected, or its bytes were not kept.
        IntegrityError: `bad_quarantine`.
    """
    entry = parse_entry_id(text)
    if entry is None:
        raise NotFoundError(
            "not_quarantined", f"{text} is not an entry", "rejected entries are listed by `ledger rejected`"
        )
    entry_line(ledger, entry)
    kept = read_quarantined(ledger.store, entry.shard, entry.index)
    if kept is None:
        raise NotFoundError(
            "not_quarantined",
            f"no bytes are kept for the entry {text}",
            "only rejected records are kept, never one that carries a secret in plain text, and none that was dropped",
        )
    return kept.value or b""


def _show_entry(ledger: OpenLedger, entry: EntryId) -> ShownEntry:
    line = entry_line(ledger, entry)
    return ShownEntry(
        shard=entry.shard,
        index=entry.index,
        leaf_hash=hashlib.sha256(b"\x00" + line).hexdigest(),
        entry=msgspec.json.decode(line),
    )


def _show_version(ledger: OpenLedger, found: FoundId) -> ShownVersion:
    return _shown_versions(ledger, found, [found.id])[0]


def _show_deployment(ledger: OpenLedger, found: FoundId) -> ShownDeployment:
    deployment = next(
        row for row in script_deployments(ledger, found.script, found.account) if row.deployment == found.id
    )
    _, _, index = deployment.entry.partition("/")
    where = {"account": found.account, "script": found.script, "index": int(index)}
    return ShownDeployment(
        deployment=deployment,
        versions=_shown_versions(ledger, found, [share.version for share in deployment.versions]),
        changes=[Change(**row) for row in rows(ledger, _CHANGES, **where)],
    )


def _shown_versions(ledger: OpenLedger, found: FoundId, ids: list[str]) -> list[ShownVersion]:
    known: dict[str, VersionRow] = {row.version: row for row in script_versions(ledger, found.script, found.account)}
    wanted = [Made(known[version].entry, known[version].sha256) for version in ids]
    manifests = manifests_of(ledger, wanted)
    return [ShownVersion(version=known[one], manifest=manifests[made]) for one, made in zip(ids, wanted, strict=True)]
