"""TensorRT and TensorRT-RTX, through cuda-bindings.

Never executed on a GPU: its logic is tested with a fake CUDA runtime and a fake engine, its calls against the names and
signatures of the real bindings.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import DeviceError, FatalError, InputError
from stc.runtime.backends.tensorrt import bindings, device_array
from stc.runtime.backends.tensorrt.cuda import Cuda, import_cudart
from stc.runtime.backends.tensorrt.device_array import DeviceArray
from stc.runtime.backends.tensorrt.dlpack import CUDA
from stc.runtime.backends.tensorrt.engine import collector, describe, deserialize, import_tensorrt
from stc.runtime.backends.tensorrt.execution import CapturedGraphs, Execution, OwnGraphs, Site
from stc.runtime.backends.tensorrt.gpu_clock import GpuClock
from stc.runtime.backends.tensorrt.readers import Readers
from stc.runtime.bundle.contract import COUNT, INPUT
from stc.runtime.bundle.files import EngineFile
from stc.runtime.machine.device import Device
from stc.runtime.machine.flavour import FLAVOURS
from stc.runtime.stages import ENQUEUE

logger = logging.getLogger(__name__)


class TensorRtBackend:
    """One engine on one GPU. Its buffers are reserved when it loads, for the largest batch and input.

    `adopt`, `run` and `run_on_device` may be called from several threads, whichever GPU is current there; one runs at a
    time. `close` releases everything in order; after an error that CUDA does not recover from, it leaves the driver
    alone.
    """

    def __init__(self, file: EngineFile) -> None:
        """Load a verified plan.

        Raises IncompatibleError when TensorRT, the plugin library or the plan do not fit, DeviceError when the GPU has
        too little memory.
        """
        self.path = file.path
        self.device = str(Device("cuda", file.gpu))
        self.mask_head = file.mask_head
        self._lock = threading.Lock()
        self._closed = False
        self._readers = Readers()
        self._release = ExitStack()
        self._execution: Execution | None = None
        trt = import_tensorrt(file.flavour)
        self.engine = f"{FLAVOURS[file.flavour].title} {trt.__version__}"
        self._cuda = Cuda(import_cudart(), file.gpu)
        try:
            with self._cuda.using():
                self._load(file, trt)
        except BaseException:
            self.close()
            raise
        frames, outputs = self._bindings.frames, (self._bindings.count, *self._bindings.rows)
        self.inputs = {frames.name: self._bindings.spec(frames)}
        self.outputs = {tensor.name: self._bindings.spec(tensor) for tensor in outputs}
        self.batches = (self._bindings.least, self._bindings.largest)
        logger.info("%s: loaded with %s %s; mask head: %s", file.path, file.flavour, trt.__version__, self.mask_head)

    def _load(self, file: EngineFile, trt: Any) -> None:
        log = collector(trt)
        engine = deserialize(trt, log, file.plan, file.plugin, file.path, file.flavour)
        tensors, batches, sizes = describe(trt, engine)
        self._bindings = bindings.plan(tensors, batches, str(file.path), sizes, file.passport.mask_cells)
        self._current = self._bindings  # of the last call
        self._stream = self._cuda.create_stream()
        self._release.callback(self._cuda.destroy_stream, self._stream)
        self._device, self._host = self._reserve()
        self._clock = GpuClock(self._cuda, self._stream, self._release)
        site = Site(self._cuda, trt, log, engine, self._stream, self._bindings, self._device, str(file.path))
        self._execution = (
            OwnGraphs(site, _cache_file(file.plan, trt.__version__), self._release)
            if file.flavour == "rtx"
            else CapturedGraphs(site, self._release)
        )

    def adopt(self, frames: Any) -> DeviceArray:
        """Another library's array in this GPU's memory, uncopied. Raises InputError when it is none."""
        with self._entered():
            array = device_array.wrap(frames, int(self._stream))
            # Asked of the driver: an address of the host's, or of another GPU, would break CUDA for the whole process.
            gpu = self._cuda.gpu_of(array.pointer) if array.nbytes else self._cuda.index
        if gpu is None:
            raise InputError(f"a {type(frames).__name__} that is not in GPU memory; give a NumPy array, or one there")
        if gpu != self._cuda.index:
            raise InputError(
                f"frames in the memory of cuda:{gpu}, while the engine runs on cuda:{self._cuda.index}; copy them "
                f"there, or open the session on their GPU: device='cuda:{gpu}'"
            )
        return array

    def run(
        self, frames: NDArray[np.uint8] | DeviceArray, timings: dict[str, float] | None = None
    ) -> dict[str, NDArray[Any]]:
        """The outputs by name for `frames` uint8 (B, H, W, 3), on the host; only valid rows are fetched.

        timings: takes "upload" and "download" by the GPU's clock, "enqueue" by the host's.

        Raises FatalError when CUDA has broken (restart the process), DeviceError when it refused this call.
        """
        with self._entered():
            batch, enqueue = self._execute(frames)
            counts = self._counts(batch)
            bindings.check_counts(counts.tolist(), self._current.rows, str(self.path))
            outputs = {COUNT: counts} | self._valid_rows(counts)
            if timings is not None:
                timings |= {**self._clock.read(), ENQUEUE: enqueue}
            return outputs

    def run_on_device(self, frames: NDArray[np.uint8] | DeviceArray) -> dict[str, DeviceArray]:
        """All outputs by name where the engine wrote them, complete; valid until the next call and until `close`.

        Both wait for what readers of the outputs have put on their streams by then. Raises as `run` does.
        """
        with self._entered():
            batch, _ = self._execute(frames)
            self._cuda.synchronize(self._stream)
            place = (CUDA, self._cuda.index)
            return {
                tensor.name: DeviceArray(
                    self._device[tensor.name],
                    tensor.shape(batch),
                    tensor.dtype,
                    owner=self,
                    device=place,
                    readers=self._readers,
                )
                for tensor in (self._current.count, *self._current.rows)
            }

    def close(self) -> None:
        """Give back everything. Closing twice is harmless."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._execution = None
            if self._cuda.dead is None:
                with suppress(DeviceError), self._cuda.using():
                    if self._readers.take():
                        self._cuda.synchronize_all()
                    self._release.close()
            if self._cuda.dead is None:
                self._release.close()  # nothing is left, unless the GPU could not be chosen
            self._release.pop_all()  # every call would fail; the end of the process gives the memory back

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """One thread at a time, with the engine's GPU as its current one."""
        with self._lock:
            if self._closed or self._execution is None:
                raise InputError(f"{self.path}: the session is closed")
            if self._cuda.dead is not None:
                raise FatalError(str(self._cuda.dead))
            with self._cuda.using():
                yield

    def _reserve(self) -> tuple[dict[str, int], dict[str, NDArray[Any]]]:
        """GPU memory and pinned memory of every tensor."""
        device: dict[str, int] = {}
        host: dict[str, NDArray[Any]] = {}
        largest = self._bindings.largest
        for tensor in self._bindings.tensors:
            size = tensor.nbytes(largest)
            device[tensor.name] = self._cuda.malloc(size)
            self._release.callback(self._cuda.free, device[tensor.name])
            pinned = self._cuda.malloc_host(size)
            self._release.callback(self._cuda.free_host, pinned)
            memory = (ctypes.c_uint8 * size).from_address(pinned)
            host[tensor.name] = np.frombuffer(memoryview(memory), tensor.dtype).reshape(tensor.shape(largest))
        return device, host

    def _execute(self, frames: NDArray[np.uint8] | DeviceArray) -> tuple[int, float]:
        """Put the work on the stream; the batch size, and the seconds that putting the engine's work there took."""
        assert self._execution is not None
        target, batch = self._device[INPUT], frames.shape[0]
        self._current = self._bindings.at((frames.shape[1], frames.shape[2]), str(self.path))
        size = self._current.frames.nbytes(batch)
        self._await_readers()
        if isinstance(frames, DeviceArray) and frames.stream is not None:
            self._cuda.wait_for(frames.stream, self._stream)
        self._clock.mark("begin")
        if isinstance(frames, DeviceArray):
            # Into the engine's own buffer: a captured graph reads a fixed address, and this costs microseconds.
            self._cuda.copy(target, frames.pointer, size, self._stream)
        else:
            pinned = self._host[INPUT]
            np.copyto(self._current.frames.of(self._host, batch), frames)
            self._cuda.upload(target, pinned.ctypes.data, size, self._stream)
        self._clock.mark("uploaded")
        start = perf_counter()
        self._execution.run(self._current.frames.shape(batch))
        enqueue = perf_counter() - start
        self._clock.mark("computed")
        return batch, enqueue

    def _await_readers(self) -> None:
        try:
            for stream in self._readers.take():
                self._cuda.wait_for(stream, self._stream)
        except FatalError:
            raise
        except DeviceError:  # a stream that its owner has destroyed: what is on it may still be going on
            self._cuda.synchronize_all()

    def _counts(self, batch: int) -> NDArray[np.int32]:
        count = self._bindings.count
        pinned = self._host[COUNT]
        self._cuda.download(pinned.ctypes.data, self._device[COUNT], count.nbytes(batch), self._stream)
        self._cuda.synchronize(self._stream)
        return pinned[:batch].copy()

    def _valid_rows(self, counts: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
        for tensor in self._current.rows:
            target, source = self._host[tensor.name].ctypes.data, self._device[tensor.name]
            for span in bindings.valid_spans(tensor, counts.tolist()):
                self._cuda.download(target + span.offset, source + span.offset, span.size, self._stream)
        self._clock.mark("fetched")
        self._cuda.synchronize(self._stream)
        outputs = {tensor.name: tensor.empty(len(counts)) for tensor in self._current.rows}
        for tensor in self._current.rows:
            fetched = tensor.of(self._host, len(counts))
            for index, count in enumerate(counts):
                outputs[tensor.name][index, :count] = fetched[index, :count]
        return outputs


def _cache_file(plan: bytes, version: str) -> Path:
    """Where TensorRT-RTX keeps the kernels that it compiled for this plan: code, so in the user's own folder."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "stc" / f"rtx-{version}-{hashlib.sha256(plan).hexdigest()[:16]}.cache"
