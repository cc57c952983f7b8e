"""The CUDA kernels of the plugin library without TensorRT: plugins/cuda/stc_cuda.h through ctypes."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_int32, c_void_p
from dataclasses import dataclass
from pathlib import Path

from stc.errors import Missing
from stc.runtime.machine.machine import Machine
from stc.runtime.native.interface import Op
from stc.runtime.native.mask_head import MaskHead

ABI = 2  # STC_CUDA_ABI
_FIX = "with nvcc, in a checkout of stc: make plugin"


@dataclass(frozen=True)
class CudaLibrary:
    """The loaded library."""

    handle: ctypes.CDLL
    path: Path

    def supports(self, head: MaskHead) -> bool:
        """Whether it has a kernel for the op of these attributes; asks for no GPU."""
        return self.mask_head(head.op([0] * 6, (0, 0, 1, 1), storage=0), 0) == 0

    def mask_head(self, op: Op, stream: int) -> int:
        """Enqueue the op, whose pointers are GPU memory; 0, or a cudaError_t."""
        return int(self.handle.stc_cuda_dynamic_mask_head(ctypes.byref(op), stream))


def find(here: Machine) -> CudaLibrary | Missing:
    """The plugin library of this machine, loaded, or why it cannot be used."""
    found = here.plugin
    if isinstance(found, Missing):
        return found
    if not here.serves(found.cuda):
        return Missing(f"{found.path.name} is of CUDA {found.cuda}, which the driver does not serve")
    try:
        handle = ctypes.CDLL(str(found.path))
        handle.stc_cuda_dynamic_mask_head.restype = c_int32
        handle.stc_cuda_dynamic_mask_head.argtypes = (POINTER(Op), c_void_p)
        abi = int(handle.stc_cuda_abi())
    except (OSError, AttributeError) as error:
        return Missing(f"{found.path.name} is no library of stc ({error}); {_FIX}")
    if abi != ABI:
        return Missing(f"{found.path.name} has interface {abi}, this version of stc needs {ABI}; {_FIX}")
    return CudaLibrary(handle, found.path)
