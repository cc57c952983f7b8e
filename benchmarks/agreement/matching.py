"""Which detections of two runs are the same, which differences mean nothing, and how their masks differ in the
frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.reference import FrameOutputs
from stc.runtime.bundle.passport import Passport
from stc.runtime.letterbox import Letterbox
from stc.runtime.masks.masks import Masks
from stc.runtime.native.library import Library

Array = NDArray[Any]
# The same detection, not merely the same object: where rounding made another of two rivals win NMS, their boxes differ.
# Rounding alone moves boxes by less (fp16: IoU of at least 0.92 in what was measured).
SAME_DETECTION_IOU = 0.8


@dataclass(frozen=True)
class FrameMasks:
    """Where masks end up: a frame of `letterbox.frame_size`, by the candidate's own route (`native`) or NumPy's."""

    letterbox: Letterbox
    stride: int
    native: Library | None

    def differences(self, expected: Array, found: Array) -> tuple[int, int]:
        """Pixels of masks that differ, and pixels on the outline of the expected ones.

        expected, found: probabilities (n, Hm, Wm). The expected ones take NumPy's route. Their ratio does not depend on
        how large an object is: a shift by one pixel gives more than 0.3, rounding 0.00002 (float32) to 0.04 (float16).
        """
        different = outline = 0
        for a, b in zip(expected, found, strict=True):  # one by one: dense masks of a large frame are large
            mask = Masks(a[None], self.letterbox, self.stride, None).dense()[0]
            other = Masks(b[None], self.letterbox, self.stride, self.native).dense()[0]
            different += int((mask != other).sum())
            outline += int((mask & ~_inner(mask)).sum())
        return different, outline


def _inner(mask: Array) -> Array:
    """Pixels whose four neighbours are all in the mask; beyond the frame there is no mask."""
    padded = np.pad(mask, 1)
    inner: Array = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inner


@dataclass(frozen=True)
class Thresholds:
    """What decided whether a detection exists. score: the highest about which the threshold decided; nms: its IoU;
    capacity: K. shift: pixels that rounding may move a side of a box, beyond what `margin` says of the IoU.

    Two runs that differ by rounding may decide differently within `margin` of the score threshold, of the K-th score
    or of a competitor's score, and within `margin` of the NMS threshold: such detections are left out, and counted.
    """

    score: float
    nms: float
    capacity: int
    margin: float
    shift: float = 0.0

    def nms_of(self, boxes: Array) -> Array:
        """(n,) least IoU about which a rounding of `boxes` (n, 4) may decide: a side that moves by s changes the IoU
        with another box of that size by up to 2 s over the side, either way."""
        sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
        moved: Array = self.nms - self.margin - 2 * self.shift * (1 / sides).sum(axis=1)
        return moved


def thresholds(passport: Passport, margin: float, shift: float = 0.0) -> Thresholds:
    """Those of a model."""
    bound = passport.score_threshold if passport.threshold_bound is None else passport.threshold_bound
    return Thresholds(bound, passport.nms_threshold, passport.max_detections, margin, shift)


@dataclass(frozen=True)
class Matches:
    """pairs: (m, 2) row in the reference, row in the candidate. missed, extra: rows without a partner. left_out: how
    many more rows without a partner a rounding decided about."""

    pairs: Array
    missed: Array
    extra: Array
    left_out: int


def box_iou(a: Array, b: Array) -> Array:
    """(n, 4), (m, 4) xyxy -> (n, m); 0 where the union is empty."""
    size = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    intersection = np.prod(np.clip(size, 0, None), axis=2)
    union = np.prod(a[:, 2:] - a[:, :2], axis=1)[:, None] + np.prod(b[:, 2:] - b[:, :2], axis=1) - intersection
    ratio: Array = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return ratio


def _at_least_a_pixel(boxes: Array) -> Array:
    """Boxes (n, 4) xyxy about the same centres, with sides below one pixel made one."""
    grow = np.clip(1 - (boxes[:, 2:] - boxes[:, :2]), 0, None) / 2
    grown: Array = boxes + np.concatenate([-grow, grow], axis=1)
    return grown


def match(reference: FrameOutputs, candidate: FrameOutputs, thresholds: Thresholds) -> Matches:
    """One-to-one, best overlap first, among boxes of the same label with IoU >= 0.8, thin ones taken as a pixel wide:
    AdelaiDet gives out boxes without height or width, whose IoU with themselves is 0."""
    iou = box_iou(_at_least_a_pixel(reference.boxes), _at_least_a_pixel(candidate.boxes))
    iou[reference.labels[:, None] != candidate.labels[None]] = -1
    pairs: list[tuple[int, int]] = []
    for flat in np.argsort(-iou, axis=None, kind="stable"):
        row, column = divmod(int(flat), iou.shape[1])
        if iou[row, column] < SAME_DETECTION_IOU:
            break
        if not any(row == r or column == c for r, c in pairs):
            pairs.append((row, column))
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    missed = np.setdiff1d(np.arange(len(reference)), found[:, 0])
    extra = np.setdiff1d(np.arange(len(candidate)), found[:, 1])
    marginal_missed = _marginal(reference, candidate, missed, extra, thresholds)
    marginal_extra = _marginal(candidate, reference, extra, missed, thresholds)
    return Matches(
        found,
        missed[~marginal_missed],
        extra[~marginal_extra],
        int(marginal_missed.sum() + marginal_extra.sum()),
    )


def _marginal(own: FrameOutputs, other: FrameOutputs, rows: Array, others: Array, limits: Thresholds) -> Array:
    """Of the unmatched `rows` of `own`: those that a rounding decided about. `others`: unmatched rows of `other`."""
    scores = own.scores[rows]
    near = scores <= limits.score + limits.margin
    for run in (own, other):
        if len(run) == limits.capacity:
            near |= scores <= run.scores.min() + limits.margin
    # Kept here with an overlap just below the NMS threshold: there it was just above.
    least = limits.nms_of(own.boxes[rows])[:, None]
    overlap = box_iou(own.boxes[rows], own.boxes)
    rival = (own.labels[rows, None] == own.labels[None]) & (own.scores[None] > scores[:, None])
    near |= (rival & (overlap > least)).any(axis=1)
    # Two boxes of almost equal score suppress each other: here one won, there the other.
    overlap = box_iou(own.boxes[rows], other.boxes[others])
    tied = np.abs(scores[:, None] - other.scores[None, others]) <= 2 * limits.margin
    same = own.labels[rows, None] == other.labels[None, others]
    near |= (tied & same & (overlap > least)).any(axis=1)
    marginal: Array = near
    return marginal
