"""Masks and ids of one clip against its ground truth, whatever the classes.

Mean J is the mean over all annotated frames of the IoU between an object and the one track assigned to it; a frame
where that track is absent counts 0. An object gets the track with the best IoU over the whole clip, no track twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.evaluation.overlap import Overlap
from stc.runtime.tracking.assignment import best_assignment

FOUND = 0.5  # IoU from which an object counts as found in a frame


@dataclass(frozen=True)
class ClipScore:
    """Of one clip or of all.

    recall: fraction of annotated frames in which some track reaches IoU 0.5. id_switches: how often the track that
    covers an object best (IoU >= 0.5) changes from one such frame to the next; printed as "cover changes", because
    CLEAR's id switches (IDSW) are others.
    """

    name: str
    objects: int
    frames: int  # annotated (object, frame) pairs
    mean_j: float
    recall: float
    id_switches: int


def clip_score(name: str, video: Overlap) -> ClipScore:
    """Score one clip; only frames that show an object count for it."""
    annotated = video.object_areas > 0
    pairs = int(annotated.sum())
    rows, columns = best_assignment(video.whole)
    total = float(video.iou[:, rows, columns].sum())
    best = video.iou.max(axis=2, initial=0.0)
    found = best >= FOUND
    return ClipScore(
        name,
        annotated.shape[1],
        pairs,
        total / max(pairs, 1),
        int(found.sum()) / max(pairs, 1),
        _switches(video.iou, found),
    )


def overall(scores: Sequence[ClipScore]) -> ClipScore:
    """All clips as one, every annotated frame with the same weight."""
    pairs = sum(s.frames for s in scores)
    return ClipScore(
        "all",
        sum(s.objects for s in scores),
        pairs,
        sum(s.mean_j * s.frames for s in scores) / max(pairs, 1),
        sum(s.recall * s.frames for s in scores) / max(pairs, 1),
        sum(s.id_switches for s in scores),
    )


def _switches(iou: NDArray[np.float64], found: NDArray[np.bool_]) -> int:
    """iou (T, g, d), found (T, g)."""
    if not iou.shape[2]:
        return 0
    covering = iou.argmax(axis=2)
    return sum(int(np.count_nonzero(np.diff(covering[frames, item]))) for item, frames in enumerate(found.T))
