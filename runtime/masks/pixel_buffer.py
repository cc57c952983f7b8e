"""Memory for masks as pixels that serves one frame after another.

Twenty masks at 3840x2160 are 166 MB. Memory fresh from the system is cleared by it, page by page as it is first written
to, and that takes several times as long as the pixels. Memory that was used before is warm, and only the part of each
frame that the last masks could reach has to be cleared.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class PixelBuffer:
    """What `Masks.dense(into=…)` writes into; it grows as more masks are asked for.

    For one thread at a time: the arrays that `dense` gives are views, valid until the buffer's next use.
    """

    def __init__(self) -> None:
        self._pixels = np.zeros((0, 0, 0), np.uint8)
        self._written = np.zeros((0, 4), np.int32)

    def blank(self, count: int, size: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Pixels uint8 (count, *size), all 0, and where to note what is written of each: int32 (count, 4), rows [0] to
        before [1], columns [2] to before [3].
        """
        # Memory fresh from the system is zero and costs nothing until it is written to; most of a frame never is.
        if self._pixels.shape[1:] != size:
            self._pixels = np.zeros((count, *size), np.uint8)
        elif len(self._pixels) < count:
            self._pixels = np.zeros((max(count, 2 * len(self._pixels)), *size), np.uint8)
        else:
            for pixels, (top, bottom, left, right) in zip(self._pixels, self._written.tolist(), strict=False):
                pixels[top:bottom, left:right] = 0
        self._written = np.zeros((count, 4), np.int32)
        return self._pixels[:count], self._written
