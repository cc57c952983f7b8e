"""The kernels of the CUDA library that a frame in GPU memory goes through: put on a stream, refusals as exceptions."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stc.errors import DeviceError, Missing
from stc.runtime.backends import cuda_library
from stc.runtime.backends.tensorrt.cuda import Cuda
from stc.runtime.machine.machine import Machine


@dataclass(frozen=True)
class Launch:
    """A call of one function of plugins/cuda/stc_cuda.h but for its stream. Equal launches do the same."""

    function: str
    arguments: tuple[ctypes.Structure | ctypes.Array[Any] | int, ...]

    @property
    def key(self) -> tuple[str | int | bytes, ...]:
        """What tells it from others: addresses and sizes, not the content of memory."""
        return (self.function, *(a if isinstance(a, int) else bytes(a) for a in self.arguments))


@dataclass(frozen=True)
class Kernels:
    """The loaded library, with a function for each of its C interface. `name`: in messages."""

    functions: Any
    name: str

    def enqueue(self, launches: Sequence[Launch], cuda: Cuda, stream: Any) -> None:
        """Raises FatalError where CUDA has broken, DeviceError where it refuses a launch."""
        for launch in launches:
            if status := int(getattr(self.functions, launch.function)(*launch.arguments, int(stream))):
                cuda.check_sticky(stream, f"launching {launch.function}")
                raise DeviceError(f"{self.name}: CUDA refuses {launch.function} (error {status}); see: stc-doctor")


def find(here: Machine) -> Kernels | Missing:
    """Those of this machine's plugin library, or why there are none."""
    library = cuda_library.find(here)
    if isinstance(library, Missing):
        return library
    return Kernels(library.handle, library.path.name)
