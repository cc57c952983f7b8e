"""The raw frames that both sides are given: one photograph cut to the aspects that cameras and data sets have."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.uint8]
# The network's size that all are run at: the shortest edge in pixels, if the longest stays below.
SHORTEST, LONGEST = 360, 640
# (H, W): 16:9, 4:3, portrait, DAVIS (no whole number of pixels at the network's size), a panorama.
SIZES = ((720, 1280), (480, 640), (1280, 720), (480, 854), (300, 1000))


def raw_frames() -> dict[str, Array]:
    """uint8 (H, W, 3) BGR each, by name "1280x720": the photograph's largest cut of that aspect, resampled."""
    photograph = _photograph()
    return {f"{width}x{height}": _cut(photograph, height, width) for height, width in SIZES}


def _photograph() -> Any:
    with (files("stc.assets") / "scene.jpg").open("rb") as file:
        return Image.open(file).convert("RGB")


def _cut(photograph: Any, height: int, width: int) -> Array:
    scale = min(photograph.width / width, photograph.height / height)
    left, top = (photograph.width - width * scale) / 2, (photograph.height - height * scale) / 2
    box = (left, top, left + width * scale, top + height * scale)
    cut = photograph.resize((width, height), Image.Resampling.BICUBIC, box=box)
    return np.ascontiguousarray(np.asarray(cut)[:, :, ::-1])


def moving_camera(count: int, size: tuple[int, int] = (360, 640)) -> Iterator[Array]:
    """Frames uint8 (H, W, 3) BGR of a camera that pans over part of the photograph and draws back."""
    photograph = _photograph()
    height, width = size
    for step in np.linspace(0, 1, count):
        wide = (0.4 + 0.1 * step) * photograph.width
        high = wide * height / width
        left, top = 0.3 * step * photograph.width, (photograph.height - high) / 2
        cut = photograph.resize((width, height), Image.Resampling.BICUBIC, box=(left, top, left + wide, top + high))
        yield np.ascontiguousarray(np.asarray(cut)[:, :, ::-1])
