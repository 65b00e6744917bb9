"""How many requests a token may make: a bucket that fills at its rate and gives one for each request. Reads no clock."""

from typing import Final

__all__ = ["Rates"]

_KEPT: Final = 10_000
"""So many buckets are kept; a full one says no more than none."""


class Rates:
    """The buckets of all tokens. For one thread.

    Args:
        rate: requests a second, where a token has no rate of its own.
        burst: how many may come at once; a token with a rate of its own has two seconds' worth, or one.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = max(burst, 1.0)
        self._buckets: dict[str, tuple[float, float]] = {}
        """What is left, and when that was so."""

    def take(self, token_id: str, now_s: float, own_rate: float | None = None) -> float:
        """Take one request out of a token's bucket.

        Returns:
            0 where it may be answered, else after how many seconds one may.
        """
        rate = self._rate if own_rate is None else own_rate
        burst = self._burst if own_rate is None else max(1.0, 2 * own_rate)
        left, since = self._buckets.get(token_id, (burst, now_s))
        left = min(burst, left + max(0.0, now_s - since) * rate)
        is_free = left >= 1
        if len(self._buckets) >= _KEPT and token_id not in self._buckets:
            self._buckets.clear()
        self._buckets[token_id] = (left - 1 if is_free else left, max(since, now_s))
        return 0.0 if is_free else (1 - left) / rate
