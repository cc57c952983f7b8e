"""The way of a mask to the frame, one axis at a time, as a single matrix.

AdelaiDet takes stride-4 probabilities through two resamplings: `aligned_bilinear` to the input size, a crop, and
bilinear (`align_corners=False`) to the frame. Both are linear and separable, so for each axis their composition is one
matrix W and the frame-size probabilities are `Wy @ P @ Wx.T`, with no picture in between.
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

TAPS = 3  # two neighbouring input pixels read at most three neighbouring cells


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of the composed resampling; every row is a convex combination of at most three neighbours.

    `weights` is float32 (frame pixels, mask cells), `first` and `last` int64 (frame pixels,) are the outermost cells
    with a weight in each row; both never decrease.
    """

    weights: NDArray[np.float32]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @cached_property
    def taps(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The same as three taps per row, for native code: cells int32 and weights float32, both (3, frame pixels).

        A tap that a row does not need repeats its first cell with weight 0, so that nothing else is looked at.
        """
        steps = np.arange(TAPS)[:, None]
        inside = steps <= self.last - self.first
        cells = np.where(inside, self.first + steps, self.first)
        weights = np.where(inside, self.weights[np.arange(len(self.first)), cells], np.float32(0))
        return cells.astype(np.int32), weights

    def reach(self, start: int, stop: int) -> slice:
        """The frame pixels that read any mask cell of [start, stop)."""
        return slice(int(np.searchsorted(self.last, start)), int(np.searchsorted(self.first, stop)))

    def cells(self, pixels: slice) -> slice:
        """The mask cells that the frame pixels of a filled slice read."""
        return slice(int(self.first[pixels.start]), int(self.last[pixels.stop - 1]) + 1)

    def blocks(self, pixels: slice, width: int) -> Iterator[slice]:
        """`pixels` in pieces so short that a piece's weights times (cells, `width`) stays a small dense product.

        The matrix is a band: short pieces skip its zeros, and stay below `serial_blas.LIMIT`.
        """
        density = self.weights.shape[1] / self.weights.shape[0]
        # A piece of n pixels reads about n * density + 4 cells: the largest n with n * (n * density + 4) * width <=
        # LIMIT.
        step = max(1, int((math.sqrt(4 + density * LIMIT / width) - 2) / density))
        return (slice(start, min(start + step, pixels.stop)) for start in range(pixels.start, pixels.stop, step))


@lru_cache(maxsize=16)  # eight geometries; an axis takes up to a few MB
def composed_axis(cells: int, stride: int, resized: int, frame: int) -> Axis:
    """The axis from `cells` mask cells of `stride` input pixels, cropped to `resized` pixels, to `frame` pixels.

    Composed in float64, stored in float32. Raises InputError when the cells do not cover the resized picture.
    """
    if resized > cells * stride:
        raise InputError(f"{cells} mask cells of stride {stride} do not cover {resized} input pixels")
    weights = _half_pixel(resized, frame) @ _aligned(cells, stride)[:resized]
    used = weights > 0
    return Axis(weights.astype(np.float32), used.argmax(1), cells - 1 - used[:, ::-1].argmax(1))


def _aligned(cells: int, factor: int) -> NDArray[np.float64]:
    """`aligned_bilinear` in closed form: output o reads position max(o - factor // 2, 0) / factor."""
    return _linear(np.maximum(np.arange(factor * cells) - factor // 2, 0) / factor, cells)


def _half_pixel(source: int, target: int) -> NDArray[np.float64]:
    """Bilinear with `align_corners=False`: output o reads position (o + 0.5) * source / target - 0.5, at least 0."""
    return _linear(np.maximum((np.arange(target) + 0.5) * source / target - 0.5, 0), source)


def _linear(position: NDArray[np.float64], source: int) -> NDArray[np.float64]:
    """The matrix of linear interpolation at `position`, with the last source pixel repeated beyond the end."""
    low = np.floor(position).astype(np.int64)
    share = position - low
    rows = np.arange(len(position))
    matrix = np.zeros((len(position), source))
    np.add.at(matrix, (rows, np.minimum(low, source - 1)), 1 - share)
    np.add.at(matrix, (rows, np.minimum(low + 1, source - 1)), share)
    return matrix
