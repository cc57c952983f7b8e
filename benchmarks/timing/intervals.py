"""Percentiles with their uncertainty.

Samples come in turns; what is resampled is whole turns, because the frames of one turn share whatever else the machine
was doing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
RESAMPLES = 2000
CONFIDENCE = 0.95  # of the interval of a percentile
RATIO_CONFIDENCE = 0.99  # of a ratio: "faster" should be hard to say
AGREE = 0.05  # three windows agree when their medians lie within this fraction of each other
WINDOWS = 3


@dataclass(frozen=True)
class Percentiles:
    """Milliseconds over all samples; none is dropped."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    mean_ms: float
    max_ms: float

    @classmethod
    def of(cls, seconds: Array) -> Percentiles:
        """seconds: (n,), n >= 1."""
        milliseconds = np.asarray(seconds) * 1e3
        p50, p90, p99 = np.percentile(milliseconds, (50, 90, 99))
        return cls(float(p50), float(p90), float(p99), float(milliseconds.mean()), float(milliseconds.max()))


@dataclass(frozen=True)
class Interval:
    value: float
    low: float
    high: float

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high

    def shown(self, unit: str) -> str:
        return f"{figures(self.value)}{unit} [{figures(self.low)}, {figures(self.high)}]"


def figures(value: float) -> str:
    """`value` in three significant digits, at most three of them decimals, and thousands whole: 1,234, 56.7, 0.089."""
    size = abs(value)
    decimals = 0 if size >= 99.95 else 1 if size >= 9.995 else 2 if size >= 0.9995 else 3
    return f"{value:,.{decimals}f}"


def percentile(turns: Sequence[Array], q: float) -> Interval:
    """The q-th percentile (0..100) of all samples and its bootstrap interval. turns: one (n_i,) array each."""
    value = float(np.percentile(np.concatenate(turns), q))
    return interval(value, _resampled(turns, q), CONFIDENCE)


def ratio(turns: Sequence[Array], baseline: Sequence[Array]) -> Interval:
    """Median of `turns` over the median of `baseline`, which took their turns beside each other: both are resampled
    alike, so that what slowed a round down slows down both.

    Raises ValueError when they did not take the same number of turns.
    """
    if len(turns) != len(baseline):
        raise ValueError(f"{len(turns)} turns beside {len(baseline)}")
    value = float(np.median(np.concatenate(turns)) / np.median(np.concatenate(baseline)))
    return interval(value, _resampled(turns, 50) / _resampled(baseline, 50), RATIO_CONFIDENCE)


def variation(seconds: Array) -> float:
    """Coefficient of variation: standard deviation over mean. 0 for fewer than two samples."""
    return float(np.std(seconds, ddof=1) / np.mean(seconds)) if len(seconds) > 1 else 0.0


def agree(medians: Sequence[float]) -> bool:
    """Whether the last three windows do."""
    last = medians[-WINDOWS:]
    return len(last) == WINDOWS and max(last) <= (1 + AGREE) * min(last)


def picks(turns: int) -> Array:
    """Resamples of so many turns (or whatever is drawn as a whole), (RESAMPLES, turns) indices.

    With a fixed seed: the same samples give the same interval.
    """
    return np.random.default_rng(0).integers(0, turns, (RESAMPLES, turns))


def interval(value: float, draws: Array, confidence: float) -> Interval:
    """The middle `confidence` (0..1) of `draws` (n,), widened to hold `value`."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(draws, (tail, 100 - tail))
    return Interval(value, min(float(low), value), max(float(high), value))


def _resampled(turns: Sequence[Array], q: float) -> Array:
    """The q-th percentile of each resample, (RESAMPLES,).

    The samples are sorted once and counted as often as their turn was drawn, which is many times faster than joining
    and sorting them for each resample.
    """
    samples = np.concatenate(turns)
    order = np.argsort(samples)
    owner = np.repeat(np.arange(len(turns)), [len(turn) for turn in turns])[order]
    drawn = picks(len(turns)) + len(turns) * np.arange(RESAMPLES)[:, None]
    times = np.bincount(drawn.ravel(), minlength=RESAMPLES * len(turns)).reshape(RESAMPLES, len(turns))
    reached = np.cumsum(times[:, owner], axis=1)  # how many samples of the resample are among the smallest 1, 2, ...
    place = (reached[:, -1] - 1) * (q / 100)
    below = np.floor(place)
    above = np.minimum(below + 1, reached[:, -1] - 1)
    low, high = (samples[order[np.argmax(reached > rank[:, None], axis=1)]] for rank in (below, above))
    draws: Array = low + (high - low) * (place - below)
    return draws
