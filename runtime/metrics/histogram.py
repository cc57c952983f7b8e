"""How often something took how long."""

from __future__ import annotations

from bisect import bisect_left

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds


class Histogram:
    """Counts by `BOUNDS`. One thread adds; any may take a `snapshot`."""

    def __init__(self) -> None:
        self._counts, self._sum = (0,) * (len(BOUNDS) + 1), 0.0

    def add(self, seconds: float) -> None:
        at = bisect_left(BOUNDS, seconds)
        counts = list(self._counts)
        counts[at] += 1
        self._counts, self._sum = tuple(counts), self._sum + seconds

    def snapshot(self) -> tuple[tuple[int, ...], float]:
        """How many took at most each of `BOUNDS`, and, last, how many in all; and the seconds of all."""
        counts, total = self._counts, self._sum
        return tuple(sum(counts[: i + 1]) for i in range(len(counts))), total
