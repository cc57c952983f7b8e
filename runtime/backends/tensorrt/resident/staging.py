"""Frames of the host on their way to the GPU: as they came, in pinned memory, from which they are copied at once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

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

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._free: deque[Buffer] = deque()
        self._all: list[Buffer] = []

    def copy(self, frame: AnyFrame) -> Staged:
        """Raises DeviceError where there is no memory."""
        try:
            buffer = self._free.pop()
        except IndexError:
            # A frame is held until its upload is over. And a stream may be capturing a graph now, which waiting for
            # it would spoil.
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

    def close(self) -> None:
        close_all(self._all)


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

    @property
    def size_in_bytes(self) -> int:
        """Of all planes, as they lie in `buffer`."""
        return self.begins[-1]

    def placed(self, address: int) -> Placed:
        """Where the frame lies when the planes have been copied to `address`."""
        height, width = self.size
        planes: tuple[Plane, ...] = (Plane(address, 3 * width, 3, 1),)
        if self.colours is not None:
            planes = Plane(address, width, 1), Plane(address + self.begins[1], (width + 1) // 2 * 2, 2)
        return Placed((height, width), planes, self.colours, frozenset(), None)

    def __del__(self) -> None:
        self.pool.append(self.buffer)
