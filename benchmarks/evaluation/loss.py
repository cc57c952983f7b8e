"""What fewer bits cost against ground truth: the score of a model beside float32's own on the same clips or pictures.

Both are resampled alike, clip by clip, so that what is hard in a clip for both of them does not widen the interval of
their difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.evaluation.clip_score import ClipScore
from stc.benchmarks.evaluation.evaluate import Evaluation
from stc.benchmarks.timing.intervals import CONFIDENCE, Interval, interval, picks

# Of mean J, recall and cover changes per annotated frame. Of J it is three times what bfloat16 and int8 have been seen
# to lose on whole clips (docs/building-engines.md). Recall and cover changes are counts: of fewer than 334 annotated
# frames one alone is more than the budget, and a mask that rounding moves across IoU 0.5 is a miss: give more frames.
BUDGET = 0.003
# By the name of a measure: whether more of it is better, and whether the measured loss itself is held to the budget.
# AP counts in steps of a tenth of an object, so that of few objects it may jump by rounding alone: it is missed only
# where the whole interval of its loss is beyond the budget.
MEASURES = {"J": (1, True), "recall": (1, True), "cover changes": (-1, True), "AP": (1, False)}


@dataclass(frozen=True, eq=False)
class Score:
    """Of one model. By measure: its value, and that of each resample of the clips, (RESAMPLES,). clips: how many."""

    clips: int
    values: dict[str, float]
    draws: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, evaluation: Evaluation) -> Score:
        """J, recall and cover changes: means over annotated frames, whatever the classes; AP: mean over the classes."""
        *clips, _ = evaluation.report().clips
        precision, precisions = evaluation.draws()
        drawn = picks(len(clips))
        frames = np.array([clip.frames for clip in clips], np.float64)
        values, draws = {"AP": float(precision[0])}, {"AP": precisions[:, 0]}
        for name, sums in _sums(clips).items():
            values[name] = float(sums.sum() / frames.sum())
            total = frames[drawn].sum(1)  # of 0 a resample says nothing
            draws[name] = np.divide(sums[drawn].sum(1), total, out=np.full(len(drawn), np.nan), where=total > 0)
        return cls(len(clips), values, draws)


@dataclass(frozen=True)
class Loss:
    """loss: of `value` beside `float32`, 0..1, positive where it is worse, with the 95 % interval over clips."""

    measure: str
    float32: float
    value: float
    loss: Interval

    @property
    def missed(self) -> bool:
        return bool((self.loss.value if MEASURES[self.measure][1] else self.loss.low) > BUDGET)

    def __str__(self) -> str:
        low, high = self.loss.low, self.loss.high
        return (
            f"{self.measure} {self.value:.4f}, float32 {self.float32:.4f}: "
            f"worse by {self.loss.value:+.4f} [{low:+.4f}, {high:+.4f}]"
        )


@dataclass(frozen=True)
class GroundTruth:
    """The verdict on one model. data: in words."""

    data: str
    losses: tuple[Loss, ...]

    @property
    def verdict(self) -> Literal["pass", "fail"]:
        return "fail" if self.failures else "pass"

    @property
    def failures(self) -> tuple[str, ...]:
        return tuple(
            f"ground truth: {loss}, allowed {BUDGET:+g}{'' if MEASURES[loss.measure][1] else ' within its interval'}"
            for loss in self.losses
            if loss.missed
        )

    def in_words(self) -> str:
        return f"ground truth of {self.data}: {'; '.join(map(str, self.losses))} (95 % of resampled clips)"

    def to_dict(self) -> dict[str, Any]:
        return {
            "data": self.data,
            "verdict": self.verdict,
            "budget": BUDGET,
            "losses": [asdict(loss) for loss in self.losses],
            "summary": self.in_words(),
        }


def compare(data: str, float32: Score, candidate: Score) -> GroundTruth:
    """Of two models on the same clips; `data` says which, in words."""
    return GroundTruth(data, tuple(_loss(name, float32, candidate) for name in MEASURES))


def _loss(name: str, float32: Score, candidate: Score) -> Loss:
    sign = MEASURES[name][0]
    before, after = float32.values[name], candidate.values[name]
    draws = sign * (float32.draws[name] - candidate.draws[name])
    known = draws[~np.isnan(draws)]
    # + 0.0: no loss is not -0
    return Loss(name, before, after, interval(sign * (before - after) + 0.0, known + 0.0, CONFIDENCE))


def _sums(clips: Sequence[ClipScore]) -> dict[str, NDArray[Any]]:
    """Over the annotated frames of each clip."""
    return {
        "J": np.array([clip.mean_j * clip.frames for clip in clips]),
        "recall": np.array([clip.recall * clip.frames for clip in clips]),
        "cover changes": np.array([float(clip.id_switches) for clip in clips]),
    }
