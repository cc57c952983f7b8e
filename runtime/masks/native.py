"""Masks at frame size by the native library: pixels, bits and runs of one and the same arithmetic."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.masks.axis import Axis
from stc.runtime.masks.outlines import Part
from stc.runtime.masks.pixel_buffer import PixelBuffer
from stc.runtime.native.interface import NO_ROOM, FrameAxis, FrameMasks, Outlines
from stc.runtime.native.library import FAILURES, STORAGE, Library


@dataclass(frozen=True)
class NativeComposer:
    """From probabilities (n, rows, cols), float32 or float16, to masks at the size of `y` and `x`, the frame's axes."""

    library: Library
    y: Axis
    x: Axis

    def dense(self, probabilities: NDArray[Any], buffer: PixelBuffer | None = None) -> NDArray[np.bool_]:
        """All pixels: bool (n, H0, W0), in `buffer` where it is given."""
        pixels, written = (buffer or PixelBuffer()).blank(len(probabilities), self._size)
        self._call("stc_cpu_dense_masks", probabilities, pixels.ctypes.data, written.ctypes.data)
        return pixels.view(np.bool_)

    def bits(self, probabilities: NDArray[Any]) -> NDArray[np.uint32]:
        """uint32 (n, H0, ceil(W0 / 32)): pixel x is bit x % 32 of word x // 32."""
        height, width = self._size
        words = np.empty((len(probabilities), height, -(-width // 32)), np.uint32)
        self._call("stc_cpu_bit_masks", probabilities, words.ctypes.data)
        return words

    def rle(self, probabilities: NDArray[Any]) -> tuple[list[str], NDArray[np.int64]]:
        """COCO's compressed counts and the areas, int64 (n,), in pixels."""
        n = len(probabilities)
        ends, areas = np.zeros(n, np.int64), np.zeros(n, np.int64)
        height, width = self._size
        # Enough for masks that are nothing but noise. Memory that is not written to costs nothing.
        capacity = n * max(4096, height * width // 8)
        while True:
            text = np.empty(capacity, np.uint8)
            needed = self._call(
                "stc_cpu_rle_masks",
                probabilities,
                text.ctypes.data,
                capacity,
                ends.ctypes.data,
                areas.ctypes.data,
            )
            if needed <= 0:
                break
            capacity = needed
        whole = text[: ends[-1]].tobytes().decode("ascii") if n else ""
        return [whole[begin:end] for begin, end in zip((0, *ends[:-1].tolist()), ends.tolist(), strict=False)], areas

    def parts(self, probabilities: NDArray[Any]) -> list[list[Part]]:
        """The rings of each mask (`outlines.Part`)."""
        corner_room, ring_room = len(probabilities) * 4096, len(probabilities) * 64
        while True:
            corners, rings = np.empty((corner_room, 2), np.int32), np.empty((ring_room, 3), np.int64)
            found = Outlines(corners.ctypes.data, rings.ctypes.data, corner_room, ring_room)
            status = self._call("stc_cpu_outline_masks", probabilities, ctypes.byref(found))
            if status != NO_ROOM:
                break
            corner_room, ring_room = found.corners, found.rings
        masks: list[list[Part]] = [[] for _ in probabilities]
        whole, begin = corners[: found.corners].astype(np.int64), 0
        for instance, part, end in rings[: found.rings].tolist():
            ring, begin = whole[begin:end], end
            if part == len(masks[instance]):
                masks[instance].append((ring, []))
            else:
                masks[instance][part][1].append(ring)
        return masks

    @property
    def _size(self) -> tuple[int, int]:
        return len(self.y), len(self.x)

    def _call(self, name: str, probabilities: NDArray[Any], *outputs: Any) -> int:
        cells = np.ascontiguousarray(probabilities)
        masks = FrameMasks(cells.ctypes.data, _axis(self.y), _axis(self.x), *cells.shape)
        function = getattr(self.library.handle, name)
        status = int(function(ctypes.byref(masks), STORAGE[cells.dtype], *outputs, self.library.threads))
        if status < 0 and status != NO_ROOM:
            raise InputError(f"masks {cells.shape} to {self._size}: {FAILURES[status]}")
        return status


def _axis(axis: Axis) -> FrameAxis:
    return FrameAxis(axis.first.ctypes.data, axis.share.ctypes.data, len(axis))
