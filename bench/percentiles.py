"""Percentiles of what was measured."""

from collections.abc import Sequence

__all__ = ["percentile"]


def percentile(ascending: Sequence[float], percent: int) -> float:
    """The smallest value that so many per cent do not exceed (requires at least one value)."""
    return ascending[-(-len(ascending) * percent // 100) - 1]
