"""How the tracks of one video overlap its objects: all that the metrics need; masks are dropped once it is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.annotations import masks as segmentation
from stc.annotations.masks import Masks


@dataclass(frozen=True, eq=False)
class Overlap:
    """g objects and d tracks in T frames.

    iou: float64 (T, g, d), 0 where either is absent. intersection: int64 (T, g, d), pixels. object_areas: int64 (T, g),
    track_areas: int64 (T, d), pixels, 0 where absent. regions: bool (g,), objects that are regions of a crowd by COCO's
    rule: a track overlaps such a region as far as it lies inside.
    """

    iou: NDArray[np.float64]
    intersection: NDArray[np.int64]
    object_areas: NDArray[np.int64]
    track_areas: NDArray[np.int64]
    regions: NDArray[np.bool_]

    @property
    def whole(self) -> NDArray[np.float64]:
        """IoU of the mask sequences, (g, d): sum of intersections over sum of unions; 0 where both are empty."""
        shared = self.intersection.sum(axis=0)
        union = self.object_areas.sum(axis=0)[:, None] + self.track_areas.sum(axis=0)[None] - shared
        union[self.regions] = self.track_areas.sum(axis=0)
        ratio: NDArray[np.float64] = np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)
        return ratio

    def of(self, objects: NDArray[Any], tracks: NDArray[Any]) -> Overlap:
        """The part of these objects and tracks (indices or bool)."""
        return Overlap(
            self.iou[:, objects][:, :, tracks],
            self.intersection[:, objects][:, :, tracks],
            self.object_areas[:, objects],
            self.track_areas[:, tracks],
            self.regions[objects],
        )


def overlap(
    objects: Sequence[Masks], tracks: Sequence[Masks], length: int, regions: NDArray[np.bool_] | None = None
) -> Overlap:
    """Of the objects and tracks of one video of `length` frames. regions: see `Overlap`; None: there are none."""
    iou = np.zeros((length, len(objects), len(tracks)))
    object_areas, track_areas = _areas(objects, length), _areas(tracks, length)
    for frame in range(length):
        rows, columns = object_areas[frame] > 0, track_areas[frame] > 0
        if rows.any() and columns.any():
            here = [rle for masks, seen in zip(objects, rows, strict=True) if seen and (rle := masks[frame])]
            there = [rle for masks, seen in zip(tracks, columns, strict=True) if seen and (rle := masks[frame])]
            iou[frame][np.ix_(rows, columns)] = segmentation.iou(here, there)
    # pycocotools counts in C but hands out the ratio. I = IoU (A + B) / (1 + IoU) is a whole number that float64 misses
    # by far less than a half.
    both = object_areas[:, :, None] + track_areas[:, None, :]
    intersection = np.rint(iou * both / (1 + iou)).astype(np.int64)
    return Overlap(
        iou, intersection, object_areas, track_areas, np.zeros(len(objects), bool) if regions is None else regions
    )


def _areas(tracks: Sequence[Masks], length: int) -> NDArray[np.int64]:
    areas = np.zeros((length, len(tracks)), np.int64)
    for index, masks in enumerate(tracks):
        present = [frame for frame, rle in enumerate(masks) if rle is not None]
        areas[present, index] = segmentation.areas([rle for rle in masks if rle is not None])
    return areas
