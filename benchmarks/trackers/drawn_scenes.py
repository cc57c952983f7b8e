"""Made-up scenes of objects that cross, hide, leave and come back, and what a detector might say of them.

Nothing here is a picture: shapes are ellipses, embeddings are drawn. Lengths and cosines are about those of the demo
model on real frames: length 4, 0.99 between frames, 0.9 over seconds, 0.1 between strangers, 0.6 between look-alikes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.annotations.masks import tight_box
from stc.runtime.tracking.detections import Detections

Array = NDArray[Any]
STRIDE, GRID = 4, (72, 128)  # masks have a cell per STRIDE pixels
HEIGHT, WIDTH = STRIDE * GRID[0], STRIDE * GRID[1]
FPS, LENGTH, OBJECTS, CLASSES, DIMENSIONS = 25.0, 240, 7, 2, 64
NORM = 4.0
LOOK_ALIKE = 0.6  # cosine of an object and its double
DRIFT, NOISE = 0.05, 0.12  # of a unit embedding, per frame: what stays and what does not
BLEND = 0.6  # share of the embedding in front that a wholly hidden object would have
HIDDEN = 0.2  # visible share below which nothing is detected
MISSED, DUPLICATE, CONFUSED, CLUTTER = 0.03, 0.05, 0.03, 0.5  # of detections; clutter: per frame
GAPS, GAP_SECONDS = 2, (0.4, 1.6)  # the camera says nothing, the objects go on


@dataclass(frozen=True)
class Moment:
    """One frame: its time in seconds, what is seen of each object, bool (g, *GRID), and the detections, any order."""

    time: float
    visible: Array
    detections: Detections


@dataclass
class _Object:
    label: int
    position: Array
    velocity: Array
    half: Array  # half axes, pixels
    depth: float  # the smallest is in front
    look: Array  # unit vector
    score: float
    away: tuple[int, int]  # frames


def scene(seed: int) -> Iterator[Moment]:
    """The same for the same seed."""
    rng = np.random.default_rng(seed)
    objects = _objects(rng)
    pauses = dict(zip(rng.integers(40, LENGTH - 20, GAPS).tolist(), rng.uniform(*GAP_SECONDS, GAPS), strict=True))
    time = 0.0
    for number in range(LENGTH):
        steps = 1 + round(pauses.get(number, 0.0) * FPS)
        time += steps / FPS
        for each in objects:
            _move(rng, each, steps)
        visible, shares, front = _render(objects, number)
        yield Moment(time, visible, _detect(rng, objects, visible, shares, front))


def _objects(rng: np.random.Generator) -> list[_Object]:
    looks = [_unit(rng.standard_normal(DIMENSIONS)) for _ in range(OBJECTS)]
    for index in range(1, OBJECTS, 2):  # every second object has a double of its class
        other = _unit(looks[index] - (looks[index] @ looks[index - 1]) * looks[index - 1])
        looks[index] = LOOK_ALIKE * looks[index - 1] + np.sqrt(1 - LOOK_ALIKE**2) * other
    found = []
    for index, look in enumerate(looks):
        leaves = int(rng.integers(30, LENGTH - 60)) if rng.random() < 0.5 else LENGTH
        found.append(
            _Object(
                label=index // 2 % CLASSES,
                position=rng.uniform((60, 40), (WIDTH - 60, HEIGHT - 40)),
                velocity=np.array([rng.choice([-1, 1]) * rng.uniform(2, 7), rng.uniform(-1.5, 1.5)]),
                half=rng.uniform((22, 30), (45, 60)),
                depth=float(rng.random()),
                look=look,
                score=float(rng.uniform(0.6, 0.92)),
                away=(leaves, leaves + int(rng.integers(10, 60))),
            )
        )
    return found


def _move(rng: np.random.Generator, each: _Object, steps: int) -> None:
    for _ in range(steps):
        each.position = each.position + each.velocity + rng.normal(0, 0.5, 2)
        for axis, end in ((0, WIDTH), (1, HEIGHT)):
            if not 20 < each.position[axis] < end - 20:
                each.velocity[axis] = abs(each.velocity[axis]) * (1 if each.position[axis] < end / 2 else -1)
        each.look = _unit(each.look + DRIFT / np.sqrt(DIMENSIONS) * rng.standard_normal(DIMENSIONS))


def _render(objects: list[_Object], number: int) -> tuple[Array, Array, Array]:
    """What is seen of each, which share of it that is, and who covers it most (-1: nobody)."""
    y, x = np.mgrid[: GRID[0], : GRID[1]] * STRIDE + STRIDE / 2
    whole = np.zeros((len(objects), *GRID), np.bool_)
    for index, each in enumerate(objects):
        if not each.away[0] <= number < each.away[1]:
            (px, py), (a, b) = each.position, each.half
            whole[index] = ((x - px) / a) ** 2 + ((y - py) / b) ** 2 < 1
    visible, front = whole.copy(), np.full(len(objects), -1)
    order = np.argsort([each.depth for each in objects])
    for place, index in enumerate(order):
        nearer = order[:place]
        covered = (whole[nearer] & whole[index]).sum(axis=(1, 2))
        if covered.any():
            front[index] = nearer[covered.argmax()]
            visible[index] &= ~whole[nearer].any(axis=0)
    return visible, visible.sum(axis=(1, 2)) / np.maximum(whole.sum(axis=(1, 2)), 1), front


def _detect(
    rng: np.random.Generator, objects: list[_Object], visible: Array, shares: Array, front: Array
) -> Detections:
    rows = []
    for index, each in enumerate(objects):
        share = float(shares[index])
        if share < HIDDEN or rng.random() < MISSED + 0.4 * (1 - share):
            continue
        look = each.look
        if front[index] >= 0:
            hidden = BLEND * (1 - share)
            look = _unit((1 - hidden) * look + hidden * objects[front[index]].look)
        score = each.score * (0.4 + 0.6 * share)
        label = int(rng.integers(CLASSES)) if rng.random() < CONFUSED else each.label
        rows.append(_row(rng, _box(visible[index]), score, label, look, visible[index]))
        if rng.random() < DUPLICATE:
            rows.append(_row(rng, _box(visible[index]), 0.6 * score, (label + 1) % CLASSES, look, visible[index]))
    for _ in range(rng.poisson(CLUTTER)):
        corner = rng.uniform((0, 0), (WIDTH - 60, HEIGHT - 60))
        box = np.concatenate((corner, corner + rng.uniform(20, 60, 2)))
        mask = np.zeros(GRID, np.bool_)
        mask[int(box[1] / STRIDE) : int(box[3] / STRIDE), int(box[0] / STRIDE) : int(box[2] / STRIDE)] = True
        look = _unit(rng.standard_normal(DIMENSIONS))
        rows.append(_row(rng, box, rng.uniform(0.2, 0.5), int(rng.integers(CLASSES)), look, mask))
    if not rows:
        nothing = np.zeros(0, np.float32)
        return Detections(
            nothing.reshape(0, 4),
            nothing,
            np.zeros(0, np.int64),
            np.zeros((0, DIMENSIONS), np.float32),
            np.zeros((0, *GRID), np.float32),
        )
    boxes, scores, labels, embeddings, masks = (np.stack(column) for column in zip(*rows, strict=True))
    return Detections(boxes, scores, labels, embeddings, masks)


def _row(
    rng: np.random.Generator, box: Array, score: float, label: int, look: Array, mask: Array
) -> tuple[Array, Array, Array, Array, Array]:
    size = np.tile(box[2:] - box[:2], 2)
    noisy = look + NOISE / np.sqrt(DIMENSIONS) * rng.standard_normal(DIMENSIONS)
    moved = np.roll(mask, rng.integers(-1, 2, 2), axis=(0, 1))
    return (
        (box + rng.normal(0, 0.02, 4) * size).astype(np.float32),
        np.asarray(np.clip(score + rng.normal(0, 0.05), 0.05, 0.99), np.float32),
        np.asarray(label, np.int64),
        (NORM * noisy).astype(np.float32),
        np.where(moved, np.float32(0.9), np.float32(0.1)),
    )


def _box(mask: Array) -> Array:
    return STRIDE * np.array(tight_box(mask), np.float64)


def _unit(vector: Array) -> Array:
    return np.asarray(vector / np.linalg.norm(vector))
