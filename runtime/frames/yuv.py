"""Frames as decoders give them, planes of luma and of chroma at half the size: resized before they are converted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError

Plane = NDArray[np.uint8]
Colours = tuple[int, float, float, float, float, float]
MATRICES = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}  # the shares of red and blue in luma


@dataclass(frozen=True, eq=False)
class YuvFrame:
    """A frame in YUV 4:2:0, 8 bits: `y` uint8 (H, W); `u` and `v` uint8 (H / 2, W / 2), rounded up. Any strides: of
    NV12, `u` and `v` are `uv[..., 0]` and `uv[..., 1]`. A pixel of chroma belongs to its four pixels of luma alike.

    matrix: ITU-R "bt601" (FFmpeg's where nothing is said) or "bt709". full_range: levels 0..255, as JPEG; else luma is
    16..235 and chroma 16..240. Raises InputError for other shapes, types or matrices.
    """

    y: Plane
    u: Plane
    v: Plane
    matrix: str = "bt601"
    full_range: bool = False

    def __post_init__(self) -> None:
        if self.matrix not in MATRICES:
            raise InputError(f"unknown colour matrix {self.matrix!r}; known: {', '.join(MATRICES)}")
        height, width = self.y.shape if isinstance(self.y, np.ndarray) and self.y.ndim == 2 else (0, 0)
        half = (height + 1) // 2, (width + 1) // 2
        for name, plane, shape in (("y", self.y, (height, width)), ("u", self.u, half), ("v", self.v, half)):
            if not isinstance(plane, np.ndarray) or plane.dtype != np.uint8 or plane.shape != shape or 0 in shape:
                found = f"{plane.dtype} {plane.shape}" if isinstance(plane, np.ndarray) else type(plane).__name__
                raise InputError(f"plane {name} must be uint8 {shape if 0 not in shape else '(H, W)'}; got {found}")

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.y.shape[0], self.y.shape[1]

    @property
    def colours(self) -> Colours:
        """From its levels to colours."""
        return colours(self.matrix, self.full_range)

    def bgr(self) -> NDArray[np.uint8]:
        """The picture, uint8 (H, W, 3)."""
        height, width = self.size
        u, v = (
            c.repeat(2, axis=0).repeat(2, axis=1)[:height, :width].astype(np.float32) - 128 for c in (self.u, self.v)
        )
        black, luma, blue_u, green_u, green_v, red_v = self.colours
        grey = (self.y.astype(np.float32) - black) * np.float32(luma)
        mixed = np.stack((grey + blue_u * u, grey - green_u * u - green_v * v, grey + red_v * v), axis=-1)
        picture: NDArray[np.uint8] = np.rint(mixed).clip(0, 255).astype(np.uint8)
        return picture


def colours(matrix: str, full_range: bool) -> Colours:
    """The level of black, and luma's, u's in blue, u's and v's in green, and v's factor in red; u and v are levels less
    128, and green's factors are subtracted.
    """
    red, blue = MATRICES[matrix]
    green = 1 - red - blue
    luma, chroma = (1.0, 1.0) if full_range else (255 / 219, 255 / 224)
    blue_u, red_v = 2 * (1 - blue) * chroma, 2 * (1 - red) * chroma
    return 0 if full_range else 16, luma, blue_u, blue_u * blue / green, red_v * red / green, red_v
