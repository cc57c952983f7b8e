"""Launches as the library's own code makes them, taken before they run: compiled PTX is executed in their place."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import c_uint, c_void_p
from dataclasses import dataclass

from tests.plugins.ptx.executor import Executor, Memory, Run

_Recorder = ctypes.CFUNCTYPE(None, c_void_p, ctypes.POINTER(c_uint), c_uint, c_uint, ctypes.POINTER(c_void_p))


class _Symbol(ctypes.Structure):
    """Dl_info"""

    _fields_ = [("file", ctypes.c_char_p), ("base", c_void_p), ("name", ctypes.c_char_p), ("address", c_void_p)]


@dataclass
class Device:
    """The library of `toolchain.emulated`, whose kernels `executor` runs. count: transactions too."""

    library: ctypes.CDLL
    executor: Executor
    count: bool = False

    def run(self, call: Callable[[], int], inputs: Sequence[Memory], outputs: Sequence[Memory]) -> list[Run]:
        """What `call`, of a function of the library, launches."""
        runs: list[Run] = []

        def take(kernel: int, grid: Sequence[int], threads: int, shared: int, arguments: Sequence[int]) -> None:
            name = self._name(kernel)
            values = [ctypes.string_at(arguments[i], size) for i, size in enumerate(self.executor.sizes(name))]
            place, memory = (grid[0], grid[1], grid[2]), {"inputs": inputs, "outputs": outputs}
            runs.append(
                self.executor.run(name, values, grid=place, threads=threads, shared=shared, count=self.count, **memory)
            )

        recorder = _Recorder(take)
        self.library.emulation_record(recorder)
        try:
            assert call() == 0
        finally:
            self.library.emulation_record(None)
        assert runs
        return runs

    def _name(self, kernel: int) -> str:
        """In PTX, of a kernel on the host: their names differ in what a half is."""
        symbol = _Symbol()
        assert ctypes.CDLL(None).dladdr(c_void_p(kernel), ctypes.byref(symbol)) and symbol.name
        host = symbol.name.decode()
        (found,) = (
            name
            for name in self.executor.names
            if host.startswith(name[: name.index("kernel") + 6]) and ("half" in name) == ("Half" in host)
        )
        return found
