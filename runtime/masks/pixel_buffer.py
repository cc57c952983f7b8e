"""Memory for masks as pixels that serves one frame after another.

Twenty masks at 3840x2160 are 166 MB. Memory fresh from the system is cleared by it, page by page as it is first written
to, and that takes several times as long as the pixels. Memory that was used before is warm, and only the part of each
frame that the last masks could reach has to be cleared.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT = 256 << 20  # bytes at most, of buffers that nobody has


class PixelBuffer:
    """What `Masks.dense(into=…)` writes into; it grows as more masks are asked for.

    For one thread at a time: the arrays that `dense` gives are views, valid until the buffer's next use.
    """

    def __init__(self) -> None:
        self._pixels = np.zeros((0, 0, 0), np.uint8)
        self._written = np.zeros((0, 4), np.int32)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of a mask."""
        return self._pixels.shape[1], self._pixels.shape[2]

    @property
    def nbytes(self) -> int:
        return self._pixels.nbytes

    def blank(self, count: int, size: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Pixels uint8 (count, *size), all 0, and where to note what is written of each: int32 (count, 4), rows [0] to
        before [1], columns [2] to before [3].
        """
        # Memory fresh from the system is zero and costs nothing until it is written to; most of a frame never is.
        if self.size != size:
            self._pixels = np.zeros((count, *size), np.uint8)
        elif len(self._pixels) < count:
            self._pixels = np.zeros((count + count // 4, *size), np.uint8)
        else:
            for pixels, (top, bottom, left, right) in zip(self._pixels, self._written.tolist(), strict=False):
                pixels[top:bottom, left:right] = 0
        self._written = np.zeros((count, 4), np.int32)
        return self._pixels[:count], self._written


class Pool:
    """Buffers of arrays that nobody has any more, at most `most` bytes of them; any thread may ask.

    Its arrays are read-only, and cannot be made otherwise: of what a buffer holds, `blank` clears what was drawn.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        # What came back last is the last, and warm. No lock: an array may be forgotten in any line, of `_take` too, and
        # a process be forked there.
        self._free: deque[PixelBuffer] = deque()

    @property
    def nbytes(self) -> int:
        """Of the buffers that nobody has."""
        return sum(buffer.nbytes for buffer in list(self._free))

    def drawn(self, draw: Callable[[PixelBuffer], NDArray[np.bool_]], size: tuple[int, int]) -> NDArray[np.bool_]:
        """What `draw` draws into a buffer for masks of `size`, which is the array's until its last view is gone."""
        buffer = self._take(size)
        lent: NDArray[np.bool_] = np.asarray(_Lent(draw(buffer), buffer, self))
        return lent

    def keep(self, buffer: PixelBuffer) -> None:
        """Nobody has it. The oldest ones go, where there are too many."""
        self._free.append(buffer)
        while self.nbytes > self._most:
            with suppress(IndexError):
                self._free.popleft()

    def _take(self, size: tuple[int, int]) -> PixelBuffer:
        for buffer in reversed(list(self._free)):
            if buffer.size == size:
                with suppress(ValueError, IndexError):  # another thread was first
                    self._free.remove(buffer)
                    return buffer
        return PixelBuffer()


class _Lent:
    """The base of an array in a buffer of a pool: gone when nobody has the array, nor a view of it."""

    def __init__(self, pixels: NDArray[np.bool_], buffer: PixelBuffer, pool: Pool) -> None:
        self.__array_interface__: dict[str, Any] = pixels.__array_interface__ | {"data": (pixels.ctypes.data, True)}
        self._buffer, self._pool = buffer, pool

    def __del__(self) -> None:
        self._pool.keep(self._buffer)


_POOL = Pool(KEPT)


def drawn(
    draw: Callable[[PixelBuffer], NDArray[np.bool_]], size: tuple[int, int], into: PixelBuffer | None
) -> NDArray[np.bool_]:
    """What `draw` draws into `into`, or into memory of an earlier array that nobody has any more: read-only."""
    if into is None:
        return _POOL.drawn(draw, size)
    pixels = draw(into)
    pixels.flags.writeable = False
    return pixels
