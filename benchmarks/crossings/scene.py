"""One composite: objects start side by side and end in another order, so that they pass in front of each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stc.annotations.scenes import in_sight
from stc.benchmarks.crossings.cutouts import Cutout, Pose

SIZE = (360, 640)  # (H, W)
LENGTH = 75  # frames: two and a half seconds at 30 per second
OBJECTS = (3, 5)  # from, below
MAX_ZOOM = 2.0  # of an object's own pixels
HIDDEN = 0.1  # two objects cross when one hides so much of the smaller


@dataclass(frozen=True)
class Path:
    """Where an object's centre is and how many of the frame's pixels its longest side has, at the start and the end."""

    start: tuple[float, float]
    end: tuple[float, float]
    sides: tuple[float, float]

    def at(self, moment: float) -> tuple[float, float, float]:
        """x, y, longest side at `moment` in 0..1."""
        x, y = (a + (b - a) * moment for a, b in zip(self.start, self.end, strict=True))
        return x, y, self.sides[0] + (self.sides[1] - self.sides[0]) * moment


@dataclass(frozen=True)
class Composite:
    """One frame: picture uint8 (H, W, 3) BGR; whole and visible bool (n, H, W), the farthest object first."""

    picture: NDArray[np.uint8]
    whole: NDArray[np.bool_]
    visible: NDArray[np.bool_]


def choose(rng: np.random.Generator, cutouts: Sequence[Cutout]) -> list[Cutout]:
    """Three or four different objects, every class equally often."""
    names = [cutout.name for cutout in cutouts]
    weights = np.array([1 / names.count(name) for name in names])
    count = min(int(rng.integers(*OBJECTS)), len(cutouts))
    return [cutouts[i] for i in rng.choice(len(cutouts), count, replace=False, p=weights / weights.sum())]


def lay_out(rng: np.random.Generator, count: int) -> list[Path]:
    """Paths of `count` objects. At least count - 1 pairs change their order from left to right."""
    while True:
        order = rng.permutation(count)
        if sum(order[i] > order[j] for i, j in combinations(range(count), 2)) >= count - 1:
            break
    width = SIZE[1]
    return [_path(rng, (first + 0.5) * width / count, (last + 0.5) * width / count) for first, last in enumerate(order)]


def render(background: NDArray[np.uint8], objects: Sequence[Cutout], paths: Sequence[Path]) -> Iterator[Composite]:
    """LENGTH frames, the camera panning slowly over the background."""
    poses = [cutout.poses(LENGTH) for cutout in objects]
    for frame in range(LENGTH):
        moment = frame / (LENGTH - 1)
        picture = _pan(background, moment)
        whole = np.zeros((len(objects), *SIZE), bool)
        for index, path in enumerate(paths):
            picture, whole[index] = _paste(picture, poses[index][frame], *path.at(moment))
        yield Composite(picture, whole, in_sight(whole))


def crossed(frames: Sequence[NDArray[np.bool_]]) -> int:
    """How many pairs change their order from left to right while one hides a tenth of the smaller at some time.

    frames: `whole` of each composite.
    """
    starts, ends = _centres(frames[0]), _centres(frames[-1])
    hidden = np.max([_hidden(whole) for whole in frames], axis=0)
    pairs = combinations(range(len(starts)), 2)
    return int(sum((starts[i] < starts[j]) != (ends[i] < ends[j]) and hidden[i, j] >= HIDDEN for i, j in pairs))


def _path(rng: np.random.Generator, start: float, end: float) -> Path:
    height = SIZE[0]
    level = height * rng.uniform(0.5, 0.62)
    side = height * rng.uniform(0.35, 0.6)
    heights = level + height * rng.uniform(-0.05, 0.05, 2)
    sides = side * np.exp(rng.uniform(-0.1, 0.1, 2))
    return Path((start, float(heights[0])), (end, float(heights[1])), (float(sides[0]), float(sides[1])))


def _pan(background: NDArray[np.uint8], moment: float) -> NDArray[np.uint8]:
    """Filling the frame with a tenth to spare, over which the camera moves from left to right."""
    height, width = SIZE
    scaled = _scaled(background, 1.1 * max(height / background.shape[0], width / background.shape[1]))
    slack = scaled.shape[1] - width, scaled.shape[0] - height
    return _moved(scaled, -slack[0] * (0.25 + 0.5 * moment), -slack[1] / 2)


def _paste(
    picture: NDArray[np.uint8], pose: Pose, x: float, y: float, side: float
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """`picture` with the object centred at (x, y), and its mask."""
    scale = min(side / max(pose.mask.shape), MAX_ZOOM)
    colours, mask = _scaled(pose.picture, scale), _scaled(pose.mask.astype(np.float32), scale)
    corner = x - mask.shape[1] / 2, y - mask.shape[0] / 2
    opacity = _moved(mask, *corner)
    mixed = picture + (_moved(colours, *corner).astype(np.float32) - picture) * opacity[..., None]
    return (mixed + 0.5).astype(np.uint8), np.asarray(opacity > 0.5)


def _scaled(picture: Any, scale: float) -> NDArray[Any]:
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR))


def _moved(picture: Any, x: float, y: float) -> NDArray[Any]:
    """On a black frame, its corner at (x, y), which need not be whole numbers."""
    matrix = np.array([[1, 0, x], [0, 1, y]])
    return np.asarray(cv2.warpAffine(picture, matrix, (SIZE[1], SIZE[0]), flags=cv2.INTER_LINEAR))


def _centres(whole: NDArray[np.bool_]) -> list[float]:
    return [float(np.flatnonzero(mask.any(axis=0)).mean()) if mask.any() else 0.0 for mask in whole]


def _hidden(whole: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Overlap of each pair over the area of the smaller, (n, n)."""
    flat = whole.reshape(len(whole), -1).astype(np.float32)
    areas = flat.sum(axis=1)
    return np.asarray(flat @ flat.T / np.maximum(np.minimum(areas[:, None], areas), 1), np.float64)
