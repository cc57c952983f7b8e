"""GPU memory that is kept from frame to frame: tables that many frames read, and buffers that grow."""

from __future__ import annotations

import ctypes
from collections.abc import Hashable, Iterable, Sequence
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import DeviceError
from stc.runtime.backends.tensorrt.cuda import Cuda

ALIGNMENT = 256  # bytes, as cudaMalloc gives
MOST_TABLES = 16


def aligned(size: int, unit: int = ALIGNMENT) -> int:
    return -(-size // unit) * unit


class Buffer:
    """Memory that grows and is never made smaller; `host`: pinned. What it held is lost when it grows.

    stream: which uses it, and is waited for before memory is given back; None: whoever uses it has waited.
    """

    def __init__(self, cuda: Cuda, stream: Any | None, *, host: bool = False) -> None:
        self._cuda, self._stream, self._host = cuda, stream, host
        self.address = self.size = 0

    def reserve(self, size: int) -> int:
        """The address of at least `size` bytes. Raises DeviceError."""
        if size > self.size:
            self.close()
            self.address = (self._cuda.malloc_host if self._host else self._cuda.malloc)(size)
            self.size = size
        return self.address

    def view(self, dtype: Any, shape: tuple[int, ...], offset: int = 0) -> NDArray[Any]:
        """Of pinned memory: the array at `offset` bytes."""
        assert self._host
        count = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        memory = (ctypes.c_uint8 * count).from_address(self.address + offset)
        return np.frombuffer(memoryview(memory), dtype).reshape(shape)

    def close(self) -> None:
        """Give it back once nothing on the stream uses it."""
        if self.address:
            if self._stream is not None:
                self._cuda.synchronize(self._stream)
            (self._cuda.free_host if self._host else self._cuda.free)(self.address)
        self.address = self.size = 0


def close_all(buffers: Iterable[Buffer]) -> None:
    """Give all of them back, whatever becomes of one."""
    with ExitStack() as release:
        for buffer in buffers:
            release.callback(buffer.close)


class OwnedMemory:
    """GPU memory that somebody else uses until this is forgotten, in whichever thread; CUDA waits for what reads it."""

    def __init__(self, cuda: Cuda, buffer: Buffer) -> None:
        self._cuda, self._address = cuda, buffer.address

    def __del__(self) -> None:
        if self._cuda.dead is None:
            with suppress(DeviceError), self._cuda.using():
                self._cuda.free(self._address)


class Tables:
    """Constant arrays in GPU memory by what they are of: the last `MOST_TABLES`."""

    def __init__(self, cuda: Cuda, stream: Any) -> None:
        self._cuda, self._stream = cuda, stream
        self._kept: dict[Hashable, tuple[Buffer, list[int]]] = {}

    def get(self, key: Hashable) -> list[int] | None:
        """The addresses of `put`."""
        found = self._kept.pop(key, None)
        if found is None:
            return None
        self._kept[key] = found  # the last used is the last
        return found[1]

    def put(self, key: Hashable, arrays: Sequence[NDArray[Any]]) -> list[int]:
        """Upload them, and wait; where each is. Raises DeviceError."""
        offsets = np.cumsum([0, *(aligned(array.nbytes) for array in arrays)]).tolist()
        with ExitStack() as release:
            there, here = Buffer(self._cuda, self._stream), Buffer(self._cuda, self._stream, host=True)
            release.callback(there.close)
            here.reserve(offsets[-1])
            with ExitStack() as staged:
                staged.callback(here.close)
                for array, offset in zip(arrays, offsets, strict=False):
                    here.view(array.dtype, array.shape, offset)[...] = array
                self._cuda.upload(there.reserve(offsets[-1]), here.address, offsets[-1], self._stream)
            release.pop_all()
        if len(self._kept) >= MOST_TABLES:
            self._kept.pop(next(iter(self._kept)))[0].close()
        addresses = [there.address + offset for offset in offsets[:-1]]
        self._kept[key] = there, addresses
        return addresses

    def close(self) -> None:
        kept, self._kept = self._kept, {}
        close_all(buffer for buffer, _ in kept.values())
