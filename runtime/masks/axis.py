"""The way of a mask to the frame, one axis at a time, as a single interpolation.

AdelaiDet takes stride-4 probabilities through two resamplings: `aligned_bilinear` to the input size, a crop, and
bilinear (`align_corners=False`) to the frame. Along each axis both are linear interpolation, and their composition is
one again: `aligned_bilinear` is linear between one cell and the next, and its bends lie on input pixels, so the two
input pixels that a frame pixel reads lie on one straight piece. There is no picture in between.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.serial_blas import LIMIT

MASK_THRESHOLD = 0.5  # a pixel belongs to the mask where the probability is above it; NaN is not


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of the composed resampling of `cells` mask cells: frame pixel o is

        (1 - share[o]) * cell[first[o]] + share[o] * cell[first[o] + 1]

    and where `share` is 0 only `first` is read. `first` int32 and `share` float32 are (frame pixels,); `first` never
    decreases, and neither does `last`.
    """

    cells: int
    first: NDArray[np.int32]
    share: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def last(self) -> NDArray[np.int32]:
        """The other cell that each frame pixel reads, int32 (frame pixels,); `first` again where it reads one."""
        return self.first + (self.share > 0).astype(np.int32)

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """The same as a matrix, float32 (frame pixels, cells), for NumPy."""
        matrix = np.zeros((len(self), self.cells), np.float32)
        rows = np.arange(len(self))
        matrix[rows, self.last] = self.share
        matrix[rows, self.first] = 1 - self.share
        return matrix

    def reach(self, start: int, stop: int) -> slice:
        """The frame pixels that read any mask cell of [start, stop)."""
        return slice(int(np.searchsorted(self.last, start)), int(np.searchsorted(self.first, stop)))

    def read(self, pixels: slice) -> slice:
        """The mask cells that the frame pixels of a filled slice read."""
        return slice(int(self.first[pixels.start]), int(self.last[pixels.stop - 1]) + 1)

    def blocks(self, pixels: slice, width: int) -> Iterator[slice]:
        """`pixels` in pieces so short that a piece's weights times (cells, `width`) stays a small dense product.

        The matrix is a band: short pieces skip its zeros, and stay below `serial_blas.LIMIT`.
        """
        density = self.cells / len(self)
        # A piece of n pixels reads about n * density + 4 cells: the largest n with n * (n * density + 4) * width <=
        # LIMIT.
        step = max(1, int((math.sqrt(4 + density * LIMIT / width) - 2) / density))
        return (slice(start, min(start + step, pixels.stop)) for start in range(pixels.start, pixels.stop, step))


@lru_cache(maxsize=16)  # eight geometries
def composed_axis(cells: int, stride: int, resized: int, frame: int) -> Axis:
    """The axis from `cells` mask cells of `stride` input pixels, cropped to `resized` pixels, to `frame` pixels.

    Composed in float64, stored in float32. Raises InputError when the cells do not cover the resized picture.
    """
    if resized > cells * stride:
        raise InputError(f"{cells} mask cells of stride {stride} do not cover {resized} input pixels")
    # Bilinear with `align_corners=False`: frame pixel o lies (o + 0.5) * resized / frame - 0.5 input pixels down.
    pixel = np.clip((np.arange(frame) + 0.5) * resized / frame - 0.5, 0, resized - 1)
    low = np.floor(pixel).astype(np.int64)
    start, stop = (_aligned(p, stride, cells) for p in (low, np.minimum(low + 1, resized - 1)))
    position = start + (pixel - low) * (stop - start)
    first = np.floor(position).astype(np.int32)
    return Axis(cells, first, (position - first).astype(np.float32))


def _aligned(pixel: NDArray[np.int64], factor: int, cells: int) -> NDArray[np.float64]:
    """`aligned_bilinear` in closed form: where an input pixel lies, in cells; beyond the last one, on it."""
    return np.minimum(np.maximum(pixel - factor // 2, 0) / factor, cells - 1)
