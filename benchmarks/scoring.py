"""Masks and ids of one clip against its ground truth.

Mean J is the mean over all annotated frames of the IoU between an object and the one track assigned to it; a frame
where that track is absent counts 0. An object gets the track with the best IoU over the whole clip, no track twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
FOUND = 0.5  # IoU from which an object counts as found in a frame


@dataclass(frozen=True)
class Score:
    """Of one clip or of all.

    recall: fraction of annotated frames in which some detection reaches IoU 0.5. id_switches: how often the track that
    covers an object best (IoU >= 0.5) changes from one such frame to the next.
    """

    name: str
    objects: int
    frames: int  # annotated (object, frame) pairs
    mean_j: float
    recall: float
    id_switches: int


@dataclass(frozen=True)
class FrameOverlap:
    """Of one frame: intersection (objects, detections), areas of both in pixels, the tracklet of every detection."""

    intersection: Array
    object_areas: Array
    detection_areas: Array
    handles: Array

    @property
    def iou(self) -> Array:
        union = self.object_areas[:, None] + self.detection_areas[None] - self.intersection
        ratio: Array = np.divide(self.intersection, union, out=np.zeros(union.shape), where=union > 0)
        return ratio


def overlap(objects: Array, detections: Array, handles: Array) -> FrameOverlap:
    """objects (m, H, W) bool, detections (n, H, W) bool, handles (n,)."""
    flat_objects = objects.reshape(len(objects), math.prod(objects.shape[1:])).astype(np.float32)
    flat_detections = detections.reshape(len(detections), math.prod(detections.shape[1:])).astype(np.float32)
    return FrameOverlap(
        flat_objects @ flat_detections.T, flat_objects.sum(axis=1), flat_detections.sum(axis=1), handles
    )


def score(name: str, frames: Iterable[FrameOverlap], confirmed: set[int]) -> Score:
    """Score one clip; only detections of tracklets in `confirmed` count for J and ids, all count for recall."""
    frames = list(frames)
    count = len(frames[0].object_areas) if frames else 0
    handles = sorted(confirmed)
    column = {handle: index for index, handle in enumerate(handles)}
    intersection = np.zeros((count, len(handles)))
    track_areas = np.zeros(len(handles))
    per_frame = np.zeros((len(frames), count, len(handles)))
    object_areas = np.stack([f.object_areas for f in frames]) if frames else np.zeros((0, 0))
    annotated = object_areas > 0
    found = switches = 0
    last: dict[int, int] = {}
    for index, frame in enumerate(frames):
        iou = frame.iou
        if iou.shape[1]:
            found += int(((iou.max(axis=1) >= FOUND) & annotated[index]).sum())
        for detection, handle in enumerate(frame.handles.tolist()):
            if handle in column:
                intersection[:, column[handle]] += frame.intersection[:, detection]
                track_areas[column[handle]] += frame.detection_areas[detection]
                per_frame[index, :, column[handle]] = iou[:, detection]
        for item in range(count):
            best = int(per_frame[index, item].argmax()) if handles else -1
            if best >= 0 and annotated[index, item] and per_frame[index, item, best] >= FOUND:
                switches += int(last.get(item, best) != best)
                last[item] = best
    union = object_areas.sum(axis=0)[:, None] + track_areas[None] - intersection
    whole = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    total = sum(float(per_frame[annotated[:, item], item, track].sum()) for item, track in _assign(whole))
    pairs = int(annotated.sum())
    return Score(name, count, pairs, total / max(pairs, 1), found / max(pairs, 1), switches)


def overall(scores: Sequence[Score]) -> Score:
    """All clips as one, every annotated frame with the same weight."""
    pairs = sum(s.frames for s in scores)
    return Score(
        "all",
        sum(s.objects for s in scores),
        pairs,
        sum(s.mean_j * s.frames for s in scores) / max(pairs, 1),
        sum(s.recall * s.frames for s in scores) / max(pairs, 1),
        sum(s.id_switches for s in scores),
    )


def _assign(whole: Array) -> list[tuple[int, int]]:
    """Objects to tracks, one to one, the largest sum of whole-clip IoU."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-whole)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))
