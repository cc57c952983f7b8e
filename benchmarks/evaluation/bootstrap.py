"""How far AP would scatter with other videos of the same kind: the bootstrap over whole videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.evaluation.average_precision import ClassMatches, accumulate
from stc.benchmarks.timing.intervals import CONFIDENCE, RESAMPLES, Interval, interval, picks
from stc.progress import bar

THRESHOLDS = {"AP": slice(None), "AP50": slice(1)}  # of average_precision.IOU


def mean_intervals(classes: Sequence[Mapping[int, ClassMatches]], videos: int) -> dict[str, Interval]:
    """Mean over classes of AP and of AP50, each with the interval that 95 % of the resamples give.

    classes: of each class, the matches by number of the video (0 to `videos`). A class without an object in a resample
    is left out of its mean, as in the report.
    """
    value, draws = mean_draws(classes, videos)
    known = draws[~np.isnan(draws).any(axis=1)]
    return {name: interval(float(value[i]), known[:, i], CONFIDENCE) for i, name in enumerate(THRESHOLDS)}


def mean_draws(classes: Sequence[Mapping[int, ClassMatches]], videos: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Values (2,), in the order of THRESHOLDS, and those of every resample of `picks(videos)`, (RESAMPLES, 2).

    NaN where none of the videos has an object. Two models on the same videos have the same resamples, row by row.
    """
    everything = [{number: _range_all(matches) for number, matches in one.items()} for one in classes]
    draws = np.empty((RESAMPLES, len(THRESHOLDS)))
    with bar("resampling", RESAMPLES) as advance:
        for row, pick in zip(draws, picks(videos), strict=True):
            row[:] = _means(everything, pick.tolist())
            advance()
    return np.array(_means(everything, range(videos))), draws


def _means(classes: Sequence[Mapping[int, ClassMatches]], pick: Sequence[int]) -> list[float]:
    precisions = []
    for matches in classes:
        chosen = [matches[number] for number in pick if number in matches]
        if sum(int(video.objects[0]) for video in chosen):
            precisions.append(accumulate(chosen).precision[0])
    if not precisions:
        return [float("nan")] * len(THRESHOLDS)
    mean = np.mean(precisions, axis=0)
    return [float(mean[thresholds].mean()) for thresholds in THRESHOLDS.values()]


def _range_all(matches: ClassMatches) -> ClassMatches:
    """Only the range of areas called "all", the first."""
    return ClassMatches(matches.scores, matches.matched[:1], matches.ignored[:1], matches.objects[:1])
