"""Masks at frame size in NumPy: what serves where the native library is not installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stc.annotations.masks import runs_to_rle
from stc.runtime.masks.axis import MASK_THRESHOLD, Axis
from stc.runtime.masks.pixel_buffer import PixelBuffer


class _Window(NamedTuple):
    """The part of the frame that one mask can reach; every pixel outside is 0."""

    y: slice
    x: slice


@dataclass(frozen=True)
class NumpyComposer:
    """From probabilities (n, rows, cols), float32 or float16, to masks at the size of `y` and `x`, the frame's axes."""

    y: Axis
    x: Axis

    def dense(self, probabilities: NDArray[Any], buffer: PixelBuffer | None = None) -> NDArray[np.bool_]:
        """All pixels: bool (n, H0, W0), in `buffer` where it is given."""
        pixels, written = (buffer or PixelBuffer()).blank(len(probabilities), self._size)
        for index, (cells, window) in enumerate(zip(probabilities, self._windows(probabilities), strict=True)):
            if window is not None:
                pixels[index, window.y, window.x] = self._columns(cells, window).T
                written[index] = window.y.start, window.y.stop, window.x.start, window.x.stop
        return pixels.view(np.bool_)

    def bits(self, probabilities: NDArray[Any]) -> NDArray[np.uint32]:
        """uint32 (n, H0, ceil(W0 / 32)): pixel x is bit x % 32 of word x // 32."""
        return packed(self.dense(probabilities))

    def rle(self, probabilities: NDArray[Any]) -> tuple[list[str], NDArray[np.int64]]:
        """COCO's compressed counts and the areas, int64 (n,), in pixels."""
        return encoded(self._runs(probabilities), self._size)

    @property
    def _size(self) -> tuple[int, int]:
        return len(self.y), len(self.x)

    def _windows(self, probabilities: NDArray[Any]) -> list[_Window | None]:
        inside = probabilities > MASK_THRESHOLD
        lines = zip(np.any(inside, axis=2), np.any(inside, axis=1), strict=True)
        return [self._window(in_rows, in_cols) for in_rows, in_cols in lines]

    def _window(self, in_rows: NDArray[np.bool_], in_cols: NDArray[np.bool_]) -> _Window | None:
        if not in_rows.any():
            return None
        y, x = (
            axis.reach(int(hit.argmax()), len(hit) - int(hit[::-1].argmax()))
            for axis, hit in ((self.y, in_rows), (self.x, in_cols))
        )
        # Empty where only cells of the border are above the threshold.
        return _Window(y, x) if y.start < y.stop and x.start < x.stop else None

    def _runs(self, probabilities: NDArray[Any]) -> list[NDArray[np.int64]]:
        """Per object (m, 2): [start, stop) of each run of mask pixels, counted down the columns of the frame."""
        return [
            np.empty((0, 2), np.int64)
            if window is None
            else column_runs(self._columns(cells, window), (window.y.start, window.x.start), len(self.y))
            for cells, window in zip(probabilities, self._windows(probabilities), strict=True)
        ]

    def _columns(self, cells: NDArray[Any], window: _Window) -> NDArray[np.bool_]:
        """The window's pixels, transposed: bool (w, h), so that a column of the frame is contiguous, as COCO counts.

        The one place where pixels are decided: pixels, runs and outlines agree to the last bit.
        """
        band = self.x.read(window.x)
        narrow = cells[:, band].astype(np.float32, copy=False)
        half = np.empty((window.y.stop - window.y.start, narrow.shape[1]), np.float32)
        for piece in self.y.blocks(window.y, narrow.shape[1]):
            read = self.y.read(piece)
            np.matmul(self.y.weights[piece, read], narrow[read], out=half[_within(piece, window.y)])
        columns = np.empty((window.x.stop - window.x.start, len(half)), np.bool_)
        for piece in self.x.blocks(window.x, len(half)):
            read = self.x.read(piece)
            values = self.x.weights[piece, read] @ half[:, _within(read, band)].T
            np.greater(values, MASK_THRESHOLD, out=columns[_within(piece, window.x)])
        return columns


def column_runs(columns: NDArray[np.bool_], corner: tuple[int, int], rows: int) -> NDArray[np.int64]:
    """(m, 2): [start, stop) of each run of mask pixels, counted down the columns of a frame of `rows` rows.

    columns: the pixels of a window, transposed, bool (w, h); corner: its (y, x) in the frame. All others are 0.
    """
    height = columns.shape[1]
    # A pixel of background above each column, and one at the very end, makes every run start and stop inside.
    flat = np.zeros(len(columns) * (height + 1) + 1, np.bool_)
    flat[:-1].reshape(-1, height + 1)[:, 1:] = columns
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    ends = np.stack((edges[0::2] + 1, edges[1::2]), axis=1)  # first and last pixel of each run
    column, row = np.divmod(ends, height + 1)
    runs: NDArray[np.int64] = (column + corner[1]) * rows + row - 1 + corner[0]
    runs[:, 1] += 1
    # A run that leaves the frame's bottom and one that starts at the next column's top are one in COCO's order.
    joined = np.flatnonzero(runs[1:, 0] == runs[:-1, 1])
    if not len(joined):
        return runs
    return np.delete(runs.ravel(), np.concatenate((2 * joined + 1, 2 * joined + 2))).reshape(-1, 2)


def encoded(masks: Sequence[NDArray[np.int64]], size: tuple[int, int]) -> tuple[list[str], NDArray[np.int64]]:
    """COCO's compressed counts and the areas, int64 (n,), of masks of `size` (H, W) given as `column_runs`."""
    texts, areas = [], np.zeros(len(masks), np.int64)
    for index, runs in enumerate(masks):
        edges = np.concatenate(([0], runs.ravel(), [size[0] * size[1]]))
        counts = np.diff(edges[:-1] if edges[-1] == edges[-2] else edges)
        texts.append(runs_to_rle(counts, size)["counts"].decode())
        areas[index] = (runs[:, 1] - runs[:, 0]).sum()
    return texts, areas


def packed(pixels: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Masks (n, H, W) one bit a pixel: uint32 (n, H, ceil(W / 32)); pixel x is bit x % 32 of word x // 32."""
    octets = np.packbits(pixels, axis=-1, bitorder="little")
    padded = np.pad(octets, ((0, 0), (0, 0), (0, -octets.shape[-1] % 4)))
    return np.ascontiguousarray(padded).view("<u4").astype(np.uint32, copy=False)


def _within(part: slice, whole: slice) -> slice:
    return slice(part.start - whole.start, part.stop - whole.start)
