"""Arrays in GPU memory, in and out without a copy: DLPack and the CUDA array interface.

PyTorch, CuPy, Numba and pycuda speak one or both, so none of them is needed here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from stc.errors import InputError, ProcessBoundError
from stc.runtime.backends.tensorrt import dlpack, strided
from stc.runtime.backends.tensorrt.dlpack import CUDA
from stc.runtime.backends.tensorrt.readers import LEGACY, Readers
from stc.runtime.backends.tensorrt.strided import Strided


@dataclass(frozen=True, eq=False)
class DeviceArray:
    """A contiguous array at `pointer`. It owns nothing: `owner` keeps the memory alive as long as the array lives.

    `device` is DLPack's (type, index). `stream` is where the content is still being written, as the CUDA array
    interface numbers streams; None: it is complete. `readers` is told on which streams others read it.

    An output of a session is valid until the session's next call or its `close()`, and what readers have put on their
    streams by then still finds it: the call waits for them. Copy what must live longer.
    """

    pointer: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: object = None
    device: tuple[int, int] = (CUDA, 0)
    stream: int | None = None
    readers: Readers | None = None

    def __reduce__(self) -> NoReturn:
        raise ProcessBoundError(
            "a DeviceArray is memory of a GPU in this process; pass on a copy in the CPU's: Session.infer() gives one"
        )

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3. Whoever asks does not say where it reads, so that counts as the legacy default stream, which waits
        for every stream but those made non-blocking (PyTorch's side streams are): they need `__dlpack__`.
        """
        self._read_on(LEGACY)
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.pointer, False),
            "strides": None,
            "version": 3,
            "stream": self.stream,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, stream: int | None = None, **options: Any) -> Any:
        """A capsule "dltensor". The content is complete, so the consumer's `stream` has nothing to wait for.

        stream: where the consumer reads, as DLPack numbers streams; None: the legacy default stream; -1: the consumer
        synchronises by itself. It must live until the session's next call, which waits for what is on it by then.

        Raises BufferError when a copy or another device is asked for, or for another negative stream.
        """
        if stream is not None and stream < -1:
            raise BufferError(f"{stream} is no stream")
        if options.get("copy") or options.get("dl_device") not in {None, self.device}:
            raise BufferError("a DeviceArray shares its memory; it is never copied or moved")
        self._read_on(LEGACY if stream is None else stream)
        return dlpack.lend(self.pointer, self.shape, self.dtype, self.device, self)

    def _read_on(self, stream: int) -> None:
        if self.readers is not None:
            self.readers.add(stream)


def wrap(array: Any, stream: int) -> DeviceArray:
    """Another library's GPU array as a `DeviceArray`, without a copy, to be read on the CUDA stream `stream`.

    Raises InputError when it is no array in GPU memory or not contiguous, or cannot be shared.
    """
    if isinstance(array, DeviceArray):
        return array
    found = strided.receive(array, stream)
    _check_contiguous(found)
    return DeviceArray(
        found.pointer, found.shape, found.dtype, owner=found.owner, device=found.device, stream=found.stream
    )


def _check_contiguous(array: Strided) -> None:
    """The stride of an axis of length 1 does not matter."""
    if 0 in array.shape:
        return
    expected = strided.packed(array.shape, array.dtype.itemsize)
    if any(size > 1 and have != want for size, have, want in zip(array.shape, array.strides, expected, strict=True)):
        raise InputError(
            f"an array {array.shape} with strides {array.strides} is not contiguous; make it contiguous first"
        )
