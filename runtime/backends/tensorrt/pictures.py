"""Pictures of the engine's input size: to the GPU, and the valid rows of their outputs back, all on one stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.backends.tensorrt import bindings
from stc.runtime.backends.tensorrt.bindings import Bindings
from stc.runtime.backends.tensorrt.buffers import BufferSet
from stc.runtime.backends.tensorrt.cuda import Cuda
from stc.runtime.backends.tensorrt.device_array import DeviceArray
from stc.runtime.backends.tensorrt.gpu_clock import BEGIN, FETCHED, UPLOADED
from stc.runtime.bundle.contract import COUNT, INPUT


@dataclass(frozen=True, eq=False)
class Pictures:
    """A batch of `batch` pictures on its way through `buffers`, whose tensors are those of `bindings`."""

    cuda: Cuda
    stream: Any
    buffers: BufferSet
    bindings: Bindings
    batch: int

    def upload(self, frames: NDArray[np.uint8] | DeviceArray) -> None:
        """Put (batch, H, W, 3) into the engine's own buffer."""
        target, size = self.buffers.addresses[INPUT], self.bindings.frames.nbytes(self.batch)
        if isinstance(frames, DeviceArray) and frames.stream is not None:
            self.cuda.wait_for(frames.stream, self.stream)
        self.buffers.clock.mark(BEGIN, self.stream)
        if isinstance(frames, DeviceArray):
            # Copied too: a captured graph reads a fixed address, and this costs microseconds.
            self.cuda.copy(target, frames.pointer, size, self.stream)
        else:
            np.copyto(self.bindings.frames.of(self.buffers.host, self.batch), frames)
            self.cuda.upload(target, self.buffers.host[INPUT].ctypes.data, size, self.stream)
        self.buffers.clock.mark(UPLOADED, self.stream)

    def outputs(self, name: str) -> dict[str, NDArray[Any]]:
        """By name, complete. Raises IncompatibleError, about the engine `name`, for numbers that cannot be."""
        counts = self._counts()
        bindings.check_counts(counts.tolist(), self.bindings.rows, name)
        return {COUNT: counts} | self._valid_rows(counts)

    def _counts(self) -> NDArray[np.int32]:
        pinned, source = self.buffers.host[COUNT], self.buffers.addresses[COUNT]
        self.cuda.download(pinned.ctypes.data, source, self.bindings.count.nbytes(self.batch), self.stream)
        self.cuda.synchronize(self.stream)
        return pinned[: self.batch].copy()

    def _valid_rows(self, counts: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
        for tensor in self.bindings.rows:
            target, source = self.buffers.host[tensor.name].ctypes.data, self.buffers.addresses[tensor.name]
            for span in bindings.valid_spans(tensor, counts.tolist()):
                self.cuda.download(target + span.offset, source + span.offset, span.size, self.stream)
        self.buffers.clock.mark(FETCHED, self.stream)
        self.cuda.synchronize(self.stream)
        outputs = {tensor.name: tensor.empty(len(counts)) for tensor in self.bindings.rows}
        for tensor in self.bindings.rows:
            fetched = tensor.of(self.buffers.host, len(counts))
            for index, count in enumerate(counts):
                outputs[tensor.name][index, :count] = fetched[index, :count]
        return outputs
