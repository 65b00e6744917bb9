"""Deployments a week as a drawing: an SVG for reports, a line of blocks for terminals. Pure."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from ledger.query.statistics import WeekStats

__all__ = ["filled", "sparkline", "svg"]

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_WIDTH: Final = 900
_HEIGHT: Final = 260
_LEFT: Final = 50
_TOP: Final = 40
_BOTTOM: Final = 40
_WEEK: Final = timedelta(weeks=1)


def filled(weeks: Sequence[WeekStats], last: date | None = None) -> list[WeekStats]:
    """The same with the weeks between that had no deployment, and those after up to `last`'s."""
    if not weeks:
        return []
    known, week = {one.week: one for one in weeks}, weeks[0].week
    found = []
    while week <= max(weeks[-1].week, last or weeks[-1].week):
        found.append(known.get(week, WeekStats(week=week, deployments=0, rollbacks=0)))
        week += _WEEK
    return found


def sparkline(counts: Sequence[int]) -> str:
    """One block a number, the highest for the greatest; a blank for 0."""
    most = max(counts, default=0)
    return "".join(" " if not count else _BLOCKS[(count * len(_BLOCKS) - 1) // most] for count in counts)


def svg(weeks: Sequence[WeekStats], title: str) -> str:
    """Bars of deployments a week, rollbacks in red, as an SVG that stands by itself."""
    bars = filled(weeks)
    most = max((one.deployments for one in bars), default=1)
    step = (_WIDTH - _LEFT - 10) / max(1, len(bars))
    floor, room = _HEIGHT - _BOTTOM, _HEIGHT - _BOTTOM - _TOP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
        f"<title>{_escaped(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">{_escaped(title)}</text>',
    ]
    for share in (most, 0):
        y = floor - room * share / most
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share}</text>')
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ccc"/>')
    for place, one in enumerate(bars):
        for count, colour in ((one.deployments, "#3b6ea5"), (one.rollbacks, "#c0392b")):
            if count:
                height = room * count / most
                parts.append(
                    f'<rect x="{_LEFT + place * step:.2f}" y="{floor - height:.2f}" width="{max(step * 0.85, 0.5):.2f}" '
                    f'height="{height:.2f}" fill="{colour}"><title>{one.week}: {one.deployments} deployments, {one.rollbacks} rollbacks</title></rect>'
                )
    for place in sorted({0, len(bars) // 2, len(bars) - 1}) if bars else ():
        x = _LEFT + (place + 0.5) * step
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 18}" text-anchor="middle">{bars[place].week}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
