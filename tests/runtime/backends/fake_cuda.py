"""A fake of cuda.bindings.runtime: "GPU memory" is host memory, a stream is a list of things still to do.

What is on a stream happens at `cudaStreamSynchronize`, so a result that is read too early is wrong. Every copy must lie
within one live allocation. `calls` records names, and `copies` (kind, bytes), in order.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from enum import IntEnum, IntFlag
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np

GARBAGE = 0xCD  # what fresh memory holds


class cudaError_t(IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorNoDevice = 100
    cudaErrorInvalidResourceHandle = 400
    cudaErrorIllegalAddress = 700
    cudaErrorLaunchFailure = 719
    cudaErrorStreamCaptureUnsupported = 900
    cudaErrorStreamCaptureInvalidated = 901


class cudaMemcpyKind(IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2
    cudaMemcpyDeviceToDevice = 3


class cudaStreamCaptureMode(IntFlag):
    cudaStreamCaptureModeThreadLocal = 1


OK = cudaError_t.cudaSuccess
Work = Callable[[], None]


class FakeCuda:
    """Use it as the module. `fail(name, error, after)`: call number `after` + 1 of `name` and all later ones fail."""

    cudaError_t, cudaMemcpyKind, cudaStreamCaptureMode = cudaError_t, cudaMemcpyKind, cudaStreamCaptureMode
    cudaStreamNonBlocking, cudaEventDisableTiming = 1, 2

    def __init__(self, targets: tuple[tuple[int, int], ...] = ((8, 9),)) -> None:
        self.targets = targets
        self.calls: list[str] = []
        self.copies: list[tuple[str, int]] = []
        self.memory: dict[int, np.ndarray] = {}  # live allocations, by address
        self.streams: dict[int, list[Work]] = {1: []}  # 1: the default stream, for frames of others
        self.capturing: dict[int, list[Work]] = {}
        self.graphs: dict[int, list[Work]] = {}
        self.events: dict[int, int] = {}
        self.passed: dict[int, float] = {}  # when the stream got to an event, in milliseconds
        self._handles = iter(range(1000, 1_000_000))
        self.failures: dict[str, tuple[cudaError_t, int]] = {}
        self.count = 0
        self.fail_call: tuple[int, cudaError_t] | None = None  # (number of the call, error), whatever it is
        self.sticky: cudaError_t | None = None
        self._last = OK

    def fail(self, name: str, error: cudaError_t, after: int = 0) -> None:
        self.failures[name] = (error, self.calls.count(name) + after)

    def work(self, stream: int, work: Work) -> None:
        """For engines: put work on a stream."""
        self.capturing.get(stream, self.streams[stream]).append(work)

    def at(self, address: int, size: int) -> Any:
        """The bytes there, which must lie within one live allocation."""
        for start, block in self.memory.items():
            if start <= address and address + size <= start + block.nbytes:
                return block[address - start : address - start + size]
        raise AssertionError(f"{size} bytes at {address:#x} are in no live allocation")

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
        last, self._last = self.sticky or self._last, OK
        return (last,)

    def _allocate(self, name: str, size: int) -> tuple[cudaError_t, int]:
        if error := self._error(name):
            return error, 0
        block = np.full(size, GARBAGE, np.uint8)
        self.memory[block.ctypes.data] = block
        return OK, block.ctypes.data

    def _free(self, name: str, pointer: int) -> tuple[cudaError_t]:
        error = self._error(name)
        if not error:
            del self.memory[pointer]
        return (error,)

    def cudaMalloc(self, size: int) -> tuple[cudaError_t, int]:
        return self._allocate("cudaMalloc", size)

    def cudaMallocHost(self, size: int) -> tuple[cudaError_t, int]:
        return self._allocate("cudaMallocHost", size)

    def cudaFree(self, pointer: int) -> tuple[cudaError_t]:
        return self._free("cudaFree", pointer)

    def cudaFreeHost(self, pointer: int) -> tuple[cudaError_t]:
        return self._free("cudaFreeHost", pointer)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[cudaError_t, int]:
        assert flags == self.cudaStreamNonBlocking
        if error := self._error("cudaStreamCreateWithFlags"):
            return error, 0
        stream = next(self._handles)
        self.streams[stream] = []
        return OK, stream

    def cudaStreamDestroy(self, stream: int) -> tuple[cudaError_t]:
        error = self._error("cudaStreamDestroy")
        if not error:
            del self.streams[stream]
        return (error,)

    def cudaStreamSynchronize(self, stream: int) -> tuple[cudaError_t]:
        if stream in self.capturing:
            return (cudaError_t.cudaErrorStreamCaptureUnsupported,)
        if error := self._error("cudaStreamSynchronize"):
            return (error,)
        todo, self.streams[stream] = self.streams[stream], []
        for work in todo:
            work()
        return (OK,)

    def cudaMemcpyAsync(
        self, target: int, source: int, size: int, kind: cudaMemcpyKind, stream: int
    ) -> tuple[cudaError_t]:
        if error := self._error("cudaMemcpyAsync"):
            return (error,)
        self.copies.append((kind.name.removeprefix("cudaMemcpy"), size))
        destination = self.at(target, size)
        if kind != cudaMemcpyKind.cudaMemcpyDeviceToDevice:
            self.at(source, size)  # pinned, or the copy would not be asynchronous

        def copy() -> None:
            destination[:] = np.frombuffer((ctypes.c_uint8 * size).from_address(source), np.uint8)

        self.work(stream, copy)
        return (OK,)

    def cudaEventCreateWithFlags(self, flags: int) -> tuple[cudaError_t, int]:
        if error := self._error("cudaEventCreateWithFlags"):
            return error, 0
        event = next(self._handles)
        self.events[event] = 0
        return OK, event

    def cudaEventCreate(self) -> tuple[cudaError_t, int]:
        if error := self._error("cudaEventCreate"):
            return error, 0
        event = next(self._handles)
        self.events[event] = 0
        return OK, event

    def cudaEventRecord(self, event: int, stream: int) -> tuple[cudaError_t]:
        self.events[event] = stream
        self.passed.pop(event, None)
        if error := self._error("cudaEventRecord"):
            return (error,)
        self.work(stream, lambda: self.passed.update({event: perf_counter() * 1e3}))
        return (OK,)

    def cudaEventElapsedTime(self, start: int, end: int) -> tuple[cudaError_t, float]:
        if error := self._error("cudaEventElapsedTime"):
            return error, 0.0
        return OK, self.passed[end] - self.passed[start]  # a KeyError: read before the stream got there

    def cudaStreamWaitEvent(self, stream: int, event: int, flags: int) -> tuple[cudaError_t]:
        other = self.events[event]
        self.work(stream, lambda: [self.streams[other].pop(0)() for _ in list(self.streams[other])] and None)
        return (self._error("cudaStreamWaitEvent"),)

    def cudaEventDestroy(self, event: int) -> tuple[cudaError_t]:
        del self.events[event]
        return (self._error("cudaEventDestroy"),)

    def cudaStreamBeginCapture(self, stream: int, mode: cudaStreamCaptureMode) -> tuple[cudaError_t]:
        assert mode == cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        assert not self.streams[stream], "capture begins before the warm run is over"
        if error := self._error("cudaStreamBeginCapture"):
            return (error,)
        self.capturing[stream] = []
        return (OK,)

    def cudaStreamEndCapture(self, stream: int) -> tuple[cudaError_t, Any]:
        works = self.capturing.pop(stream, None)
        if error := self._error("cudaStreamEndCapture"):
            return error, None
        return OK, works

    def cudaGraphInstantiate(self, graph: list[Work], flags: int) -> tuple[cudaError_t, int]:
        if error := self._error("cudaGraphInstantiate"):
            return error, 0
        handle = next(self._handles)
        self.graphs[handle] = list(graph)
        return OK, handle

    def cudaGraphDestroy(self, graph: list[Work]) -> tuple[cudaError_t]:
        return (self._error("cudaGraphDestroy"),)

    def cudaGraphLaunch(self, graph: int, stream: int) -> tuple[cudaError_t]:
        if error := self._error("cudaGraphLaunch"):
            return (error,)
        for work in self.graphs[graph]:
            self.work(stream, work)
        return (OK,)

    def cudaGraphExecDestroy(self, graph: int) -> tuple[cudaError_t]:
        error = self._error("cudaGraphExecDestroy")
        if not error:
            del self.graphs[graph]
        return (error,)
