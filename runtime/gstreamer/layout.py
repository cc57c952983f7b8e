"""Where the pixels of a frame lie in a buffer's bytes, and the frame in them without a copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.frames.yuv import YuvFrame
from stc.runtime.letterbox import AnyFrame

Format = Literal["BGR", "RGB", "NV12", "I420"]
PACKED: tuple[Format, ...] = ("BGR", "RGB")  # those that can be drawn into
FORMATS: tuple[Format, ...] = get_args(Format)


@dataclass(frozen=True)
class Layout:
    """A raw video frame of `size` (H, W). strides, offsets: bytes, one for each plane, as GstVideoInfo has them.

    matrix, full_range: of YUV, as in `YuvFrame`.
    """

    format: Format
    size: tuple[int, int]
    strides: tuple[int, ...]
    offsets: tuple[int, ...]
    matrix: str = "bt601"
    full_range: bool = False

    def frame(self, data: memoryview | bytes) -> AnyFrame:
        """The frame in `data`: a view, as long as the bytes are there. Raises InputError for too few bytes."""
        height, width = self.size
        half = (height + 1) // 2, (width + 1) // 2
        if self.format in PACKED:
            return self.picture(data)
        luma = self._plane(data, 0, (height, width), 1)
        if self.format == "NV12":
            chroma = self._plane(data, 1, (*half, 2), 2)
            return YuvFrame(luma, chroma[..., 0], chroma[..., 1], self.matrix, self.full_range)
        blue, red = (self._plane(data, plane, half, 1) for plane in (1, 2))
        return YuvFrame(luma, blue, red, self.matrix, self.full_range)

    def picture(self, data: memoryview | bytes) -> NDArray[np.uint8]:
        """The frame of a packed format as BGR (H, W, 3): a view, writable where `data` is."""
        pixels = self._plane(data, 0, (*self.size, 3), 3)
        return pixels if self.format == "BGR" else pixels[..., ::-1]

    def _plane(self, data: memoryview | bytes, plane: int, shape: tuple[int, ...], pixel: int) -> NDArray[np.uint8]:
        stride, offset = self.strides[plane], self.offsets[plane]
        needed = offset + (shape[0] - 1) * stride + shape[1] * pixel
        if len(data) < needed or stride < shape[1] * pixel:
            height, width = self.size
            raise InputError(
                f"a buffer of {len(data)} bytes is too short for {self.format} of {width}x{height} (plane {plane}: "
                f"{needed} bytes, rows of {stride}); see its caps with: gst-launch-1.0 -v"
            )
        return np.ndarray(shape, np.uint8, data, offset, (stride, pixel, 1)[: len(shape)])
