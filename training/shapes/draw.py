"""Clips that anyone can make again: textured shapes that cross and hide each other, with masks and ids.

`python -m stc.training.shapes OUT` writes `annotations.json` in YouTube-VIS form and the frames as PNG. Shapes of one
class differ in colour and pattern only, so that ids have to come from appearance wherever paths cross.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stc.annotations.masks import box, encode
from stc.annotations.scenes import in_sight
from stc.files import write_bytes, write_text

CLASSES = ("disc", "square", "triangle")
SIZE = (128, 224)  # (H, W) of a frame
LENGTH = 16  # frames of a clip
MIN_PIXELS = 24  # of a shape with less in sight the annotation is null
FEWEST, MOST = 2, 5  # shapes in a clip
ANNOTATIONS = "annotations.json"

Picture = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """One shape and its way through a clip; positions are (x, y) in pixels at the first and the last frame."""

    label: int
    start: tuple[float, float]
    end: tuple[float, float]
    radius: float  # of the disc of the same area, in the middle of the clip
    growth: float  # logarithm of the size's change over the clip
    angle: float
    spin: float  # radians over the clip
    colours: Picture  # (2, 3) BGR
    wave: tuple[float, float, float]  # of the stripes between the two colours: x, y (radians per radius), phase

    def render(self, time: float) -> tuple[NDArray[np.bool_], Picture]:
        """time: 0..1. -> mask (H, W), colours (H, W, 3)."""
        rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
        x, y = (a + (b - a) * time for a, b in zip(self.start, self.end, strict=True))
        angle, radius = self.angle + self.spin * time, self.radius * math.exp(self.growth * (time - 0.5))
        sin, cos = math.sin(angle), math.cos(angle)
        u = (cos * (columns - x) + sin * (rows - y)) / radius
        v = (cos * (rows - y) - sin * (columns - x)) / radius
        share = (0.5 + 0.5 * np.sin(self.wave[0] * u + self.wave[1] * v + self.wave[2]))[..., None]
        return _inside(self.label, u, v), share * self.colours[0] + (1 - share) * self.colours[1]


def write_shapes(folder: Path, clips: int, seed: int) -> Path:
    """Write `clips` clips under `folder`, annotations last; returns their path. Equal seeds give equal pixels."""
    videos: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(1, clips + 1):
        rng = np.random.default_rng((seed, number))
        shapes = [random_shape(rng) for _ in range(int(rng.integers(FEWEST, MOST + 1)))]
        files = [f"{number:04d}/{index:05d}.png" for index in range(LENGTH)]
        masks = []
        for picture, visible, file in zip(*draw_clip(rng, shapes), files, strict=True):
            write_bytes(folder / file, cv2.imencode(".png", picture)[1].tobytes())
            masks.append(visible)
        size = {"height": SIZE[0], "width": SIZE[1]}
        videos.append({"id": number, **size, "length": LENGTH, "file_names": files})
        for index, shape in enumerate(shapes):
            track = _track([frame[index] for frame in masks])
            ids = {"id": len(annotations) + 1, "video_id": number, "category_id": shape.label + 1, "iscrowd": 0}
            annotations.append({**ids, **size, **track})
    categories = [{"id": label, "name": name} for label, name in enumerate(CLASSES, start=1)]
    content = {"categories": categories, "videos": videos, "annotations": annotations}
    write_text(folder / ANNOTATIONS, json.dumps(content))
    return folder / ANNOTATIONS


def random_shape(rng: np.random.Generator) -> Shape:
    """A shape that passes near the middle of the picture in the middle of the clip: there they meet."""
    height, width = SIZE
    middle = np.array([width, height]) * rng.uniform(0.35, 0.65, 2)
    heading = float(rng.uniform(0, 2 * math.pi))
    half = np.array([math.cos(heading) * width, math.sin(heading) * height]) * float(rng.uniform(0.15, 0.4))
    (x1, y1), (x2, y2) = middle - half, middle + half
    return Shape(
        label=int(rng.integers(len(CLASSES))),
        start=(float(x1), float(y1)),
        end=(float(x2), float(y2)),
        radius=float(rng.uniform(10, 24)),
        growth=float(rng.uniform(-0.4, 0.4)),
        angle=float(rng.uniform(0, 2 * math.pi)),
        spin=float(rng.uniform(-1.5, 1.5)),
        colours=rng.uniform(0, 255, (2, 3)),
        wave=(float(rng.uniform(-6, 6)), float(rng.uniform(-6, 6)), float(rng.uniform(0, 2 * math.pi))),
    )


def draw_clip(
    rng: np.random.Generator, shapes: Sequence[Shape]
) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.bool_]]]:
    """Frames (H, W, 3) uint8 BGR, and of each the visible part of every shape (n, H, W); later shapes are in front."""
    background = cv2.resize(rng.uniform(40, 215, (5, 8, 3)), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    pictures, masks = [], []
    for index in range(LENGTH):
        picture = background + rng.normal(0, 6, (*SIZE, 3))
        whole = np.zeros((len(shapes), *SIZE), np.bool_)
        for shape, mask in zip(shapes, whole, strict=True):
            mask[:], colours = shape.render(index / (LENGTH - 1))
            picture[mask] = colours[mask]
        pictures.append(picture.clip(0, 255).astype(np.uint8))
        masks.append(in_sight(whole))
    return pictures, masks


def _inside(label: int, u: Picture, v: Picture) -> NDArray[np.bool_]:
    """Shapes of the area of the unit disc."""
    if CLASSES[label] == "disc":
        return np.asarray(u**2 + v**2 < 1)
    if CLASSES[label] == "square":
        return np.asarray(np.maximum(abs(u), abs(v)) < math.sqrt(math.pi) / 2)
    inner = math.sqrt(math.pi / (3 * math.sqrt(3)))  # radius of the inscribed circle of the equilateral triangle
    sides = (v, -v / 2 + u * math.sqrt(3) / 2, -v / 2 - u * math.sqrt(3) / 2)
    return np.asarray(np.maximum.reduce(sides) < inner)


def _track(masks: Sequence[NDArray[np.bool_]]) -> dict[str, list[Any]]:
    track: dict[str, list[Any]] = {"segmentations": [], "bboxes": [], "areas": []}
    for mask in masks:
        area = int(mask.sum())
        rle = encode(mask)
        values: tuple[Any, ...] = (None, None, None)
        if area >= MIN_PIXELS:
            values = (rle, list(box(rle)), area)
        for column, value in zip(track.values(), values, strict=True):
            column.append(value)
    return track
