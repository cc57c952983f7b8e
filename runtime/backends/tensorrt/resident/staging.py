"""Frames of the host on their way to the GPU: as they came, in pinned memory, from which they are copied at once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.backends.tensorrt.cuda import Cuda
from stc.runtime.backends.tensorrt.resident.frame import Placed, Plane
from stc.runtime.backends.tensorrt.resident.memory import Buffer, aligned, close_all
from stc.runtime.frames.yuv import Colours, YuvFrame
from stc.runtime.letterbox import AnyFrame


class Staging:
    """Buffers that frames in flight use in turn; any thread may `copy`, the GPU being its current one.

    How many there are is how many frames there were at once.
    """

    def __init__(self, cuda: Cuda, stream: Any) -> None:
        self._cuda, self._stream = cuda, stream
        self._free: deque[Buffer] = deque()
        self._all: list[Buffer] = []
        self._there: list[Buffer] = []  # on the GPU, one for each place in a batch

    def copy(self, frame: AnyFrame) -> Staged:
        """Raises DeviceError where there is no memory."""
        try:
            buffer = self._free.pop()
        except IndexError:
            # A run waits for its uploads. And the stream may be capturing a graph now, which waiting would spoil.
            buffer = Buffer(self._cuda, None, host=True)
            self._all.append(buffer)
        staged = Staged(self._free, buffer)
        arrays: list[NDArray[np.uint8]] = [frame] if isinstance(frame, np.ndarray) else [frame.y]
        if isinstance(frame, YuvFrame):
            arrays.append(np.stack((frame.u, frame.v), axis=-1))
            staged.colours = frame.colours
        staged.size = arrays[0].shape[0], arrays[0].shape[1]
        staged.begins = np.cumsum([0, *(aligned(array.size) for array in arrays)]).tolist()
        buffer.reserve(staged.begins[-1])
        for array, begin in zip(arrays, staged.begins, strict=False):
            buffer.view(np.uint8, array.shape, begin)[...] = array
        return staged

    def upload(self, staged: Staged, index: int) -> Placed:
        """Where it is on the GPU once the stream gets there: at place `index` of a batch, always the same."""
        while len(self._there) <= index:
            self._there.append(Buffer(self._cuda, self._stream))
        size, (height, width) = staged.begins[-1], staged.size
        address = self._there[index].reserve(size)
        self._cuda.upload(address, staged.buffer.address, size, self._stream)
        if staged.colours is None:
            planes: tuple[Plane, ...] = (Plane(address, 3 * width, 3, 1),)
        else:
            planes = Plane(address, width, 1), Plane(address + staged.begins[1], (width + 1) // 2 * 2, 2)
        return Placed((height, width), planes, staged.colours, frozenset(), None)

    def close(self) -> None:
        close_all((*self._all, *self._there))


@dataclass(eq=False)
class Staged:
    """A frame in pinned memory, which goes back when nobody holds the frame any more.

    begins: of its planes in `buffer`, and their end. colours: of YUV.
    """

    pool: deque[Buffer]
    buffer: Buffer
    size: tuple[int, int] = (0, 0)
    begins: list[int] = field(default_factory=list)
    colours: Colours | None = None

    def __del__(self) -> None:
        self.pool.append(self.buffer)
