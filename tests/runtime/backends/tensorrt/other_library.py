"""Another library's arrays in the fake GPU memory: written and read on its own stream, whenever the GPU comes to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.backends.tensorrt.device_array import DeviceArray
from stc.runtime.backends.tensorrt.dlpack import CUDA
from tests.runtime.backends.fake_cuda import FakeCuda


class OnGpu:
    """An array that is still to be written on `stream`."""

    def __init__(self, cuda: FakeCuda, values: NDArray[Any], stream: int) -> None:
        self.cuda, self.values, self.stream = cuda, values, stream
        _, self.pointer = cuda.cudaMalloc(values.nbytes)
        self.place = cuda.at(self.pointer, values.nbytes)
        cuda.work(stream, self.write)

    def write(self) -> None:
        self.cuda.at(self.pointer, self.values.nbytes)[:] = self.values.reshape(-1).view(np.uint8)


class SpeaksInterface(OnGpu):
    """`said` are the fields that versions of the CUDA array interface tell a stream by."""

    def __init__(self, cuda: FakeCuda, values: NDArray[Any], on: int, /, **said: Any) -> None:
        super().__init__(cuda, values, on)
        self.__cuda_array_interface__ = {
            "shape": values.shape,
            "typestr": values.dtype.str,
            "data": (self.pointer, False),
            **said,
        }


class SpeaksDlPack(OnGpu):
    """Makes the consumer's stream wait for its own, as DLPack has it."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return CUDA, self.cuda.home[self.pointer]

    def __dlpack__(self, stream: int | None = None) -> Any:
        assert stream is not None
        if stream != -1:
            _, event = self.cuda.cudaEventCreateWithFlags(self.cuda.cudaEventDisableTiming)
            self.cuda.cudaEventRecord(event, self.stream)
            self.cuda.cudaStreamWaitEvent(stream, event, 0)
            self.cuda.cudaEventDestroy(event)
        return self.place.view(self.values.dtype).reshape(self.values.shape).__dlpack__()


class SpeaksBoth(SpeaksDlPack, SpeaksInterface):
    """As PyTorch: its interface is of version 2 and says nothing of streams."""

    def __init__(self, cuda: FakeCuda, values: NDArray[Any], stream: int) -> None:
        SpeaksInterface.__init__(self, cuda, values, stream, version=2)


class Reader:
    """Reads an output on `stream`, once the GPU comes to it."""

    def __init__(self, cuda: FakeCuda, array: DeviceArray, stream: int) -> None:
        self.values: NDArray[Any] | None = None
        self._cuda, self._array = cuda, array
        cuda.work(stream, self._read)

    def _read(self) -> None:
        array = self._array
        content = self._cuda.at(array.pointer, array.nbytes).copy()
        self.values = content.view(array.dtype).reshape(array.shape)
