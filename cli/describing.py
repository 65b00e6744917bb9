"""How answers read to people: the columns of each table, and what has no table's form."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from cli.output import Column, clock, json_text, plain, short
from cli.tables import print_table, printable

if TYPE_CHECKING:
    from ledger.query.answers import (
        Change,
        DeploymentRow,
        HistoryRow,
        LostRecords,
        NoteRow,
        ScriptRow,
        Share,
        ShownDeployment,
        ShownVersion,
        Status,
        WatchRow,
    )
    from ledger.query.forensics import DoneRow
    from ledger.query.showing import Shown
    from ledger.verify.findings import Problem, Report

__all__ = [
    "DEPLOYMENTS",
    "HISTORY",
    "NOTES",
    "REJECTED",
    "SCRIPTS",
    "VERSIONS",
    "change_text",
    "describe_shares",
    "made",
    "percent",
    "print_pairs",
    "show_report",
    "show_status",
    "show_whole",
    "some",
    "told",
]

_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}
_LONG_LIST: Final = 6


def percent(value: float) -> str:
    """`100 %`, `12.5 %`."""
    return f"{plain(value)} %"


def describe_shares(shares: "Sequence[Share]") -> str:
    """`v3`, or `v3 90 %, v4 10 %`."""
    return ", ".join(
        f"v{share.number}" + ("" if share.percentage == 100 else f" {percent(share.percentage)}") for share in shares
    )


def _note(row: "DeploymentRow") -> str:
    if row.rollback_of is not None:
        number = "" if row.rollback_of_number is None else f"{row.rollback_of_number} "
        return f"rollback to deployment {number}({short(row.rollback_of)})"
    return f"rollback to {describe_shares(row.versions)}" if row.rollback else ""


def _reached(row: "ScriptRow") -> str:
    ways = [*row.domains, *row.routes, *(["workers.dev"] if row.subdomain else [])]
    ways += [f"cron {cron}" for cron in row.crons] + [f"queue {queue}" for queue in row.queues]
    return some(ways)


def change_text(change: "Change") -> str:
    """A change as people read it: `+bindings/CART`."""
    return f"{_SIGNS.get(change.op, change.op)}{change.aspect}/{change.name}"


def made(row: "HistoryRow | DoneRow | WatchRow") -> str:
    """What an entry did and made: `deployed v12 d15`."""
    version = f" v{row.version}" if row.version is not None else ""
    deployment = f" d{row.deployment}" if row.deployment is not None else ""
    return f"{row.outcome}{version}{deployment}"


def _what(row: "HistoryRow") -> str:
    if row.lost_to is not None:
        return f"lost to {row.lost_to}"
    return made(row) if row.action is None else f"{row.outcome} {row.action}"


def told(row: "HistoryRow | NoteRow | WatchRow") -> str:
    """What a note says."""
    return row.detail if isinstance(row.detail, str) else "" if row.detail is None else json_text(plain(row.detail))


def some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - _LONG_LIST
    return ", ".join(names[:_LONG_LIST]) + (f", and {rest} more" if rest > 0 else "")


SCRIPTS: Final = [
    Column("account", lambda row: row.account),
    Column("script", lambda row: row.script),
    Column("state", lambda row: row.state),
    Column("deployment", lambda row: "" if row.number is None else f"{row.number} ({short(row.deployment)})"),
    Column("versions", lambda row: describe_shares(row.versions)),
    Column("since", lambda row: clock(row.since)),
    Column("author", lambda row: short(row.author)),
    Column("source", lambda row: row.interface),
    Column("reached by", _reached),
]

DEPLOYMENTS: Final = [
    Column("", lambda row: "*" if row.active else ""),
    Column("#", lambda row: str(row.number)),
    Column("id", lambda row: short(row.deployment)),
    Column("time", lambda row: clock(row.effective_at)),
    Column("author", lambda row: short(row.author)),
    Column("source", lambda row: row.interface),
    Column("versions", lambda row: describe_shares(row.versions)),
    Column("tag", lambda row: row.tag),
    Column("message", lambda row: row.message),
    Column("", _note),
]

VERSIONS: Final = [
    Column("#", lambda row: str(row.number)),
    Column("id", lambda row: short(row.version)),
    Column("time", lambda row: clock(row.effective_at)),
    Column("author", lambda row: short(row.author)),
    Column("source", lambda row: row.interface),
    Column("traffic", lambda row: "" if row.percentage is None else percent(row.percentage)),
    Column("digest", lambda row: short(row.sha256)),
    Column("tag", lambda row: row.tag),
    Column("message", lambda row: row.message),
    Column("", lambda row: "" if row.same_as is None else f"same content as v{row.same_as}"),
]

HISTORY: Final = [
    Column("entry", lambda row: row.entry),
    Column("time", lambda row: clock(row.effective_at)),
    Column("what", _what),
    Column("author", lambda row: short(row.author)),
    Column("source", lambda row: row.interface),
    Column("changes", lambda row: some([change_text(change) for change in row.changes])),
    Column("message", lambda row: row.message or told(row)),
]

NOTES: Final = [
    Column("entry", lambda row: row.entry),
    Column("time", lambda row: clock(row.effective_at)),
    Column("account", lambda row: row.account),
    Column("about", lambda row: short(row.subject)),
    Column("action", lambda row: row.action),
    Column("detail", told),
    Column("author", lambda row: short(row.author)),
    Column("source", lambda row: row.interface),
]

REJECTED: Final = [
    Column("entry", lambda row: row.entry),
    Column("recorded", lambda row: clock(row.recorded_at)),
    Column("reason", lambda row: row.code),
    Column("path", lambda row: row.path),
    Column("detail", lambda row: row.detail),
    Column("account", lambda row: row.account),
    Column("script", lambda row: row.script),
    Column("event", lambda row: row.event_id),
    Column("source", lambda row: row.source),
    Column("topic/partition/offset", lambda row: f"{row.topic}/{row.partition}/{row.offset}"),
    Column("bytes", lambda row: "kept" if row.quarantine else "not kept"),
]


def show_status(status: "Status") -> None:
    """A ledger at a glance."""
    print_pairs(
        [
            ("ledger", status.ledger),
            ("name", status.name),
            ("topic", status.topic),
            ("entries", str(status.size)),
            ("active scripts", f"{status.scripts} in {status.accounts} accounts"),
            ("last recorded", clock(status.last_recorded_at)),
            ("lost records", some([_lost(lost) for lost in status.lost])),
        ]
    )
    if status.outcomes:
        print()
        print_table(["outcome", "entries"], [[outcome, str(count)] for outcome, count in status.outcomes.items()])
    print()
    print_table(
        ["shard", "entries", "compacted", "segments", "last recorded", "root of the last checkpoint"],
        [
            [
                str(shard.shard),
                str(shard.size),
                str(shard.packed),
                str(shard.segments),
                clock(shard.last_recorded_at),
                shard.root or "",
            ]
            for shard in status.shards
        ],
    )


def _lost(lost: "LostRecords") -> str:
    return f"offsets {lost.first_offset} to {lost.last_offset} of partition {lost.partition}, accepted by {lost.accepted_by}"


_TRUST: Final = {
    "pinned": "given",
    "seen": "the one that an earlier run saw here",
    "beside": "only from beside the log",
}


def show_report(report: "Report") -> None:
    """The verdict on a ledger."""
    print_pairs(
        [
            ("ledger", report.ledger),
            ("verdict", "verified" if report.ok else "NOT VERIFIED"),
            ("entries", str(report.entries)),
            ("key", f"{report.vkey} ({_TRUST[report.trust]})"),
            ("extends", some(report.extends)),
            ("witnessed", "; ".join(report.witnessed)),
        ]
    )
    print()
    columns = [
        ("shard", [str(shard.shard) for shard in report.shards]),
        ("entries", [str(shard.size) for shard in report.shards]),
        ("segments", [str(shard.segments) for shard in report.shards]),
        ("accounts", [str(shard.accounts) for shard in report.shards]),
        ("root", [shard.root for shard in report.shards]),
    ]
    if any(shard.since for shard in report.shards):
        columns.append(("read from", [str(shard.since) for shard in report.shards]))
    if any(shard.replayed is not None for shard in report.shards):
        columns.append(("folded again", [str(shard.replayed or 0) for shard in report.shards]))
    print_table([title for title, _ in columns], list(zip(*(cells for _, cells in columns), strict=True)))
    if report.lost:
        print("\nlost records")
        for lost in report.lost:
            reason = "" if lost.reason is None else f" ({lost.reason})"
            print(f"  {printable(lost.message + reason)}; entry {lost.shard}/{lost.index} comes after them")
    if report.problems:
        print()
        rows = [[found.kind, _at(found), found.file, found.message] for found in report.problems]
        print_table(["problem", "entry", "file", "what"], rows)


def _at(found: "Problem") -> str:
    """Where a problem is: `3/41`, with `>=` where it is only known not to be before."""
    if found.shard is None:
        return ""
    return f"{'' if found.exact else '>= '}{found.shard}/{found.index}"


def show_whole(shown: "Shown") -> None:
    """A version, deployment or entry with all that belongs to it."""
    from ledger.query.answers import ShownDeployment, ShownVersion

    if isinstance(shown, ShownVersion):
        _show_version(shown)
    elif isinstance(shown, ShownDeployment):
        _show_deployment(shown)
    else:
        print_pairs([("entry", f"{shown.shard}/{shown.index}"), ("leaf hash", shown.leaf_hash)])
        print(json_text(shown.entry, indent=2))


def _show_deployment(shown: "ShownDeployment") -> None:
    row = shown.deployment
    print_pairs(
        [
            ("deployment", f"{row.number} of {row.script} ({row.account})" + (", active" if row.active else "")),
            ("id", row.deployment),
            ("time", clock(row.effective_at)),
            ("author", row.author),
            ("source", row.interface),
            ("tag", row.tag),
            ("message", row.message),
            ("note", _note(row)),
            ("serves", ", ".join(f"v{share.number} {percent(share.percentage)}" for share in row.versions)),
            ("entry", row.entry),
        ]
    )
    if shown.changes:
        print("\nchanges")
        for change in shown.changes:
            print(f"  {printable(change_text(change))}")
    for version in shown.versions:
        print()
        _show_version(version)


def _show_version(shown: "ShownVersion") -> None:
    row = shown.version
    print_pairs(
        [
            ("version", f"{row.number} of {row.script} ({row.account})"),
            ("id", row.version),
            ("time", clock(row.effective_at)),
            ("author", row.author),
            ("source", row.interface),
            ("tag", row.tag),
            ("message", row.message),
            ("traffic", "" if row.percentage is None else percent(row.percentage)),
            ("digest", row.sha256 + ("" if row.same_as is None else f" (same content as v{row.same_as})")),
            ("entry", row.entry),
        ]
    )
    _show_manifest(shown.manifest)


def _show_manifest(manifest: dict[str, Any]) -> None:
    code, config = dict(manifest.get("code", {})), dict(manifest.get("config", {}))
    modules, variables, secrets = code.pop("modules", {}), config.pop("vars", {}), config.pop("secrets", {})
    _section("code", [[name, _value(value)] for name, value in code.items()])
    _section(
        "modules",
        [
            [name, _member(module, "type"), _member(module, "size"), _member(module, "sha256")]
            for name, module in modules.items()
        ],
    )
    _section(
        "bindings",
        [
            [name, _member(value, "type"), _value(_without(value, "type"))]
            for name, value in manifest["bindings"].items()
        ],
    )
    _section("config", [[name, _value(value)] for name, value in config.items()])
    _section("vars", [[name, _value(value.get("text", value.get("json")))] for name, value in variables.items()])
    _section("secrets", [[name, _value(value)] for name, value in secrets.items()])


def _section(title: str, rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        return
    print(f"\n{title}")
    widths = [max(len(printable(row[place])) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        print(
            ("  " + "  ".join(printable(cell).ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
        )


def print_pairs(lines: Sequence[tuple[str, str | None]]) -> None:
    """Names and what they have, one a line; what has nothing is left out."""
    width = max(len(printable(name)) for name, value in lines if value)
    for name, value in lines:
        if value:
            print(f"{printable(name).ljust(width)}  {printable(value)}")


def _member(value: dict[str, Any], name: str) -> str:
    return _value(value[name]) if name in value else ""


def _without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: member for key, member in value.items() if key != name}


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json_text(value)
