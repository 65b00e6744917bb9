"""Who uses whom as a drawing: for Graphviz (DOT) or Mermaid. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from ledger.query.lookup import Accounts, find_script
from ledger.query.opened import OpenLedger
from ledger.query.wired import Use, uses

__all__ = ["FORMS", "around", "dot", "mermaid", "uses_of"]

_MERMAID_ESCAPES: Final = str.maketrans({"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "|": "#124;", "\n": " "})
_DOT_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": " "})


def uses_of(
    ledger: OpenLedger, script: str | None, *, account: Accounts = None, at: datetime | None = None
) -> list[Use]:
    """The uses of a script, those that lead to it and on from it; all that there are where none is named."""
    if script is None:
        return uses(ledger, account=account, at=at)
    home = find_script(ledger, script, account)
    return around(uses(ledger, account=[home], at=at), home, script)


def around(uses: Iterable[Use], account: str, script: str) -> list[Use]:
    """The uses by which a script is reached, and those by which it goes on, over any number of steps."""
    here = [use for use in uses if use.account == account]
    kept: list[Use] = []
    for backwards in (True, False):
        seen, frontier = {script}, {script}
        while frontier:
            found = [use for use in here if (use.target if backwards else use.caller) in frontier]
            kept += [use for use in found if use not in kept]
            frontier = {use.caller if backwards else use.target for use in found} - seen
            seen |= frontier
    return kept


def dot(uses: Sequence[Use]) -> str:
    """The drawing in the DOT language; one cluster an account."""
    lines = ["digraph uses {", "  rankdir=LR;", "  node [shape=box];"]
    for place, account in enumerate(sorted({use.account for use in uses})):
        lines += [f"  subgraph cluster_{place} {{", f"    label={_quoted(account)};"]
        lines += [f"    {_quoted(f'{account}/{name}')} [label={_quoted(name)}];" for name in _nodes(uses, account)]
        lines.append("  }")
    for use in uses:
        ends = f"{_quoted(f'{use.account}/{use.caller}')} -> {_quoted(f'{use.account}/{use.target}')}"
        lines.append(f"  {ends} [label={_quoted(_label(use))}];")
    return "\n".join([*lines, "}"])


def mermaid(uses: Sequence[Use]) -> str:
    """The drawing as a Mermaid flowchart. Nodes are numbered, since names may be words of Mermaid's own."""
    lines, ids = ["flowchart LR"], dict[tuple[str, str], str]()
    for place, account in enumerate(sorted({use.account for use in uses})):
        lines.append(f'  subgraph a{place}["{account.translate(_MERMAID_ESCAPES)}"]')
        for name in _nodes(uses, account):
            ids[account, name] = f"n{len(ids)}"
            lines.append(f'    {ids[account, name]}["{name.translate(_MERMAID_ESCAPES)}"]')
        lines.append("  end")
    for use in uses:
        label = _label(use).translate(_MERMAID_ESCAPES)
        lines.append(f'  {ids[use.account, use.caller]} -->|"{label}"| {ids[use.account, use.target]}')
    return "\n".join(lines)


FORMS: Final = {"dot": dot, "mermaid": mermaid}
"""What a drawing may be written in."""


def _nodes(uses: Iterable[Use], account: str) -> list[str]:
    return sorted({name for use in uses if use.account == account for name in (use.caller, use.target)})


def _label(use: Use) -> str:
    share = "" if use.percentage == 100 else f" {use.percentage:g} %"
    return f"{use.via}{share}" if use.kind == "service" else f"{use.kind} {use.via}{share}"


def _quoted(text: str) -> str:
    return f'"{text.translate(_DOT_ESCAPES)}"'
