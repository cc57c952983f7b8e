"""A view: what the model sees of a frame, with everything known about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stc.annotations.masks import tight_box
from stc.model.config import ModelConfig
from stc.runtime.video.pictures import read_picture
from stc.training.config import TrainConfig
from stc.training.data.annotations import Frame
from stc.training.data.geometry import Matrix, Size, scaling, show, warp


class PictureCache:
    """Decoded pictures, at most `max_side` pixels long, kept in memory until `max_bytes` are used.

    What does not fit any more is decoded again at every use: random access has no better order to forget in.
    """

    def __init__(self, max_side: int, max_bytes: int) -> None:
        self.max_side = max_side
        self.free = max_bytes
        self.pictures: dict[Path, NDArray[np.uint8]] = {}

    def get(self, path: Path) -> NDArray[np.uint8]:
        """(H, W, 3) BGR, read-only use. Raises InputError when the file is no picture."""
        if path in self.pictures:
            return self.pictures[path]
        picture = read_reduced(path, self.max_side)
        if picture.nbytes <= self.free:
            self.free -= picture.nbytes
            self.pictures[path] = picture
        return picture


def read_reduced(path: Path, max_side: int) -> NDArray[np.uint8]:
    """A picture (H, W, 3) BGR as the runtime reads it, reduced by area averaging when longer than `max_side`."""
    import cv2

    picture = read_picture(path)
    scale = max_side / max(picture.shape[:2])
    if scale < 1:
        height, width = (max(1, int(side * scale + 0.5)) for side in picture.shape[:2])
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return picture


@dataclass(frozen=True)
class View:
    """n instances in an input of (H, W) pixels.

    picture: (H, W, 3) uint8 BGR. masks: (n, H, W) bool, disjoint where something was pasted. labels, identities:
    (n,) int64. whole: (n,) float, the area in pixels that each would have if nothing hid or cut it. unknown: (H, W)
    bool, where it is not known whether there is an object (crowds, the rest of a partially annotated frame).
    incomplete: labels of which objects may be there without being among the instances. boxed: (n,) bool, of which
    instances only the box is known; None: of none.
    """

    picture: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    labels: NDArray[np.int64]
    identities: NDArray[np.int64]
    whole: NDArray[np.float64]
    unknown: NDArray[np.bool_]
    incomplete: frozenset[int] = frozenset()
    boxed: NDArray[np.bool_] | None = None

    @property
    def outlined(self) -> NDArray[np.bool_]:
        """(n,) bool: of which instances the mask is known."""
        return np.ones(len(self.labels), dtype=bool) if self.boxed is None else ~self.boxed

    def only(self, keep: NDArray[np.bool_]) -> View:
        """The instances that `keep` (n,) says."""
        return replace(
            self,
            masks=self.masks[keep],
            labels=self.labels[keep],
            identities=self.identities[keep],
            whole=self.whole[keep],
            boxed=None if self.boxed is None else self.boxed[keep],
        )


def render(
    frame: Frame,
    matrix: Matrix,
    model: ModelConfig,
    partial: bool,
    pictures: PictureCache,
    margin: float,
    incomplete: frozenset[int] = frozenset(),
) -> View:
    """`frame` through `matrix` (frame pixels -> input pixels of `model`).

    partial: all of the picture is unknown except the boxes of its objects, grown by `margin` of their size. incomplete:
    labels of which the frame may show more objects.
    """
    source = pictures.get(frame.path)
    to_frame = scaling(frame.size[1] / source.shape[1], frame.size[0] / source.shape[0])
    target = model.input_size
    picture = show(source, matrix @ to_frame, model)
    unknown = np.zeros(target, dtype=bool)
    if partial:
        unknown = warp(np.full(frame.size, 255, dtype=np.uint8), matrix, target) > 0
    objects = frame.objects
    masks = np.zeros((len(objects), *target), dtype=bool)
    for index, instance in enumerate(objects):
        masks[index] = warp_mask(instance.mask(), matrix, target)
        if partial:
            unknown[_grown_box(masks[index], margin)] = False
    for instance in frame.instances:
        if instance.crowd:
            unknown |= warp_mask(instance.mask(), matrix, target)
    zoom = abs(float(np.linalg.det(matrix[:2, :2])))
    return View(
        picture,
        masks,
        np.array([instance.label for instance in objects], dtype=np.int64),
        np.array([instance.identity for instance in objects], dtype=np.int64),
        np.array([instance.area * zoom for instance in objects], dtype=np.float64),
        unknown,
        incomplete,
        np.array([instance.boxed for instance in objects], dtype=bool),
    )


def warp_mask(mask: NDArray[np.bool_], matrix: Matrix, target: Size) -> NDArray[np.bool_]:
    return warp(mask.view(np.uint8) * np.uint8(255), matrix, target) > 127


def drop_slivers(view: View, config: TrainConfig) -> View:
    """Instances of which too little is visible become unknown area: they are neither object nor background."""
    areas = view.masks.sum(axis=(1, 2))
    keep = (areas >= config.min_area) & (areas >= config.min_visible * view.whole)
    if keep.all():
        return view
    return replace(view.only(keep), unknown=view.unknown | view.masks[~keep].any(axis=0))


def _grown_box(mask: NDArray[np.bool_], margin: float) -> tuple[slice, slice]:
    if not mask.any():
        return slice(0, 0), slice(0, 0)
    x1, y1, x2, y2 = tight_box(mask)
    dx, dy = margin * (x2 - x1), margin * (y2 - y1)
    return slice(max(0, int(y1 - dy)), int(y2 + dy + 0.5)), slice(max(0, int(x1 - dx)), int(x2 + dx + 0.5))
