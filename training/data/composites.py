"""Cut-outs of annotated objects, pasted into other frames: moving, occluding objects whose ids are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stc.annotations.scenes import piece
from stc.training.config import TrainConfig
from stc.training.data.annotations import Dataset, Frame, Instance
from stc.training.data.geometry import Matrix, Size, about, mirror, random_motion, scaling, shift, warp
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
            found += [Cutout(frame, instance) for instance in frame.objects if instance.area >= smallest]
    return found


def paste(
    rng: np.random.Generator,
    pair: tuple[View, View],
    cutouts: list[Cutout],
    pictures: PictureCache,
    config: TrainConfig,
) -> tuple[View, View]:
    """Paste `cutouts` in order, the last on top, at random places and sizes, each with a motion of its own."""
    key, reference = pair
    target = key.unknown.shape[0], key.unknown.shape[1]
    for cutout in cutouts:
        picture, alpha = _cut(cutout, pictures)
        picture = distort(rng, picture, 0.6 * config.colour_strength)
        place = _random_place(rng, (picture.shape[0], picture.shape[1]), target)
        motion = random_motion(rng, target, config, strength=1.5)
        key = _paste_one(key, picture, alpha, place, cutout.instance)
        reference = _paste_one(reference, picture, alpha, motion @ place, cutout.instance)
    return key, reference


def _cut(cutout: Cutout, pictures: PictureCache) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The object's rectangle of its picture, and its opacity 0..255."""
    height, width = cutout.frame.size
    rows, columns = piece(cutout.instance.box, cutout.frame.size)
    picture = pictures.get(cutout.frame.path)
    alpha = cutout.instance.mask()[rows, columns].view(np.uint8) * np.uint8(255)
    to_cut = shift(-columns.start, -rows.start) @ scaling(width / picture.shape[1], height / picture.shape[0])
    return warp(picture, to_cut, (alpha.shape[0], alpha.shape[1])), alpha


def _random_place(rng: np.random.Generator, size: Size, target: Size) -> Matrix:
    """Longest side a fifth to all of the input's height, at most doubled; centre anywhere but at the very rim."""
    scale = min(float(rng.uniform(0.2, 1.0)) * target[0] / max(size), 2.0)
    matrix = mirror(size[1]) if rng.random() < 0.5 else np.eye(3)
    centre = rng.uniform(0.1, 0.9, 2) * (target[1], target[0])
    x, y = size[1] / 2, size[0] / 2
    return shift(float(centre[0]) - x, float(centre[1]) - y) @ about(scaling(scale, scale), x, y) @ matrix


def _paste_one(
    view: View, picture: NDArray[np.uint8], alpha: NDArray[np.uint8], matrix: Matrix, instance: Instance
) -> View:
    target = view.unknown.shape[0], view.unknown.shape[1]
    opacity = warp(alpha, matrix, target)
    mask = opacity > 127
    weight = (opacity.astype(np.float32) / 255)[..., None]
    mixed = view.picture + (warp(picture, matrix, target).astype(np.float32) - view.picture) * weight
    whole = instance.area * abs(float(np.linalg.det(matrix[:2, :2])))
    return replace(
        view,
        picture=(mixed + 0.5).astype(np.uint8),
        masks=np.concatenate([view.masks & ~mask, mask[None]]),
        labels=np.append(view.labels, instance.label),
        identities=np.append(view.identities, instance.identity),
        whole=np.append(view.whole, whole),
        unknown=view.unknown & ~mask,
    )
