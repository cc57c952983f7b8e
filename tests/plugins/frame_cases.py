"""Random frames in device memory for the resize kernels, and what must come out: the CPU library's bytes.

Needs NumPy alone, as `kernel_cases`.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from stc.runtime.frames.yuv import YuvFrame
from stc.runtime.native import cuda_interface as cuda
from stc.runtime.native import filters
from stc.runtime.native import resize as native
from stc.runtime.native.interface import Resize, ResizeAxis, YuvColours
from stc.runtime.native.library import Library
from tests.plugins.kernel_cases import Address, Array, on_host, placed

LAYOUTS = {"bgr": (3, 0, 1), "rgb": (3, 2, -1), "bgra": (4, 0, 1), "rgba": (4, 2, -1), "gray": (1, 0, 0)}
MOST_BITS = (22, 16)  # of a weight along y and x: what STC_ROWS_FIRST has


@dataclass(frozen=True)
class FrameResize:
    """A frame of `size` (H, W) to `resized` (h, w) at the top left of `input_size`, by a rule of `letterbox`.

    layout: of LAYOUTS or "nv12". planes: bytes (rows, length), whose rows may lie apart. slot: uint8 (H, W, 3).
    """

    layout: str
    rule: str
    size: tuple[int, int]
    resized: tuple[int, int]
    border: tuple[int, int, int]
    planes: tuple[Array, ...]
    slot: Array
    axes: tuple[Array, ...]  # first and weights of y, x, and of NV12's chroma
    bits: tuple[int, ...]

    @classmethod
    def random(
        cls,
        rng: np.random.Generator,
        layout: str,
        rule: str,
        size: tuple[int, int],
        resized: tuple[int, int],
        input_size: tuple[int, int],
        gap: int = 0,
        shift: int = 0,
    ) -> FrameResize:
        """gap: bytes between rows; shift: of both the frame and the slot from an aligned address."""
        height, width = size
        shapes = [(height, width), ((height + 1) // 2, (width + 1) // 2 * 2)]
        if layout != "nv12":
            shapes = [(height, width * LAYOUTS[layout][0])]
        planes = []
        for rows, length in shapes:
            # The last row ends with its last pixel, as memory may.
            memory = placed(rng.integers(0, 256, (rows - 1) * (length + gap) + length, np.uint8), shift)
            planes.append(np.lib.stride_tricks.as_strided(memory, (rows, length), (length + gap, 1)))
        axes, bits = [], []
        wide = [*filters.axes(rule, size, resized)]
        if layout == "nv12":
            luma = list(map(filters.capped, wide))
            wide = [*luma, *map(filters.halved, luma)]
        for axis, most in zip(wide, 2 * MOST_BITS, strict=False):
            weights, fraction = filters.shortened(axis, most)
            axes += [placed(axis[0]), placed(weights)]
            bits.append(fraction)
        slot = placed(np.full((*input_size, 3), 0xAA, np.uint8), shift)
        blue, green, red = rng.integers(0, 256, 3).tolist()
        return cls(layout, rule, size, resized, (blue, green, red), tuple(planes), slot, tuple(axes), tuple(bits))

    @property
    def memory(self) -> tuple[Array, ...]:
        """The planes as the bytes that they lie in."""
        return tuple(
            np.lib.stride_tricks.as_strided(p, ((p.shape[0] - 1) * p.strides[0] + p.shape[1],), (1,))
            for p in self.planes
        )

    @property
    def inputs(self) -> tuple[Array, ...]:
        return *self.memory, *self.axes

    def op(self, address: Address = on_host) -> ctypes.Structure:
        planes = [address(plane) for plane in self.memory]
        axes = [
            cuda.ShortAxis(address(first), address(weights), weights.shape[1], weights.shape[0], bits)
            for first, weights, bits in zip(self.axes[::2], self.axes[1::2], self.bits, strict=True)
        ]
        border = (ctypes.c_uint8 * 4)(*self.border)
        slot = cuda.Slot(address(self.slot), self.slot.strides[0], *self.slot.shape[:2], border)
        if self.layout == "nv12":
            black, *factors = self._yuv().colours
            colours = YuvColours(black, *(round(factor * 2**native.COLOUR_BITS) for factor in factors))
            strides = (plane.strides[0] for plane in self.planes)
            return cuda.DeviceResizeYuv(*planes, *strides, *self.size, *axes, colours, slot)
        pixel, blue, channel = LAYOUTS[self.layout]
        return cuda.DeviceResize(planes[0] + blue, self.planes[0].strides[0], pixel, channel, *self.size, *axes, slot)

    @property
    def function(self) -> str:
        return "resize_yuv" if self.layout == "nv12" else "resize"

    def _yuv(self) -> YuvFrame:
        y, uv = self.planes
        return YuvFrame(y, uv[:, ::2], uv[:, 1::2], "bt709" if self.size[0] % 2 else "bt601", self.size[1] % 3 == 0)

    def bgr(self) -> Array:
        """The frame uint8 (H, W, 3) as a view, but for NV12."""
        if self.layout == "nv12":
            return self._yuv().bgr()
        pixel, blue, channel = LAYOUTS[self.layout]
        pixels = self.planes[0][:, blue:]
        return np.lib.stride_tricks.as_strided(pixels, (*self.size, 3), (pixels.strides[0], pixel, channel))

    def expected(self, library: Library) -> Array:
        """The slot by the CPU library; of "linear" in rows first with the kernels' weights, within a grey level of
        OpenCV's, which the host's pictures get.
        """
        picture = np.empty_like(self.slot)
        picture[...] = self.border
        target = picture[: self.resized[0], : self.resized[1]]
        if self.layout == "nv12":
            native.resize_yuv(library, self._yuv(), target, self.rule)
        elif self.rule == "linear":
            self._rows_first(library, target)
        else:
            native.resize(library, self.bgr(), target, self.rule)
        return picture

    def _rows_first(self, library: Library, target: Array) -> None:
        pixels = self.bgr()
        kept = filters.axes(self.rule, self.size, self.resized)  # its arrays are read below
        axes = [ResizeAxis(first.ctypes.data, weights.ctypes.data, *weights.shape) for first, weights in kept]
        at, pitch = (pixels.ctypes.data, target.ctypes.data), target.strides[0]
        op = Resize(*at, *pixels.strides, pitch, *self.size, native.ROWS_FIRST, *axes)
        assert library.handle.stc_cpu_resize(ctypes.byref(op), 1) == 0
