"""Masks of one frame, kept at the model's stride until somebody asks for pixels, runs or outlines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stc.annotations.masks import decode
from stc.errors import InputError
from stc.runtime.letterbox import Letterbox
from stc.runtime.masks.axis import composed_axis
from stc.runtime.masks.box_bits import tight_boxes
from stc.runtime.masks.native import NativeComposer
from stc.runtime.masks.outlines import outlines, polygons
from stc.runtime.masks.pixel_buffer import PixelBuffer, drawn
from stc.runtime.masks.plain import NumpyComposer, packed
from stc.runtime.native.library import Library

KEPT = (np.dtype(np.float32), np.dtype(np.float16))
_Index = int | slice | NDArray[Any] | list[int] | list[bool]


class Masks:
    """The masks of n objects in one frame of (H0, W0) pixels.

    `probabilities` is (n, Hm, Wm) in 0..1 as the engine gave them, float32 or float16, at `mask_stride` input pixels
    per cell; half precision gives the pixels that its floats would. A pixel belongs to the mask where the probability
    resampled to the frame is above 0.5 (AdelaiDet's post-processing, `axis.py`): exact, and computed only inside the
    box that the cells above 0.5 can reach, because resampling is a convex combination.

    Nothing is computed before it is asked for; runs are kept once computed. `masks[index]` with an integer, slice,
    boolean or integer array gives the masks of those objects (an integer: one object).

    Pickling and copying ask for the runs: copies take their pixels from them, so they are equal to the last bit in
    every process, with the native library or without it.
    """

    def __init__(
        self, probabilities: ArrayLike, letterbox: Letterbox, mask_stride: int, native: Library | None = None
    ) -> None:
        """`native` does the work where it is given, NumPy otherwise; they may differ in pixels at the threshold.

        Raises InputError when `probabilities` is not (n, Hm, Wm), not in the CPU's memory, or does not cover the
        resized picture.
        """
        try:
            given = np.asarray(probabilities)
            # Halves stay halves: many masks are never looked at, and those that are widen where they are read.
            self.probabilities: NDArray[Any] = given if given.dtype in KEPT else given.astype(np.float32)
        except (TypeError, ValueError) as error:
            found = type(probabilities).__name__
            raise InputError(f"mask probabilities must be numbers in the CPU's memory; got a {found}") from error
        self.letterbox = letterbox
        self.mask_stride = mask_stride
        if self.probabilities.ndim != 3 or 0 in self.probabilities.shape[1:]:
            raise InputError(f"mask probabilities must be (n, Hm, Wm); got {self.probabilities.shape}")
        if mask_stride < 1:
            raise InputError(f"the stride of a mask must be at least one pixel; got {mask_stride}")
        _, height, width = self.probabilities.shape
        y = composed_axis(height, mask_stride, letterbox.resized_size[0], letterbox.frame_size[0])
        x = composed_axis(width, mask_stride, letterbox.resized_size[1], letterbox.frame_size[1])
        composer = NativeComposer(native, y, x) if native else NumpyComposer(y, x)
        self._composer: NativeComposer | NumpyComposer | None = composer  # None: a copy, whose runs are known

    def __len__(self) -> int:
        return len(self.probabilities)

    def __getitem__(self, index: _Index) -> Masks:
        part = object.__new__(Masks)
        part.__dict__.update(self.__dict__)
        chosen = self.probabilities[index]
        part.probabilities = chosen[None] if chosen.ndim == 2 else chosen
        if "_encoded" in self.__dict__:
            texts, areas = self._encoded
            rows = np.atleast_1d(np.arange(len(self))[index])
            part.__dict__["_encoded"] = [texts[row] for row in rows], areas[rows]
        return part

    def __getstate__(self) -> dict[str, Any]:
        """What makes up the masks, without the library that this process may have."""
        return self.__dict__ | {"_encoded": self._encoded, "_composer": None}

    def __iter__(self) -> Iterator[Masks]:
        return (self[index] for index in range(len(self)))

    def dense(self, into: PixelBuffer | None = None) -> NDArray[np.bool_]:
        """All pixels: bool (n, H0, W0), read-only: of a copy, `dense().copy()`, every pixel is the caller's.

        into: memory whose next use ends the array. None: memory of an earlier array that nobody has any more, which of
        large frames is several times as fast as fresh one; the array holds it as long as it, or a view of it, lives.
        """
        return drawn(self._drawn, self.letterbox.frame_size, into)

    def bits(self, *, device: bool = False) -> Any:
        """All pixels, one bit each: uint32 (n, H0, ceil(W0 / 32)); pixel x is bit x % 32 of word x // 32.

        device: as a `DeviceArray` in the memory of the GPU that the frame was on, of whoever asks: only where masks are
        there (`resident/masks.py`), else InputError.
        """
        if device:
            raise InputError("these masks are in the CPU's memory, so their bits are too: ask without device=True")
        if self._composer is None:
            return packed(self._decoded())
        return self._composer.bits(self.probabilities)

    def rle(self) -> list[dict[str, Any]]:
        """COCO run-length encodings, `{"size": [H0, W0], "counts": str}` (compressed, ready for JSON)."""
        return [{"size": list(self.letterbox.frame_size), "counts": counts} for counts in self._encoded[0]]

    def areas(self) -> NDArray[np.int64]:
        """Pixels per object: int64 (n,)."""
        return self._encoded[1].copy()

    def boxes(self) -> NDArray[np.int32]:
        """The smallest box of each object's pixels: int32 (n, 4), xyxy frame pixels, x1 and y1 exclusive; 0 where it
        has none.
        """
        return np.concatenate([np.empty((0, 4), np.int32), *(tight_boxes(mask.dense()) for mask in self)])

    def polygons(self, *, holes: bool = True) -> list[list[NDArray[np.float32]]]:
        """Outlines of each object along the edges of its pixels, one per connected part: float32 (m, 2), m >= 4, xy in
        frame pixels, where the first pixel covers 0 to 1, as COCO's polygons do.

        Filling them gives the mask back to the pixel (`pycocotools.mask.frPyObjects`; of more than 100,000 points an
        outline is split). holes: cut them out, each by a slit of no width; False: outer outlines only, to draw.
        """
        found: list[list[NDArray[np.float32]] | None] = [None] * len(self)
        if isinstance(self._composer, NativeComposer):
            found = [polygons(parts, holes=holes) for parts in self._composer.parts(self.probabilities)]
        return [
            outlines(mask.dense()[0], holes=holes) if known is None else known
            for mask, known in zip(self, found, strict=True)
        ]

    def _drawn(self, buffer: PixelBuffer) -> NDArray[np.bool_]:
        return self._decoded(buffer) if self._composer is None else self._composer.dense(self.probabilities, buffer)

    def _decoded(self, buffer: PixelBuffer | None = None) -> NDArray[np.bool_]:
        height, width = size = self.letterbox.frame_size
        pixels, written = (buffer or PixelBuffer()).blank(len(self), size)
        written[:] = 0, height, 0, width
        for target, rle in zip(pixels, self.rle(), strict=True):
            target[:] = decode(rle)
        return pixels.view(np.bool_)

    @cached_property
    def _encoded(self) -> tuple[list[str], NDArray[np.int64]]:
        if self._composer is None:
            raise AssertionError("a copy comes with its runs")
        return self._composer.rle(self.probabilities)
