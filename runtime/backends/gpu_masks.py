"""The mask head on a GPU behind ONNX Runtime: the op by our CUDA kernel, on what the rest of the graph has left there.

Never executed on a GPU: tested with the kernel compiled for the host, and with a pretended GPU's memory.
"""

from __future__ import annotations

import math

from stc.errors import DeviceError, InputError
from stc.runtime.backends.bound import Bound
from stc.runtime.backends.cuda_library import CudaLibrary
from stc.runtime.backends.cut import Cut
from stc.runtime.backends.tensorrt.cuda import Cuda
from stc.runtime.backends.tensorrt.readers import LEGACY
from stc.runtime.bundle.contract import MASKS
from stc.runtime.native.library import STORAGE

_NO_KERNEL = 1  # cudaErrorInvalidValue


class GpuMasks:
    """Calls of one thread at a time, with the GPU current. The masks' memory is kept for the next call."""

    def __init__(self, cut: Cut, library: CudaLibrary, cuda: Cuda) -> None:
        self._cut, self._library, self._cuda = cut, library, cuda
        self._pointer = self._size = 0

    def __call__(self, tensors: dict[str, Bound]) -> dict[str, Bound]:
        """What the whole graph gives, from the outputs of the rest; masks beyond the count are zero.

        Raises InputError where these are not the op's inputs, DeviceError where CUDA refuses.
        """
        head = self._cut.head
        inputs = [tensors[name] for name in self._cut.tensors]
        head.check(*inputs)  # what does not fit would break CUDA for the whole process
        (batch, _, height, width), dtype = inputs[0].shape, inputs[0].dtype
        sizes = (batch, inputs[1].shape[1], height, width)
        shape = (*sizes[:2], height * head.upsample, width * head.upsample)
        masks = Bound(self._reserved(math.prod(shape) * dtype.itemsize), shape, dtype)
        op = head.op([array.pointer for array in (*inputs, masks)], sizes, STORAGE[dtype])
        status = self._library.mask_head(op, LEGACY)
        if status == _NO_KERNEL:
            raise InputError(
                f"{self._library.path}: no kernel for {head} on features {inputs[0].shape}; "
                "fix: Session(…, native=False)"
            )
        if status:
            self._cuda.check_sticky(LEGACY, "computing the masks")
            raise DeviceError(f"{self._library.path}: CUDA refuses the masks (error {status}); see: stc-doctor")
        return {name: array for name, array in tensors.items() if name not in self._cut.internal} | {MASKS: masks}

    def close(self) -> None:
        if self._pointer:
            self._cuda.free(self._pointer)
        self._pointer = self._size = 0

    def _reserved(self, size: int) -> int:
        if size > self._size:
            self.close()
            self._pointer = self._cuda.malloc(size)
            self._size = size
        return self._pointer
