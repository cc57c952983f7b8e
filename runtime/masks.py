"""Masks of one frame, kept at the model's stride until somebody asks for pixels, runs or outlines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stc.errors import InputError
from stc.runtime.geometry import composed_axis
from stc.runtime.preprocess import Letterbox

_Index = int | slice | NDArray[Any] | list[int] | list[bool]


class _Window(NamedTuple):
    """The part of the frame that one mask can reach; every pixel outside is 0."""

    y: slice
    x: slice


class Masks:
    """The masks of n objects in one frame of (H0, W0) pixels.

    `probabilities` is (n, Hm, Wm) in 0..1, float32 or float16, at `mask_stride` input pixels per cell. A pixel belongs
    to the mask where the probability resampled to the frame is above 0.5 (AdelaiDet's post-processing, `geometry.py`):
    exact, and computed only inside the box that the cells above 0.5 can reach, because resampling is a convex
    combination.

    Nothing is computed before it is asked for; runs are kept once computed. `masks[index]` with an integer, slice,
    boolean or integer array gives the masks of those objects (an integer: one object).
    """

    def __init__(self, probabilities: ArrayLike, letterbox: Letterbox, mask_stride: int) -> None:
        """Raises InputError when `probabilities` is not (n, Hm, Wm) or does not cover the resized picture."""
        self.probabilities = np.asarray(probabilities, np.float32)
        self.letterbox = letterbox
        self.mask_stride = mask_stride
        if self.probabilities.ndim != 3:
            raise InputError(f"mask probabilities must be (n, Hm, Wm); got {self.probabilities.shape}")
        _, height, width = self.probabilities.shape
        self._y = composed_axis(height, mask_stride, letterbox.resized_size[0], letterbox.frame_size[0])
        self._x = composed_axis(width, mask_stride, letterbox.resized_size[1], letterbox.frame_size[1])

    def __len__(self) -> int:
        return len(self.probabilities)

    def __getitem__(self, index: _Index) -> Masks:
        chosen = self.probabilities[index]
        return Masks(chosen[None] if chosen.ndim == 2 else chosen, self.letterbox, self.mask_stride)

    def __iter__(self) -> Iterator[Masks]:
        return (self[index] for index in range(len(self)))

    def dense(self) -> NDArray[np.bool_]:
        """All pixels: bool (n, H0, W0)."""
        pixels = np.zeros((len(self), *self.letterbox.frame_size), np.bool_)
        for target, cells, window in zip(pixels, self.probabilities, self._windows, strict=True):
            if window is not None:
                target[window.y, window.x] = self._columns(cells, window).T
        return pixels

    def rle(self) -> list[dict[str, Any]]:
        """COCO run-length encodings, `{"size": [H0, W0], "counts": str}` (compressed, ready for JSON)."""
        from pycocotools.mask import frPyObjects

        height, width = self.letterbox.frame_size
        encoded = []
        for runs in self._runs:
            edges = np.concatenate(([0], runs.ravel(), [height * width]))
            counts = np.diff(edges[:-1] if edges[-1] == edges[-2] else edges)
            counts_text = frPyObjects({"size": [height, width], "counts": counts}, height, width)["counts"]
            encoded.append({"size": [height, width], "counts": counts_text.decode("ascii")})
        return encoded

    def areas(self) -> NDArray[np.int64]:
        """Pixels per object: int64 (n,)."""
        return np.array([(runs[:, 1] - runs[:, 0]).sum() for runs in self._runs], np.int64)

    def polygons(self) -> list[list[NDArray[np.float32]]]:
        """Outer outlines of each object, one per connected part: float32 (m, 2), m >= 3, xy pixel indices in the frame.

        Holes are not outlined, and parts too thin for three corners have no outline.
        """
        import cv2

        outlines = []
        for cells, window in zip(self.probabilities, self._windows, strict=True):
            parts: list[NDArray[np.float32]] = []
            if window is not None:
                found, _ = cv2.findContours(
                    np.ascontiguousarray(self._columns(cells, window).T).view(np.uint8),
                    cv2.RETR_EXTERNAL,
                    cv2.CHAIN_APPROX_SIMPLE,
                    offset=(window.x.start, window.y.start),
                )
                parts = [part.reshape(-1, 2).astype(np.float32) for part in found if len(part) >= 3]
            outlines.append(parts)
        return outlines

    @cached_property
    def _windows(self) -> list[_Window | None]:
        inside = self.probabilities > 0.5
        lines = zip(np.any(inside, axis=2), np.any(inside, axis=1), strict=True)
        return [self._window(in_rows, in_cols) for in_rows, in_cols in lines]

    def _window(self, in_rows: NDArray[np.bool_], in_cols: NDArray[np.bool_]) -> _Window | None:
        if not in_rows.any():
            return None
        y, x = (
            axis.reach(int(hit.argmax()), len(hit) - int(hit[::-1].argmax()))
            for axis, hit in ((self._y, in_rows), (self._x, in_cols))
        )
        # Empty where only cells of the border are above 0.5.
        return _Window(y, x) if y.start < y.stop and x.start < x.stop else None

    @cached_property
    def _runs(self) -> list[NDArray[np.int64]]:
        """Per object (m, 2): [start, stop) of each run of mask pixels, counted down the columns of the frame."""
        return [
            np.empty((0, 2), np.int64) if window is None else self._column_runs(cells, window)
            for cells, window in zip(self.probabilities, self._windows, strict=True)
        ]

    def _column_runs(self, cells: NDArray[np.float32], window: _Window) -> NDArray[np.int64]:
        height = window.y.stop - window.y.start
        columns = self._columns(cells, window)
        # A pixel of background above each column, and one at the very end, makes every run start and stop inside.
        flat = np.zeros(len(columns) * (height + 1) + 1, np.bool_)
        flat[:-1].reshape(-1, height + 1)[:, 1:] = columns
        edges = np.flatnonzero(flat[1:] != flat[:-1])
        ends = np.stack((edges[0::2] + 1, edges[1::2]), axis=1)  # first and last pixel of each run
        column, row = np.divmod(ends, height + 1)
        runs: NDArray[np.int64] = (column + window.x.start) * self.letterbox.frame_size[0] + row - 1 + window.y.start
        runs[:, 1] += 1
        # A run that leaves the frame's bottom and one that starts at the next column's top are one in COCO's order.
        joined = np.flatnonzero(runs[1:, 0] == runs[:-1, 1])
        if not len(joined):
            return runs
        return np.delete(runs.ravel(), np.concatenate((2 * joined + 1, 2 * joined + 2))).reshape(-1, 2)

    def _columns(self, cells: NDArray[np.float32], window: _Window) -> NDArray[np.bool_]:
        """The window's pixels, transposed: bool (w, h), so that a column of the frame is contiguous, as COCO counts.

        The one place where pixels are decided: pixels, runs and outlines agree to the last bit.
        """
        band = self._x.cells(window.x)
        narrow = cells[:, band]
        half = np.empty((window.y.stop - window.y.start, narrow.shape[1]), np.float32)
        for piece in self._y.blocks(window.y, narrow.shape[1]):
            read = self._y.cells(piece)
            np.matmul(self._y.weights[piece, read], narrow[read], out=half[_within(piece, window.y)])
        columns = np.empty((window.x.stop - window.x.start, len(half)), np.bool_)
        for piece in self._x.blocks(window.x, len(half)):
            read = self._x.cells(piece)
            values = self._x.weights[piece, read] @ half[:, _within(read, band)].T
            np.greater(values, 0.5, out=columns[_within(piece, window.x)])
        return columns


def _within(part: slice, whole: slice) -> slice:
    return slice(part.start - whole.start, part.stop - whole.start)
