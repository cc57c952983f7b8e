"""The CUDA driver through ctypes: no package of Python's is needed, and every release since CUDA 11.4 has these names.

With `--dry` the same calls go to stand_in/driver.cpp, which is compiled against NVIDIA's cuda.h.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ctypes import byref, c_char_p, c_float, c_int, c_size_t, c_ubyte, c_uint, c_uint64, c_void_p
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
NON_BLOCKING, THREAD_LOCAL = 1, 1
_Pointer = c_uint64  # CUdeviceptr
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (c_void_p,),
    "cuDeviceGet": (c_void_p, c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceGetAttribute": (c_void_p, c_int, c_int),
    "cuDevicePrimaryCtxRetain": (c_void_p, c_int),
    "cuCtxSetCurrent": (c_void_p,),
    "cuMemAlloc_v2": (c_void_p, c_size_t),
    "cuMemFree_v2": (_Pointer,),
    "cuMemcpyHtoDAsync_v2": (_Pointer, c_void_p, c_size_t, c_void_p),
    "cuMemcpyDtoHAsync_v2": (c_void_p, _Pointer, c_size_t, c_void_p),
    "cuMemsetD8Async": (_Pointer, c_ubyte, c_size_t, c_void_p),
    "cuStreamCreate": (c_void_p, c_uint),
    "cuStreamSynchronize": (c_void_p,),
    "cuStreamBeginCapture_v2": (c_void_p, c_int),
    "cuStreamEndCapture": (c_void_p, c_void_p),
    "cuGraphInstantiateWithFlags": (c_void_p, c_void_p, c_uint64),
    "cuGraphLaunch": (c_void_p, c_void_p),
    "cuEventCreate": (c_void_p, c_uint),
    "cuEventRecord": (c_void_p, c_void_p),
    "cuEventElapsedTime": (c_void_p, c_void_p, c_void_p),
    "cuModuleLoadData": (c_void_p, c_char_p),
    "cuModuleGetFunction": (c_void_p, c_void_p, c_char_p),
    "cuLaunchKernel": (c_void_p, *(c_uint,) * 7, c_void_p, c_void_p, c_void_p),
    "cuGetErrorString": (c_int, c_void_p),
}
# CUdevice_attribute
SMS, CLOCK_KHZ, MEMORY_CLOCK_KHZ, BUS_BITS, L2_BYTES, MAJOR, MINOR = 16, 13, 36, 37, 38, 75, 76


class DriverError(Exception):
    """What the driver refused, in its own words."""


class Gpu:
    """The first GPU, its primary context, and one stream of ours that waits for no other."""

    def __init__(self, library: str = "libcuda.so.1") -> None:
        """Raises DriverError where there is no driver or no GPU."""
        try:
            # For all to see: with --dry the library of kernels launches through it.
            self._library = ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise DriverError(f"no NVIDIA driver: {error}") from error
        for name, arguments in FUNCTIONS.items():
            getattr(self._library, name).argtypes = arguments
        self._call("cuInit", 0)
        device = c_int()
        self._call("cuDeviceGet", byref(device), 0)
        self._device = device.value
        context = self._made("cuDevicePrimaryCtxRetain", self._device)
        self._call("cuCtxSetCurrent", context)
        self.stream = self._made("cuStreamCreate", NON_BLOCKING)

    @property
    def name(self) -> str:
        text = ctypes.create_string_buffer(100)
        self._call("cuDeviceGetName", text, len(text), self._device)
        return text.value.decode()

    @property
    def driver(self) -> str:
        """The newest CUDA that the driver serves, as "13.0"."""
        version = c_int()
        self._call("cuDriverGetVersion", byref(version))
        return f"{version.value // 1000}.{version.value % 1000 // 10}"

    def attribute(self, number: int) -> int:
        value = c_int()
        self._call("cuDeviceGetAttribute", byref(value), number, self._device)
        return value.value

    @contextmanager
    def memory(self, *arrays: Array) -> Iterator[list[int]]:
        """Addresses of copies of `arrays`, each at a multiple of 256."""
        addresses: list[int] = []
        try:
            for array in arrays:
                pointer = _Pointer()
                self._call("cuMemAlloc_v2", byref(pointer), max(1, array.nbytes))
                addresses.append(pointer.value)
                self.upload(pointer.value, array)
            yield addresses
        finally:
            for address in addresses:
                self._call("cuMemFree_v2", address)

    def upload(self, address: int, array: Array) -> None:
        array = np.ascontiguousarray(array)
        if array.nbytes:
            # On our stream: the copies without one are the legacy stream's, for which ours does not wait.
            self._call("cuMemcpyHtoDAsync_v2", address, array.ctypes.data, array.nbytes, self.stream)
            self.synchronize()

    def fetch(self, address: int, like: Array) -> Array:
        """What lies there once the stream is done, in the shape and type of `like`."""
        found = np.empty_like(like)
        if found.nbytes:
            self._call("cuMemcpyDtoHAsync_v2", found.ctypes.data, address, found.nbytes, self.stream)
        self.synchronize()
        return found

    def fill(self, address: int, value: int, size: int) -> None:
        self._call("cuMemsetD8Async", address, value, size, self.stream)

    def synchronize(self) -> None:
        self._call("cuStreamSynchronize", self.stream)

    def capture(self, work: Callable[[], None]) -> Any:
        """A graph of what `work` puts on the stream."""
        graph = c_void_p()
        self._call("cuStreamBeginCapture_v2", self.stream, THREAD_LOCAL)
        work()
        self._call("cuStreamEndCapture", self.stream, byref(graph))
        return self._made("cuGraphInstantiateWithFlags", graph, 0)

    def replay(self, graph: Any) -> None:
        self._call("cuGraphLaunch", graph, self.stream)

    def seconds(self, work: Callable[[], None]) -> float:
        """Between two events around `work`, by the GPU's clock; 0 where there is none (--dry)."""
        begin, end = (self._made("cuEventCreate", 0) for _ in range(2))
        self._call("cuEventRecord", begin, self.stream)
        work()
        self._call("cuEventRecord", end, self.stream)
        self.synchronize()
        milliseconds = c_float()
        self._call("cuEventElapsedTime", byref(milliseconds), begin, end)
        return milliseconds.value / 1e3

    def kernel(self, ptx: str, name: str) -> Any:
        """Translated by the driver for this GPU."""
        module = self._made("cuModuleLoadData", ptx.encode())
        return self._made("cuModuleGetFunction", module, name.encode())

    def launch(
        self, kernel: Any, grid: tuple[int, int, int], threads: int, shared: int, arguments: Sequence[Any]
    ) -> None:
        """arguments: objects of ctypes, in the kernel's types."""
        pointers = (c_void_p * len(arguments))(*(ctypes.addressof(argument) for argument in arguments))
        self._call("cuLaunchKernel", kernel, *grid, threads, 1, 1, shared, self.stream, pointers, None)

    def _made(self, name: str, *arguments: Any) -> c_void_p:
        handle = c_void_p()
        self._call(name, byref(handle), *arguments)
        return handle

    def _call(self, name: str, *arguments: Any) -> None:
        if code := getattr(self._library, name)(*arguments):
            text = c_char_p()
            self._library.cuGetErrorString(code, byref(text))
            raise DriverError(f"{name}: {(text.value or b'unknown error').decode()} ({code})")
