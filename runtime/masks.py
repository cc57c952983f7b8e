"""Masks of one frame, kept at the model's stride until somebody asks for pixels, runs or outlines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stc.errors import InputError
from stc.runtime.geometry import composed_axis
from stc.runtime.native import Library
from stc.runtime.native_masks import NativeComposer
from stc.runtime.numpy_masks import NumpyComposer
from stc.runtime.preprocess import Letterbox

_Index = int | slice | NDArray[Any] | list[int] | list[bool]


class Masks:
    """The masks of n objects in one frame of (H0, W0) pixels.

    `probabilities` is (n, Hm, Wm) in 0..1, float32 or float16, at `mask_stride` input pixels per cell. A pixel belongs
    to the mask where the probability resampled to the frame is above 0.5 (AdelaiDet's post-processing, `geometry.py`):
    exact, and computed only inside the box that the cells above 0.5 can reach, because resampling is a convex
    combination.

    Nothing is computed before it is asked for; runs are kept once computed. `masks[index]` with an integer, slice,
    boolean or integer array gives the masks of those objects (an integer: one object).
    """

    def __init__(
        self, probabilities: ArrayLike, letterbox: Letterbox, mask_stride: int, native: Library | None = None
    ) -> None:
        """`native` does the work where it is given, NumPy otherwise; they may differ in pixels at the threshold.

        Raises InputError when `probabilities` is not (n, Hm, Wm) or does not cover the resized picture.
        """
        self.probabilities = np.asarray(probabilities, np.float32)
        self.letterbox = letterbox
        self.mask_stride = mask_stride
        if self.probabilities.ndim != 3:
            raise InputError(f"mask probabilities must be (n, Hm, Wm); got {self.probabilities.shape}")
        _, height, width = self.probabilities.shape
        y = composed_axis(height, mask_stride, letterbox.resized_size[0], letterbox.frame_size[0])
        x = composed_axis(width, mask_stride, letterbox.resized_size[1], letterbox.frame_size[1])
        self._native = native
        self._composer = NativeComposer(native, y, x) if native else NumpyComposer(y, x)

    def __len__(self) -> int:
        return len(self.probabilities)

    def __getitem__(self, index: _Index) -> Masks:
        chosen = self.probabilities[index]
        return Masks(chosen[None] if chosen.ndim == 2 else chosen, self.letterbox, self.mask_stride, self._native)

    def __iter__(self) -> Iterator[Masks]:
        return (self[index] for index in range(len(self)))

    def dense(self) -> NDArray[np.bool_]:
        """All pixels: bool (n, H0, W0)."""
        return self._composer.dense(self.probabilities)

    def bits(self) -> NDArray[np.uint32]:
        """All pixels, one bit each: uint32 (n, H0, ceil(W0 / 32)); pixel x is bit x % 32 of word x // 32."""
        return self._composer.bits(self.probabilities)

    def rle(self) -> list[dict[str, Any]]:
        """COCO run-length encodings, `{"size": [H0, W0], "counts": str}` (compressed, ready for JSON)."""
        return [{"size": list(self.letterbox.frame_size), "counts": counts} for counts in self._encoded[0]]

    def areas(self) -> NDArray[np.int64]:
        """Pixels per object: int64 (n,)."""
        return self._encoded[1].copy()

    def polygons(self) -> list[list[NDArray[np.float32]]]:
        """Outer outlines of each object, one per connected part: float32 (m, 2), m >= 3, xy pixel indices in the frame.

        Holes are not outlined, and parts too thin for three corners have no outline.
        """
        from stc.opencv import cv2

        outlines = []
        for index in range(len(self)):
            pixels = self._composer.dense(self.probabilities[index : index + 1])[0].view(np.uint8)
            found, _ = cv2.findContours(pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
            outlines.append([part.reshape(-1, 2).astype(np.float32) for part in found if len(part) >= 3])
        return outlines

    @cached_property
    def _encoded(self) -> tuple[list[str], NDArray[np.int64]]:
        return self._composer.rle(self.probabilities)
