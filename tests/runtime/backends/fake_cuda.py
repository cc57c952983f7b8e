"""A fake of cuda.bindings.runtime: "GPU memory" is host memory, and streams are those of `fake_streams.py`.

What is on a stream happens when somebody waits for it, so a result that is read too early is wrong. Every copy must lie
within one live allocation, and a stream, event or graph is of use on its own GPU only. `calls` records names, and
`copies` (kind, bytes), in order.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from enum import IntEnum, IntFlag
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.runtime.backends.fake_streams import LEGACY, Operation, Streams

GARBAGE = 0xCD  # what fresh memory holds


class cudaError_t(IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorNoDevice = 100
    cudaErrorInvalidDevice = 101
    cudaErrorInvalidResourceHandle = 400
    cudaErrorIllegalAddress = 700
    cudaErrorLaunchFailure = 719
    cudaErrorStreamCaptureUnsupported = 900
    cudaErrorStreamCaptureInvalidated = 901


class cudaMemcpyKind(IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2
    cudaMemcpyDeviceToDevice = 3


class cudaMemoryType(IntEnum):
    cudaMemoryTypeUnregistered = 0
    cudaMemoryTypeHost = 1
    cudaMemoryTypeDevice = 2
    cudaMemoryTypeManaged = 3


class cudaStreamCaptureMode(IntFlag):
    cudaStreamCaptureModeThreadLocal = 1


OK = cudaError_t.cudaSuccess
Work = Callable[[], None]


class FakeCuda:
    """Use it as the module. `fail(name, error, after)`: call number `after` + 1 of `name` and all later ones fail."""

    cudaError_t, cudaMemcpyKind, cudaStreamCaptureMode = cudaError_t, cudaMemcpyKind, cudaStreamCaptureMode
    cudaMemoryType = cudaMemoryType
    cudaStreamNonBlocking, cudaEventDisableTiming = 1, 2

    def __init__(self, targets: tuple[tuple[int, int], ...] = ((8, 9),)) -> None:
        self.targets = targets
        self.calls: list[str] = []
        self.copies: list[tuple[str, int]] = []
        self.memory: dict[int, np.ndarray] = {}  # live allocations, by address
        self.pinned: set[int] = set()  # those of them that are the host's
        self.streams: set[int] = set()  # those that were made
        self.order = Streams()
        self.capturing: dict[int, list[Work]] = {}
        self.captured: list[list[Work]] = []  # graphs that are not destroyed
        self.graphs: dict[int, list[Work]] = {}  # graphs to launch
        self.events: dict[int, Operation | None] = {}
        self.passed: dict[int, float] = {}  # when the stream got to an event, in milliseconds
        self.home: dict[int, int] = {}  # the GPU of a stream, event, graph or address
        self.contexts: set[int] = set()  # GPUs that cost memory in this process
        self._thread = threading.local()
        self._handles = iter(range(1000, 1_000_000))
        self.failures: dict[str, tuple[cudaError_t, int]] = {}
        self.count = 0
        self.fail_call: tuple[int, cudaError_t] | None = None  # (number of the call, error), whatever it is
        self.sticky: cudaError_t | None = None
        self._last = OK

    def fail(self, name: str, error: cudaError_t, after: int = 0) -> None:
        self.failures[name] = (error, self.calls.count(name) + after)

    @property
    def current(self) -> int:
        """The GPU of this thread."""
        return getattr(self._thread, "device", 0)

    def use(self, device: int) -> None:
        """For other libraries: make it the GPU of this thread."""
        self._thread.device = device
        self.contexts.add(device)

    def new_stream(self, *, blocking: bool) -> int:
        """For other libraries: a stream on the current GPU."""
        stream = next(self._handles)
        self.streams.add(stream)
        self.home[stream] = self.current
        if blocking:
            self.order.blocking[stream] = self.current
        return stream

    def work(self, stream: int, work: Work, after: tuple[Operation, ...] = ()) -> Operation | None:
        """For engines and other libraries: put work on a stream."""
        if stream in self.capturing:
            self.capturing[stream].append(work)
            return None
        return self.order.put(stream, self.home.get(stream, self.current), work, after)

    def usable(self, handle: int) -> bool:
        """A stream, event or graph that lives, on the current GPU."""
        return handle <= 2 or self.home.get(handle) == self.current

    def at(self, address: int, size: int) -> Any:
        """The bytes there, which must lie within one live allocation."""
        self.order.reach(address, size)
        start = self.start(address)
        if start is None or address + size > start + self.memory[start].nbytes:
            raise AssertionError(f"{size} bytes at {address:#x} are in no live allocation")
        return self.memory[start][address - start : address - start + size]

    def start(self, address: int) -> int | None:
        """Of the live allocation that the address is in."""
        # A copy: other threads allocate meanwhile.
        inside = (start for start, block in list(self.memory.items()) if start <= address < start + block.nbytes)
        return next(inside, None)

    def _error(self, name: str) -> cudaError_t:
        self.calls.append(name)
        self.count += 1
        if self.sticky is not None:
            return self.sticky
        error = OK
        if self.fail_call and self.fail_call[0] == self.count:
            error = self.fail_call[1]
        if name in self.failures and self.calls.count(name) > self.failures[name][1]:
            error = self.failures[name][0]
        if error >= cudaError_t.cudaErrorIllegalAddress and error < cudaError_t.cudaErrorStreamCaptureUnsupported:
            self.sticky = error
        if error != OK:
            self._last = error
        return error

    def cudaDriverGetVersion(self) -> tuple[cudaError_t, int]:
        return self._error("cudaDriverGetVersion"), 13000 if self.targets else 0

    def cudaGetDeviceCount(self) -> tuple[cudaError_t, int]:
        return self._error("cudaGetDeviceCount"), len(self.targets)

    def cudaGetDeviceProperties(self, index: int) -> tuple[cudaError_t, Any]:
        major, minor = self.targets[index]
        properties = SimpleNamespace(name=b"Fake GPU", major=major, minor=minor, totalGlobalMem=8 << 30)
        return self._error("cudaGetDeviceProperties"), properties

    def cudaMemGetInfo(self) -> tuple[cudaError_t, int, int]:
        used = sum(block.nbytes for block in self.memory.values())
        return self._error("cudaMemGetInfo"), (8 << 30) - used, 8 << 30

    def cudaGetErrorString(self, error: cudaError_t) -> tuple[cudaError_t, bytes]:
        return OK, f"text of {error.name}".encode()

    def cudaGetLastError(self) -> tuple[cudaError_t]:
        """What this runtime has told; what TensorRT's own was told is not known here."""
        last, self._last = self._last, OK
        return (last,)

    def cudaGetDevice(self) -> tuple[cudaError_t, int]:
        return self._error("cudaGetDevice"), self.current

    def cudaSetDevice(self, device: int) -> tuple[cudaError_t]:
        if error := self._error("cudaSetDevice"):
            return (error,)
        if not 0 <= device < len(self.targets):
            return (cudaError_t.cudaErrorInvalidDevice,)
        self.use(device)
        return (OK,)

    def cuDevicePrimaryCtxGetState(self, device: int) -> tuple[int, int, int]:
        """Of the driver's interface."""
        return 0, 0, int(device in self.contexts)

    def cudaPointerGetAttributes(self, pointer: int) -> tuple[cudaError_t, Any]:
        if error := self._error("cudaPointerGetAttributes"):
            return error, None
        if (start := self.start(pointer)) is not None:
            name = "Host" if start in self.pinned else "Device"
            return OK, SimpleNamespace(type=cudaMemoryType[f"cudaMemoryType{name}"], device=self.home[start])
        return OK, SimpleNamespace(type=cudaMemoryType.cudaMemoryTypeUnregistered, device=-2)

    def cudaDeviceSynchronize(self) -> tuple[cudaError_t]:
        if error := self._error("cudaDeviceSynchronize"):
            return (error,)
        self.order.finish_all(self.current)
        return (OK,)

    def _allocate(self, name: str, size: int) -> tuple[cudaError_t, int]:
        if error := self._error(name):
            return error, 0
        self.contexts.add(self.current)
        block = np.full(size, GARBAGE, np.uint8)
        self.memory[block.ctypes.data] = block
        self.home[block.ctypes.data] = self.current
        return OK, block.ctypes.data

    def _free(self, name: str, pointer: int) -> tuple[cudaError_t]:
        error = self._error(name)
        if not error:
            self.order.unreach(pointer, self.memory[pointer].nbytes)
            del self.memory[pointer]
            self.pinned.discard(pointer)
        return (error,)

    def cudaMalloc(self, size: int) -> tuple[cudaError_t, int]:
        return self._allocate("cudaMalloc", size)

    def cudaMallocHost(self, size: int) -> tuple[cudaError_t, int]:
        error, pointer = self._allocate("cudaMallocHost", size)
        self.pinned.add(pointer)
        return error, pointer

    def cudaFree(self, pointer: int) -> tuple[cudaError_t]:
        return self._free("cudaFree", pointer)

    def cudaFreeHost(self, pointer: int) -> tuple[cudaError_t]:
        return self._free("cudaFreeHost", pointer)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[cudaError_t, int]:
        assert flags == self.cudaStreamNonBlocking
        if error := self._error("cudaStreamCreateWithFlags"):
            return error, 0
        return OK, self.new_stream(blocking=False)

    def cudaStreamDestroy(self, stream: int) -> tuple[cudaError_t]:
        error = self._error("cudaStreamDestroy")
        if not error:
            self.streams.remove(stream)
            self.order.forget(stream)
            del self.home[stream]
        return (error,)

    def cudaStreamSynchronize(self, stream: int) -> tuple[cudaError_t]:
        if error := self._error("cudaStreamSynchronize"):
            return (error,)
        if stream in self.capturing:
            return (cudaError_t.cudaErrorStreamCaptureUnsupported,)
        if not self.usable(stream):
            return (cudaError_t.cudaErrorInvalidResourceHandle,)
        self.order.finish(stream, self.current)
        return (OK,)

    def cudaMemcpyAsync(
        self, target: int, source: int, size: int, kind: cudaMemcpyKind, stream: int
    ) -> tuple[cudaError_t]:
        if error := self._error("cudaMemcpyAsync"):
            return (error,)
        if not self.usable(stream):
            return (cudaError_t.cudaErrorInvalidResourceHandle,)
        self.copies.append((kind.name.removeprefix("cudaMemcpy"), size))
        destination = self.at(target, size)
        if kind != cudaMemcpyKind.cudaMemcpyDeviceToDevice:
            self.at(source, size)  # pinned, or the copy would not be asynchronous

        def copy() -> None:
            self.order.reach(target, size)
            self.order.reach(source, size)
            destination[:] = np.frombuffer((ctypes.c_uint8 * size).from_address(source), np.uint8)

        self.work(stream, copy)
        return (OK,)

    def cudaMemcpy(self, target: int, source: int, size: int, kind: cudaMemcpyKind) -> tuple[cudaError_t]:
        if error := self._error("cudaMemcpy"):
            return (error,)
        assert kind == cudaMemcpyKind.cudaMemcpyDeviceToHost and self.home[self.start(source)] == self.current
        self.copies.append((kind.name.removeprefix("cudaMemcpy"), size))
        self.order.finish(LEGACY, self.current)
        ctypes.memmove(target, self.at(source, size).ctypes.data, size)
        return (OK,)

    def _event(self, name: str) -> tuple[cudaError_t, int]:
        if error := self._error(name):
            return error, 0
        event = next(self._handles)
        self.events[event], self.home[event] = None, self.current
        return OK, event

    def cudaEventCreateWithFlags(self, flags: int) -> tuple[cudaError_t, int]:
        assert flags == self.cudaEventDisableTiming
        return self._event("cudaEventCreateWithFlags")

    def cudaEventCreate(self) -> tuple[cudaError_t, int]:
        return self._event("cudaEventCreate")

    def cudaEventRecord(self, event: int, stream: int) -> tuple[cudaError_t]:
        self.passed.pop(event, None)
        if error := self._error("cudaEventRecord"):
            return (error,)
        if not (self.usable(event) and self.usable(stream)):
            return (cudaError_t.cudaErrorInvalidResourceHandle,)
        self.events[event] = self.work(stream, lambda: self.passed.update({event: perf_counter() * 1e3}))
        return (OK,)

    def cudaEventSynchronize(self, event: int) -> tuple[cudaError_t]:
        if error := self._error("cudaEventSynchronize"):
            return (error,)
        if not self.usable(event):
            return (cudaError_t.cudaErrorInvalidResourceHandle,)
        self.order.wait(self.events[event])
        return (OK,)

    def cudaEventElapsedTime(self, start: int, end: int) -> tuple[cudaError_t, float]:
        if error := self._error("cudaEventElapsedTime"):
            return error, 0.0
        return OK, self.passed[end] - self.passed[start]  # a KeyError: read before the stream got there

    def cudaStreamWaitEvent(self, stream: int, event: int, flags: int) -> tuple[cudaError_t]:
        if error := self._error("cudaStreamWaitEvent"):
            return (error,)
        recorded = self.events[event]
        self.work(stream, lambda: None, () if recorded is None else (recorded,))
        return (OK,)

    def cudaEventDestroy(self, event: int) -> tuple[cudaError_t]:
        del self.events[event]
        return (self._error("cudaEventDestroy"),)

    def cudaStreamBeginCapture(self, stream: int, mode: cudaStreamCaptureMode) -> tuple[cudaError_t]:
        assert mode == cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        assert self.order.idle(stream, self.current), "capture begins before the warm run is over"
        if error := self._error("cudaStreamBeginCapture"):
            return (error,)
        self.capturing[stream] = []
        return (OK,)

    def cudaStreamEndCapture(self, stream: int) -> tuple[cudaError_t, Any]:
        works = self.capturing.pop(stream, None)
        if error := self._error("cudaStreamEndCapture"):
            return error, None
        if works is not None:
            self.captured.append(works)
        return OK, works

    def cudaGraphInstantiate(self, graph: list[Work], flags: int) -> tuple[cudaError_t, int]:
        if error := self._error("cudaGraphInstantiate"):
            return error, 0
        handle = next(self._handles)
        self.graphs[handle], self.home[handle] = list(graph), self.current
        return OK, handle

    def cudaGraphDestroy(self, graph: list[Work]) -> tuple[cudaError_t]:
        self.captured = [other for other in self.captured if other is not graph]
        return (self._error("cudaGraphDestroy"),)

    def cudaGraphLaunch(self, graph: int, stream: int) -> tuple[cudaError_t]:
        if error := self._error("cudaGraphLaunch"):
            return (error,)
        if not (self.usable(graph) and self.usable(stream)):
            return (cudaError_t.cudaErrorInvalidResourceHandle,)
        for work in self.graphs[graph]:
            self.work(stream, work)
        return (OK,)

    def cudaGraphExecDestroy(self, graph: int) -> tuple[cudaError_t]:
        error = self._error("cudaGraphExecDestroy")
        if not error:
            del self.graphs[graph]
        return (error,)
