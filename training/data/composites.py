"""Cut-outs of annotated objects, pasted into other frames: moving, occluding objects whose ids are known."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stc.annotations.scenes import piece
from stc.training.config import TrainConfig
from stc.training.data.annotations import Dataset, Frame, Instance
from stc.training.data.geometry import Matrix, Size, about, mirror, random_motion, rotation, scaling, shift, warp
from stc.training.data.photometric import distort
from stc.training.data.views import PictureCache, View


@dataclass(frozen=True)
class Cutout:
    frame: Frame
    instance: Instance


def find_cutouts(dataset: Dataset, config: TrainConfig) -> list[Cutout]:
    """Objects that are large enough in their frame, at most ten of one track (spread over its clip)."""
    found = []
    for clip in dataset.clips:
        step = max(1, len(clip.frames) // 10)
        for frame in clip.frames[::step]:
            smallest = config.cutout_min_area * frame.size[0] * frame.size[1]
            outlined = (instance for instance in frame.objects if not instance.boxed)
            found += [Cutout(frame, instance) for instance in outlined if instance.area >= smallest]
    return found


def paste(
    rng: np.random.Generator,
    views: tuple[View, ...],
    cutouts: list[Cutout],
    pictures: PictureCache,
    config: TrainConfig,
) -> tuple[View, ...]:
    """Paste `cutouts` in order, the last on top, at random places and sizes.

    views: of one scene; from the first to each other one, a cut-out moves by a motion of its own.
    """
    target = _size(views[0])
    for cutout in cutouts:
        picture, alpha = _cut(cutout, pictures)
        picture = distort(rng, picture, 0.6 * config.colour_strength)
        places = [_random_place(rng, (picture.shape[0], picture.shape[1]), target, config)]
        places += [random_motion(rng, target, config, strength=1.5) @ places[0] for _ in views[1:]]
        views = tuple(
            _pasted(view, picture, alpha, place, cutout.instance) for view, place in zip(views, places, strict=True)
        )
    return views


def occlude(
    rng: np.random.Generator, views: tuple[View, ...], texture: NDArray[np.uint8], config: TrainConfig
) -> tuple[View, ...]:
    """Something thin in front of everything, such as a pole or a branch: a strip of `texture` (H, W, 3)."""
    target = _size(views[0])
    width, length = int(rng.integers(3, 13)), int(1.5 * max(target))
    left = int(rng.integers(0, max(1, texture.shape[1] - width)))
    column = texture[:, left : left + width]
    strip = np.resize(column, (length, column.shape[1], 3))  # repeated from top to bottom
    alpha = np.full(strip.shape[:2], 255, dtype=np.uint8)
    centre = rng.uniform(0.1, 0.9, 2) * (target[1], target[0])
    to_centre = shift(float(centre[0]) - strip.shape[1] / 2, float(centre[1]) - length / 2)
    place = about(rotation(float(rng.normal(0, 25))), float(centre[0]), float(centre[1])) @ to_centre
    places = [place, *(random_motion(rng, target, config) @ place for _ in views[1:])]
    return tuple(
        _behind(view, warp(strip, at, target), warp(alpha, at, target)) for view, at in zip(views, places, strict=True)
    )


def _cut(cutout: Cutout, pictures: PictureCache) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The object's rectangle of its picture, and its opacity 0..255."""
    height, width = cutout.frame.size
    rows, columns = piece(cutout.instance.box, cutout.frame.size)
    picture = pictures.get(cutout.frame.path)
    alpha = cutout.instance.mask()[rows, columns].view(np.uint8) * np.uint8(255)
    to_cut = shift(-columns.start, -rows.start) @ scaling(width / picture.shape[1], height / picture.shape[0])
    return warp(picture, to_cut, (alpha.shape[0], alpha.shape[1])), alpha


def _random_place(rng: np.random.Generator, size: Size, target: Size, config: TrainConfig) -> Matrix:
    """Longest side in the config's range, at most doubled; centre anywhere but at the very rim."""
    shares = config.cutout_smallest, config.cutout_largest
    if config.cutout_sizes == "logarithm":
        share = math.exp(float(rng.uniform(math.log(shares[0]), math.log(shares[1]))))
    else:
        share = float(rng.uniform(*shares))
    scale = min(share * target[0] / max(size), 2.0)
    matrix = mirror(size[1]) if rng.random() < 0.5 else np.eye(3)
    centre = rng.uniform(0.1, 0.9, 2) * (target[1], target[0])
    x, y = size[1] / 2, size[0] / 2
    return shift(float(centre[0]) - x, float(centre[1]) - y) @ about(scaling(scale, scale), x, y) @ matrix


def _pasted(
    view: View, picture: NDArray[np.uint8], alpha: NDArray[np.uint8], matrix: Matrix, instance: Instance
) -> View:
    """`view` with the cut-out of `instance` in front of all it shows, as one more instance."""
    opacity = warp(alpha, matrix, _size(view))
    behind = _behind(view, warp(picture, matrix, _size(view)), opacity)
    whole = instance.area * abs(float(np.linalg.det(matrix[:2, :2])))
    return replace(
        behind,
        masks=np.concatenate([behind.masks, opacity[None] > 127]),
        labels=np.append(view.labels, instance.label),
        identities=np.append(view.identities, instance.identity),
        whole=np.append(view.whole, whole),
        boxed=None if view.boxed is None else np.append(view.boxed, False),
    )


def _behind(view: View, front: NDArray[np.uint8], opacity: NDArray[np.uint8]) -> View:
    """`view` behind the picture `front` of its size, of `opacity` 0..255."""
    weight = (opacity.astype(np.float32) / 255)[..., None]
    mixed = view.picture + (front.astype(np.float32) - view.picture) * weight
    hidden = opacity > 127
    picture = (mixed + 0.5).astype(np.uint8)
    return replace(view, picture=picture, masks=view.masks & ~hidden, unknown=view.unknown & ~hidden)


def _size(view: View) -> Size:
    return view.unknown.shape[0], view.unknown.shape[1]
