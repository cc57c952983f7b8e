"""Who is who: HOTA, IDF1 and id switches of one class, per video and summed, as TrackEval computes them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.evaluation.overlap import Overlap
from stc.benchmarks.idf1 import idf1, most_shared
from stc.runtime.tracking.assignment import best_assignment

ALPHAS = np.arange(0.05, 0.99, 0.05)  # IoU thresholds of HOTA
FOUND = 0.5  # IoU from which an object counts as found in a frame, for IDF1 and switches
EPSILON = np.finfo(float).eps


def _per_alpha() -> NDArray[np.float64]:
    return np.zeros(len(ALPHAS))


@dataclass(frozen=True, eq=False)
class Identity:
    """Sums over the frames of one or more videos; arrays are per alpha.

    hits, misses, extras: matched pairs, objects and tracks left over, each counted per frame. association: sum over
    matched pairs of the Jaccard index of their object's and track's frames. id_hits, id_misses, id_extras: the same
    counts under the one-to-one assignment of whole tracks that agrees in most frames. switches: how often an object's
    track differs from the one it last had.
    """

    hits: NDArray[np.float64] = field(default_factory=_per_alpha)
    misses: NDArray[np.float64] = field(default_factory=_per_alpha)
    extras: NDArray[np.float64] = field(default_factory=_per_alpha)
    association: NDArray[np.float64] = field(default_factory=_per_alpha)
    id_hits: int = 0
    id_misses: int = 0
    id_extras: int = 0
    switches: int = 0

    def __add__(self, other: Identity) -> Identity:
        return Identity(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Identity)))

    def summary(self) -> dict[str, float]:
        """HOTA, DetA and AssA are means over the alphas."""
        detection = self.hits / np.maximum(1, self.hits + self.misses + self.extras)
        association = self.association / np.maximum(1, self.hits)
        return {
            "HOTA": float(np.sqrt(detection * association).mean()),
            "DetA": float(detection.mean()),
            "AssA": float(association.mean()),
            "IDF1": idf1(self.id_hits, 2 * self.id_hits + self.id_misses + self.id_extras),
            "IDSW": float(self.switches),
        }


def identity(video: Overlap) -> Identity:
    """Of the objects and tracks of one class in one video."""
    here, there = video.object_areas > 0, video.track_areas > 0
    object_frames, track_frames = here.sum(axis=0), there.sum(axis=0)
    both = object_frames[:, None] + track_frames[None]
    pairs = _matched(video, _alignment(video.iou, both), here, there)
    hits = pairs.sum(axis=(1, 2))
    together = int(most_shared(np.count_nonzero(video.iou >= FOUND, axis=0)))
    return Identity(
        hits=hits,
        misses=object_frames.sum() - hits,
        extras=track_frames.sum() - hits,
        association=(pairs * pairs / np.maximum(1, both - pairs)).sum(axis=(1, 2)),
        id_hits=together,
        id_misses=int(object_frames.sum()) - together,
        id_extras=int(track_frames.sum()) - together,
        switches=_switches(video.iou, here, there),
    )


def _alignment(iou: NDArray[np.float64], both: NDArray[np.int64]) -> NDArray[np.float64]:
    """(g, d): how well an object and a track go together over the video, before anything is matched."""
    rivals = iou.sum(axis=1)[:, None, :] + iou.sum(axis=2)[:, :, None] - iou
    shares = np.divide(iou, rivals, out=np.zeros_like(iou), where=rivals > EPSILON).sum(axis=0)
    ratio: NDArray[np.float64] = np.divide(shares, both - shares, out=np.zeros_like(shares), where=both > shares)
    return ratio


def _matched(
    video: Overlap, alignment: NDArray[np.float64], here: NDArray[np.bool_], there: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(alphas, g, d): in how many frames an object and a track are matched."""
    pairs = np.zeros((len(ALPHAS), *alignment.shape))
    for iou, objects, tracks in zip(video.iou, here, there, strict=True):
        rows, columns = _assign(alignment * iou, objects, tracks)
        pairs[:, rows, columns] += iou[rows, columns] >= ALPHAS[:, None] - EPSILON
    return pairs


def _assign(
    worth: NDArray[np.float64], objects: NDArray[np.bool_], tracks: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The one-to-one assignment of the greatest worth, (g, d), among what is in the frame: absent rows would change
    which of several equal ones is taken.
    """
    rows, columns = best_assignment(worth[np.ix_(objects, tracks)])
    return np.flatnonzero(objects)[rows], np.flatnonzero(tracks)[columns]


def _switches(iou: NDArray[np.float64], here: NDArray[np.bool_], there: NDArray[np.bool_]) -> int:
    """CLEAR's id switches: each frame is matched one to one, pairs of the frame before first, then by IoU."""
    last = np.full(iou.shape[1], -1)  # the track that each object had when it was last matched
    before = last.copy()  # and in the frame before
    switches = 0
    for frame, objects, tracks in zip(iou, here, there, strict=True):
        if not (objects.any() and tracks.any()):
            continue
        keeps = before[:, None] == np.arange(frame.shape[1])
        worth = np.where(frame >= FOUND - EPSILON, 1000 * keeps + frame, 0.0)
        rows, columns = _assign(worth, objects, tracks)
        matched = worth[rows, columns] > 0
        rows, columns = rows[matched], columns[matched]
        switches += int(((last[rows] >= 0) & (last[rows] != columns)).sum())
        last[rows] = columns
        before = np.full_like(last, -1)
        before[rows] = columns
    return switches
