"""What every location of the pyramid should predict: FCOS assignment with centre sampling around the mask centroid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stc.annotations.scenes import tight_boxes
from stc.model.config import ModelConfig
from stc.model.decode import cells
from stc.training.config import TrainConfig
from stc.training.data.views import View


@dataclass(frozen=True)
class Grid:
    """The L locations of all levels, P3 to P7 one after the other, row-major.

    points: (L, 2) xy in input pixels. strides, sizes (of interest), low, high (range of max(l, t, r, b)): (L,).
    """

    points: NDArray[np.float32]
    strides: NDArray[np.float32]
    sizes: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


@dataclass(frozen=True)
class Targets:
    """Of one view, for L locations and n instances.

    instance: (L,) int64, index of the instance to predict, -1 for none. ltrb: (L, 4) float32, distances to its box
    sides in strides, 0 where none. centerness: (L,) float32. known: (L,) bool, False where the class loss must not
    count. clear: (L,) bool, known and outside of every box: background for the embeddings.
    """

    instance: NDArray[np.int64]
    ltrb: NDArray[np.float32]
    centerness: NDArray[np.float32]
    known: NDArray[np.bool_]
    clear: NDArray[np.bool_]


@dataclass(frozen=True)
class Batch:
    """Views 2p and 2p + 1 are key and reference of pair p; M views, L locations, n_i instances in view i.

    frames: (M, H, W, 3) uint8 BGR. labels: (M, L) int64, the number of classes for background. ltrb: (M, L, 4).
    centerness: (M, L). known, clear: (M, L) bool. instance: (M, L) int64, -1 for none. identities: (M, L) int64, -1
    for none. masks: M tensors (n_i, Hp / mask stride, Wp / mask stride) float32, 0 or 1. complete: (M, C) bool, False
    for classes of which background may hold objects. outlined: M tensors (n_i,) bool, False where a mask is a box.
    """

    frames: Tensor
    labels: Tensor
    ltrb: Tensor
    centerness: Tensor
    known: Tensor
    clear: Tensor
    instance: Tensor
    identities: Tensor
    masks: list[Tensor]
    complete: Tensor
    outlined: list[Tensor]


@lru_cache(maxsize=4)
def make_grid(model: ModelConfig, range_factor: float) -> Grid:
    height, width = model.padded_size
    shapes = [(-(-height // stride), -(-width // stride)) for stride in model.strides]
    points, strides, sizes = (column.numpy() for column in cells(shapes, model, torch.float32))
    ends = [-1.0, *(range_factor * stride for stride in model.strides[:-1]), 1e8]
    low, high = (
        np.repeat(np.array(of_level, np.float32), [h * w for h, w in shapes]) for of_level in (ends[:-1], ends[1:])
    )
    return Grid(points, strides, sizes, low, high)


def assign(view: View, grid: Grid, centre_radius: float, every_object: bool = False) -> Targets:
    """FCOS targets (arXiv 1904.01355 with centre sampling; CondInst samples around the mask centroid).

    A location is positive for an instance when it lies strictly inside its box and strictly within `centre_radius`
    strides of its mask centroid, and max(l, t, r, b) is in its level's range; of several, the smallest box wins.

    every_object: an instance that has no location then gets the one of the finest level next to its centroid, if that
    is in its box and free; else its box, grown by half a stride, is unknown.
    """
    x, y = grid.points[:, 0].astype(int), grid.points[:, 1].astype(int)
    height, width = view.unknown.shape
    inside = (y < height) & (x < width)  # a point can fall into the padding to 32
    known = np.ones(len(x), dtype=bool)
    known[inside] = ~view.unknown[y[inside], x[inside]]
    if not len(view.masks):
        nothing = np.zeros(len(x), dtype=np.float32)
        return Targets(np.full(len(x), -1), np.zeros((len(x), 4), np.float32), nothing, known, known)

    boxes = tight_boxes(view.masks)
    distances = np.concatenate([grid.points[:, None] - boxes[:, :2], boxes[:, 2:] - grid.points[:, None]], axis=2)
    in_box = distances.min(axis=2) > 0
    reach = np.abs(grid.points[:, None] - _centroids(view.masks)).max(axis=2)
    furthest = distances.max(axis=2)
    fits = (furthest >= grid.low[:, None]) & (furthest <= grid.high[:, None])
    positive = in_box & (reach < centre_radius * grid.strides[:, None]) & fits
    areas = np.where(positive, (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), np.inf)
    instance = np.where(positive.any(axis=1), areas.argmin(axis=1), -1)
    if every_object:
        _find_places(instance, known, grid, distances, reach)

    chosen = distances[np.arange(len(x)), instance.clip(0)] / grid.strides[:, None]
    ltrb = np.where(instance[:, None] >= 0, chosen, 0).astype(np.float32)
    return Targets(instance, ltrb, _centerness(ltrb), known | (instance >= 0), known & ~in_box.any(axis=1))


def collate(pairs: Sequence[Sequence[View]], model: ModelConfig, config: TrainConfig) -> Batch:
    """Pairs of views -> one batch, on the CPU."""
    grid = make_grid(model, config.range_factor)
    views = [view for pair in pairs for view in pair]
    targets = [assign(view, grid, config.centre_radius, config.every_object) for view in views]

    def stack(arrays: list[NDArray[np.generic]]) -> Tensor:
        return torch.from_numpy(np.stack(arrays))

    def look_up(values: NDArray[np.int64], instance: NDArray[np.int64], otherwise: int) -> NDArray[np.int64]:
        return np.append(values, otherwise)[instance]  # index -1 reads the last

    return Batch(
        frames=stack([view.picture for view in views]),
        labels=stack([look_up(v.labels, t.instance, model.num_classes) for v, t in zip(views, targets, strict=True)]),
        ltrb=stack([t.ltrb for t in targets]),
        centerness=stack([t.centerness for t in targets]),
        known=stack([t.known for t in targets]),
        clear=stack([t.clear & (not v.incomplete) for v, t in zip(views, targets, strict=True)]),
        instance=stack([t.instance for t in targets]),
        identities=stack([look_up(v.identities, t.instance, -1) for v, t in zip(views, targets, strict=True)]),
        masks=[mask_targets(view.masks, model) for view in views],
        complete=torch.tensor([[label not in v.incomplete for label in range(model.num_classes)] for v in views]),
        outlined=[torch.from_numpy(view.outlined) for view in views],
    )


def mask_targets(masks: NDArray[np.bool_], model: ModelConfig) -> Tensor:
    """(n, H, W) bool -> (n, Hp / s, Wp / s) float32: the padded full-size masks read at [s // 2 :: s]."""
    stride = model.mask_out_stride
    (height, width), (padded_height, padded_width) = masks.shape[1:], model.padded_size
    padded = np.pad(masks, ((0, 0), (0, padded_height - height), (0, padded_width - width)))
    return torch.from_numpy(padded[:, stride // 2 :: stride, stride // 2 :: stride].astype(np.float32))


def _find_places(
    instance: NDArray[np.int64],
    known: NDArray[np.bool_],
    grid: Grid,
    distances: NDArray[np.float32],
    reach: NDArray[np.float32],
) -> None:
    """Sees to it that no instance is taken for background; writes into `instance` and `known` (L,).

    distances: (L, n, 4) of the locations to the sides of the boxes. reach: (L, n) to the centroids.
    """
    finest = grid.strides == grid.strides[0]
    for index in sorted(set(range(reach.shape[1])) - set(instance.tolist())):
        nearest = int(np.where(finest, reach[:, index], np.inf).argmin())
        if instance[nearest] < 0 and distances[nearest, index].min() > 0:
            instance[nearest] = index
        else:
            known &= distances[:, index].min(axis=1) <= -grid.strides / 2


def _centroids(masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(n, 2) xy, first moments over pixel indices (AdelaiDet's convention)."""
    areas = masks.sum(axis=(1, 2))
    x = (masks.sum(axis=1) * np.arange(masks.shape[2])).sum(axis=1) / areas
    y = (masks.sum(axis=2) * np.arange(masks.shape[1])).sum(axis=1) / areas
    return np.stack([x, y], axis=1).astype(np.float32)


def _centerness(ltrb: NDArray[np.float32]) -> NDArray[np.float32]:
    """sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b)); 0 where there is no box."""
    first, second = ltrb[:, :2], ltrb[:, 2:]
    ratios = np.minimum(first, second) / np.maximum(np.maximum(first, second), 1e-6)
    return np.sqrt(ratios[:, 0] * ratios[:, 1])
