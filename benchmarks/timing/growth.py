"""Whether a process that does the same again and again needs more and more memory: a leak, told from a warm-up.

Pure functions of the sizes that were seen; who looks at the system: `stc.benchmarks.models.memory`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.timing.intervals import Interval

SAMPLES = 40  # of fewer an allocator's ups and downs would be all
SIGMAS = 2.576  # of a normal distribution on either side: 99 %
STEADY = 0.75  # a leak's slope stays; the last quarter's is below this share of the one before while a warm-up fades
PARTS = 5  # of the half; an allocator's few large steps miss some
EVEN = 0.25  # a leak raises every part, by more than this share of the mean rise


@dataclass(frozen=True)
class Growth:
    """Bytes per sample. found: what it grows by, None where that cannot be told from noise, from steps and from a
    warm-up. below: what a growth that was not found is below, 99 % sure."""

    found: float | None
    below: float


def growth(sizes: Sequence[float]) -> Growth | None:
    """Of the second half of `sizes` (bytes, equally apart): the first is start-up. None for fewer than 40.

    Growth is found where all of the half's interval is above zero, each fifth of the half is above the one before, and
    the slope does not fade from quarter to quarter.
    """
    if len(sizes) < SAMPLES:
        return None
    half = np.asarray(sizes, np.float64)[len(sizes) // 2 :]
    slope = theil_sen(half)
    third, last = (theil_sen(quarter).value for quarter in np.array_split(half, 2))
    rises = np.diff([np.median(part) for part in np.array_split(half, PARTS)])
    steady = bool(rises.min() > EVEN * rises.mean()) and last >= STEADY * third > 0
    return Growth(slope.value if slope.low > 0 and steady else None, max(slope.high, 0.0))


def theil_sen(sizes: Sequence[float] | NDArray[np.float64]) -> Interval:
    """Median of the slopes between any two samples, per sample, and its 99 % interval: a single step does not move it.

    sizes: two or more. Sen, "Estimates of the Regression Coefficient Based on Kendall's Tau" (1968): the interval is
    right for noise that is independent from sample to sample.
    """
    values = np.asarray(sizes, np.float64)
    earlier, later = np.triu_indices(len(values), 1)
    slopes = np.sort((values[later] - values[earlier]) / (later - earlier))
    n, pairs = len(values), len(slopes)
    width = SIGMAS * sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low, high = int((pairs - width) / 2), int((pairs + width) / 2)
    return Interval(float(np.median(slopes)), float(slopes[max(low, 0)]), float(slopes[min(high, pairs - 1)]))
