"""What a model of lower precision does to what users see: the float32 model's own tracks, found again by it.

A rounding moves faint detections to a neighbouring location, which costs nobody anything; but a mask that is off, an
object that is lost or an id that changes hands does. So this counts objects and not numbers, each by its score, and apart
from that what rounding cannot do: move or grow all masks one way.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.agreement.ids import consistent_fraction
from stc.benchmarks.reference import FrameOutputs
from stc.runtime.masks.axis import MASK_THRESHOLD
from stc.runtime.tracking.bank import NO_TRACK

Array = NDArray[Any]
FOUND_IOU = 0.5  # of two masks of one class that show the same object


@dataclass(frozen=True)
class Accuracy:
    """Against the rows of the float32 model's tracks from the tracker's `init_score` on; fractions are 0..1.

    recall: share of their scores whose object the candidate finds in that frame (IoU of masks above 0.5, same class).
    precision: the same of the candidate's rows, found again in the reference. mask_iou: mean IoU of masks, by score; of
    an object that was not found 0. j: the same with the one track of the candidate that covers the object best through
    all its frames. ids_kept: share of found rows whose id is that of their object elsewhere, under the best renaming.
    shift: cells by which the candidate's masks lie apart on average, in x or y. growth: by which share their area is
    larger or smaller on average.
    """

    recall: float
    precision: float
    mask_iou: float
    j: float
    ids_kept: float
    shift: float
    growth: float


def accuracy(
    reference: Sequence[FrameOutputs],
    ids: Sequence[Array],
    candidate: Sequence[FrameOutputs],
    candidate_ids: Sequence[Array],
    least_score: float,
) -> Accuracy:
    """Of runs over the same frames. ids, candidate_ids: the tracklet of every row of a frame, -1 for none."""
    total = found_score = iou_sum = extra_total = extra_found = 0.0
    pairs: list[tuple[int, int]] = []
    covered: dict[tuple[int, int], float] = defaultdict(float)  # (track, candidate's track) -> IoU by score
    moved, grown, weights = [], [], []
    for expected, own, found, other in zip(reference, ids, candidate, candidate_ids, strict=True):
        masks, others = expected.masks > MASK_THRESHOLD, found.masks > MASK_THRESHOLD
        iou = _mask_ious(masks, others)
        iou[expected.labels[:, None] != found.labels[None]] = 0
        rows = np.flatnonzero((own != NO_TRACK) & (expected.scores >= least_score))
        columns = np.flatnonzero((other != NO_TRACK) & (found.scores >= least_score))
        total += float(expected.scores[rows].sum(dtype=np.float64))
        for row, column in itertools.product(rows.tolist(), np.flatnonzero(other != NO_TRACK).tolist()):
            covered[int(own[row]), int(other[column])] += float(expected.scores[row] * iou[row, column])
        for place, column in _one_to_one(iou[rows]):
            row = int(rows[place])
            weights.append(float(expected.scores[row]))
            found_score += weights[-1]
            iou_sum += weights[-1] * float(iou[row, column])
            moved.append(_centre(others[column]) - _centre(masks[row]))
            grown.append(np.log(others[column].sum() / masks[row].sum()))
            if other[column] != NO_TRACK:
                pairs.append((int(own[row]), int(other[column])))
        extra_total += float(found.scores[columns].sum(dtype=np.float64))
        again = [place for place, _ in _one_to_one(iou[:, columns].T)]
        extra_found += float(found.scores[columns[again]].sum(dtype=np.float64))
    best_cover: dict[int, float] = defaultdict(float)
    for (track, _), value in covered.items():
        best_cover[track] = max(best_cover[track], value)
    return Accuracy(
        recall=found_score / total if total else 1.0,
        precision=extra_found / extra_total if extra_total else 1.0,
        mask_iou=iou_sum / total if total else 1.0,
        j=sum(best_cover.values()) / total if total else 1.0,
        ids_kept=consistent_fraction(pairs),
        shift=float(np.abs(np.average(moved, axis=0, weights=weights)).max()) if moved else 0.0,
        growth=float(abs(np.expm1(np.average(grown, weights=weights)))) if grown else 0.0,
    )


def _mask_ious(a: Array, b: Array) -> Array:
    """(n, h, w), (m, h, w) bool -> (n, m); 0 where both are empty."""
    first, second = (m.reshape(len(m), int(np.prod(m.shape[1:]))).astype(np.float32) for m in (a, b))
    shared = first @ second.T  # counts of cells, exact in float32
    union = first.sum(axis=1)[:, None] + second.sum(axis=1)[None] - shared
    ratio: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio


def _one_to_one(iou: Array) -> list[tuple[int, int]]:
    """Rows and columns of (n, m) with IoU above FOUND_IOU, the best first, none twice."""
    pairs: list[tuple[int, int]] = []
    left = iou.copy()
    while left.size and left.max() > FOUND_IOU:
        row, column = (int(index) for index in np.unravel_index(left.argmax(), left.shape))
        pairs.append((row, column))
        left[row], left[:, column] = 0, 0
    return pairs


def _centre(mask: Array) -> Array:
    """(2,) xy of a mask's cells, which are some."""
    rows, columns = np.nonzero(mask)
    return np.array([columns.mean(), rows.mean()])
