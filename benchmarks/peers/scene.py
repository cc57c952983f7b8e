"""Crafted objects: as many as asked for, the same for all, so that no detector's taste decides how much is to do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.bundle import contract
from stc.runtime.bundle.passport import Passport
from stc.runtime.letterbox import Letterbox
from stc.runtime.native.mask_head import MaskHead

Array = NDArray[Any]
FILLED = 0.8  # of its cell of the grid, in each direction
SWAY, PERIOD = 0.05, 16  # of a cell's width, and in frames: well within what a tracker follows
BEST, WORST = 0.95, 0.85  # scores: far above every threshold on both sides
SIZE = 64.0  # input pixels: the unit of the mask head's coordinates
EDGE, SLOPE = 2.0, 32.0  # logit inside an object, and its fall per unit: half a probability at the box's edge


def boxes(objects: int, frame: int, size: tuple[int, int]) -> Array:
    """`objects` boxes that fill a grid and never overlap, in frame number `frame` of `size` (H, W) pixels.

    float32 (objects, 4) x1 y1 x2 y2. They sway, so that a tracker has something to follow.
    """
    height, width = size
    columns = max(1, int(np.ceil(np.sqrt(objects * width / height))))
    rows = max(1, -(-objects // columns))
    cell = np.array([width / columns, height / rows])
    place = np.arange(objects)
    centre = (np.stack([place % columns, place // columns], axis=1) + 0.5) * cell
    centre[:, 0] += SWAY * cell[0] * np.sin(2 * np.pi * frame / PERIOD)
    half = FILLED * cell / 2
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def to_input(found: Array, letterbox: Letterbox) -> Array:
    """Boxes of the frame (n, 4) in input pixels: what `Letterbox.to_frame` brings back."""
    (frame_h, frame_w), (height, width) = letterbox.frame_size, letterbox.resized_size
    scale = np.array([width / frame_w, height / frame_h] * 2)
    scaled: Array = (found * scale).astype(np.float32)
    return scaled


@dataclass(frozen=True)
class Answer:
    """A model's answer that holds crafted objects: `outputs` without masks, and `op`, the mask head's inputs."""

    outputs: dict[str, Array]
    op: tuple[Array, ...]


def answer(found: Array, passport: Passport, head: MaskHead) -> Answer:
    """The model's outputs for boxes `found` (n, 4) in input pixels, n at most its capacity.

    Each object has an embedding of its own and a mask that fills its box: so its parameters are chosen that the head
    computes it, whatever the features.
    """
    rows, objects = passport.max_detections, len(found)
    random = np.random.default_rng(0)
    values: dict[str, Array] = {
        "boxes": found,
        "scores": np.linspace(BEST, WORST, objects),
        "labels": np.zeros(objects),
    }
    if passport.has_tracking_head:
        values["embeddings"] = random.normal(size=(rows, passport.embedding_dim))[:objects]
    count = np.array([objects], np.int32)
    outputs = {contract.COUNT: count} | {
        name: _filled(part, rows, contract.FILL.get(name, 0), np.int32 if name == "labels" else np.float32)
        for name, part in values.items()
    }
    height, width = (side // head.stride for side in passport.padded_size)
    features = random.normal(size=(1, head.channels, height, width)).astype(np.float32)
    centre, half = (found[:, :2] + found[:, 2:]) / 2, (found[:, 2:] - found[:, :2]) / 2
    op = (
        features,
        _filled(rectangles(half / SIZE, head), rows),
        _filled(centre, rows),
        _filled(np.full(objects, SIZE), rows),
        count,
    )
    return Answer(outputs, op)


def rectangles(half: Array, head: MaskHead) -> Array:
    """Parameters (n, P) of a mask head with three layers and at least four channels that draws rectangles.

    half: (n, 2) half their width and height in the head's coordinates. The first layer computes the parts of x and y
    left, right, above and below of the centre, the second what of them lies beyond the edge, the third subtracts that.
    """
    if head.layers != 3 or head.channels < 4:
        raise ValueError(f"three layers and four channels are needed; got {head}")
    n, channels = len(half), head.channels
    first, second = np.zeros((n, channels, channels + 2)), np.zeros((n, channels, channels))
    first_bias, second_bias = np.zeros((n, channels)), np.zeros((n, channels))
    third = np.zeros((n, channels))
    for unit, (axis, sign) in enumerate(((0, 1), (0, -1), (1, 1), (1, -1))):
        first[:, unit, axis] = sign
        second[:, unit, unit] = 1
        second_bias[:, unit] = EDGE / SLOPE - half[:, axis]
        third[:, unit] = -SLOPE
    parts = (first, second, third, first_bias, second_bias, np.full((n, 1), EDGE))
    return np.concatenate([part.reshape(n, math.prod(part.shape[1:])) for part in parts], axis=1)


def _filled(part: Array, rows: int, fill: float = 0, dtype: Any = np.float32) -> Array:
    """(n, ...) as the first rows of (1, rows, ...)."""
    whole = np.full((1, rows, *part.shape[1:]), fill, dtype)
    whole[0, : len(part)] = part
    return whole
