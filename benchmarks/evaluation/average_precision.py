"""AP and AR of mask tracks, as youtubevos/cocoapi computes them: COCO's rules with the IoU of whole mask sequences.

The bands of occlusion are those that OVIS grades objects by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SCORES = {"no_occlusion": 0.0, "slight_occlusion": 0.25, "severe_occlusion": 0.75}
BANDS = {"light": (0.0, 0.25), "medium": (0.25, 0.5), "heavy": (0.5, 1.0)}  # both ends belong to a band

IOU = np.linspace(0.5, 0.95, 10)
RECALL = np.linspace(0.0, 1.0, 101)
MAX_TRACKS = (1, 10, 100)  # best ones of a class in a video that count
AREAS = {"all": (0.0, 1e10), "small": (0.0, 128.0**2), "medium": (128.0**2, 256.0**2), "large": (256.0**2, 1e10)}


def occlusion_score(levels: Sequence[str | None]) -> float:
    """Mean over the more hidden half of the graded frames, 0..0.75; 0 without any graded frame."""
    scores = sorted(SCORES[level] for level in levels if level is not None)
    worst = scores[len(scores) // 2 :]
    return sum(worst) / len(worst) if worst else 0.0


@dataclass(frozen=True, eq=False)
class ClassMatches:
    """What is kept of one class in one video: n tracks by falling score, R ranges (areas, then occlusion bands).

    scores: float64 (n,). matched, ignored: bool (R, 10, n), per IoU threshold. objects: int64 (R,), those that count.
    """

    scores: NDArray[np.float64]
    matched: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    objects: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Curves:
    """Of one class; NaN: no object.

    precision: (R, 10, 101) at RECALL. recall: (R, 10, 3), the largest, per MAX_TRACKS.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]

    def summary(self) -> dict[str, float]:
        """The columns of the published evaluators, NaN where the class has no object in a range."""
        values = {
            "AP": self.precision[0].mean(),
            "AP50": self.precision[0, 0].mean(),
            "AP75": self.precision[0, 5].mean(),
        }
        values |= {f"AP{name[0]}": self.precision[i].mean() for i, name in enumerate(AREAS) if i}
        bands = list(BANDS)[: len(self.precision) - len(AREAS)]
        values |= {f"AP_{name}": self.precision[len(AREAS) + i].mean() for i, name in enumerate(bands)}
        values |= {f"AR{limit}": self.recall[0, :, i].mean() for i, limit in enumerate(MAX_TRACKS)}
        values |= {f"AR{name[0]}": self.recall[i, :, -1].mean() for i, name in enumerate(AREAS) if i}
        values |= {f"AR_{name}": self.recall[len(AREAS) + i, :, -1].mean() for i, name in enumerate(bands)}
        return {name: float(value) for name, value in values.items()}


def match(
    iou: NDArray[np.float64],
    scores: NDArray[np.float64],
    track_areas: NDArray[np.float64],
    object_areas: NDArray[np.float64],
    crowd: NDArray[np.bool_],
    occlusion: NDArray[np.float64] | None = None,
    min_area: float = 0.0,
) -> ClassMatches:
    """Match the tracks of one class in one video to its objects.

    iou (g, d) of whole sequences; scores (d,); mean areas of tracks (d,) and objects (g,); crowd (g,); occlusion (g,)
    scores of the objects, None for data without. A track takes the best object at or above the threshold that no
    better track has taken (the later of two with the same IoU), objects that count before those that do not.
    min_area: mean area in pixels at which the range "all" begins.
    """
    order = np.argsort(-scores, kind="stable")[: MAX_TRACKS[-1]]
    counts, outside = _ranges(track_areas[order], object_areas, crowd, occlusion, min_area)
    thresholds = np.minimum(IOU, 1 - 1e-10)
    shape = len(counts), len(IOU)
    taken = np.zeros((*shape, len(crowd)), np.bool_)
    matched = np.zeros((*shape, len(order)), np.bool_)
    ignored: NDArray[np.bool_] = np.repeat(outside[:, None], len(IOU), axis=1)
    for index, track in enumerate(order):
        free = (iou[:, track] >= thresholds[:, None]) & (~taken | crowd)
        real, other = free & counts[:, None], free & ~counts[:, None]
        has_real = np.asarray(real.any(axis=2))
        candidates = np.where(has_real[..., None], real, other)
        found = candidates.any(axis=2)
        if not found.any():
            continue
        best = np.where(candidates, iou[:, track], -1.0)[..., ::-1].argmax(axis=2)
        r, t = np.nonzero(found)
        taken[r, t, len(crowd) - 1 - best[r, t]] = True
        matched[..., index] = found
        ignored[..., index] = np.where(found, ~has_real, ignored[..., index])
    return ClassMatches(scores[order], matched, ignored, counts.sum(axis=1))


def accumulate(videos: Sequence[ClassMatches]) -> Curves:
    """All videos of one class; `videos` in order of their ids (ties of scores keep that order)."""
    objects = np.sum([video.objects for video in videos], axis=0)
    precision = np.full((len(objects), len(IOU), len(RECALL)), np.nan)
    recall = np.full((len(objects), len(IOU), len(MAX_TRACKS)), np.nan)
    for column, limit in enumerate(MAX_TRACKS):
        scores = np.concatenate([video.scores[:limit] for video in videos])
        order = np.argsort(-scores, kind="stable")
        matched = np.concatenate([video.matched[..., :limit] for video in videos], axis=2)[..., order]
        counted = ~np.concatenate([video.ignored[..., :limit] for video in videos], axis=2)[..., order]
        hits, misses = np.cumsum(matched & counted, axis=2), np.cumsum(~matched & counted, axis=2)
        for r in np.flatnonzero(objects):
            reached = hits[r] / objects[r]
            recall[r, :, column] = reached[:, -1] if len(scores) else 0.0
            if limit == MAX_TRACKS[-1]:
                precision[r] = [_at_recall(*curve) for curve in zip(hits[r], misses[r], reached, strict=True)]
    return Curves(precision, recall)


def _ranges(
    track_areas: NDArray[np.float64],
    object_areas: NDArray[np.float64],
    crowd: NDArray[np.bool_],
    occlusion: NDArray[np.float64] | None,
    min_area: float,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which objects count in each range, (R, g); which tracks are outside its areas, (R, d), none by occlusion."""
    limits = [(max(low, min_area) if name == "all" else low, high) for name, (low, high) in AREAS.items()]
    counts = [(low <= object_areas) & (object_areas <= high) & ~crowd for low, high in limits]
    outside = [(track_areas < low) | (track_areas > high) for low, high in limits]
    if occlusion is not None:
        counts += [(low <= occlusion) & (occlusion <= high) & counts[0] for low, high in BANDS.values()]
        outside += [outside[0]] * len(BANDS)
    return np.array(counts), np.array(outside)


def _at_recall(hits: NDArray[np.int64], misses: NDArray[np.int64], reached: NDArray[np.float64]) -> NDArray[np.float64]:
    """The best precision from each recall of RECALL on; 0 for a recall that is not reached."""
    precision = hits / (hits + misses + np.spacing(1))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return np.append(envelope, 0.0)[np.searchsorted(reached, RECALL, side="left")]
