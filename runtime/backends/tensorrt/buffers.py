"""What one run of an engine has to itself: buffers, the engine bound to them, and the points of its way."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.backends.tensorrt.bindings import Bindings
from stc.runtime.backends.tensorrt.cuda import Cuda
from stc.runtime.backends.tensorrt.execution import Execution
from stc.runtime.backends.tensorrt.gpu_clock import FETCHED, GpuClock
from stc.runtime.backends.tensorrt.resident.path import ResidentPath

Binding = Callable[[Mapping[str, int], ExitStack], Execution]


class BufferSet:
    """Memory on the GPU (`addresses`) and pinned (`host`) for every tensor by name, for the largest batch.

    path: for whole frames, where they can be taken.
    """

    def __init__(self, cuda: Cuda, bindings: Bindings, bind: Binding, release: ExitStack) -> None:
        """bind: the engine, reading and writing these addresses. Raises DeviceError where there is no memory."""
        self.addresses: dict[str, int] = {}
        self.host: dict[str, NDArray[Any]] = {}
        largest = bindings.largest
        for tensor in bindings.tensors:
            size = tensor.nbytes(largest)
            self.addresses[tensor.name] = cuda.malloc(size)
            release.callback(cuda.free, self.addresses[tensor.name])
            pinned = cuda.malloc_host(size)
            release.callback(cuda.free_host, pinned)
            memory = (ctypes.c_uint8 * size).from_address(pinned)
            self.host[tensor.name] = np.frombuffer(memoryview(memory), tensor.dtype).reshape(tensor.shape(largest))
        self.clock = GpuClock(cuda, release)
        self.execution = bind(self.addresses, release)
        self.path: ResidentPath | None = None
        self._waiting = threading.Lock()
        self._reads: object = None

    def begun(self, reads: object) -> None:
        """All of a run is on its way, up to the mark `FETCHED`; `reads` is what must live as long."""
        self._reads = reads

    def wait(self) -> None:
        """Until the last run that was begun is over, if any: nothing on the GPU uses these buffers then."""
        with self._waiting:
            if self._reads is not None:
                self.clock.wait(FETCHED)
                self._reads = None
