"""TensorRT and TensorRT-RTX, through cuda-bindings.

Never executed on a GPU: its logic is tested with a fake CUDA runtime and a fake engine, its calls against the names and
signatures of the real bindings.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import DeviceError, FatalError, InputError, Missing, StaleError
from stc.runtime.backends.tensorrt import bindings, device_array
from stc.runtime.backends.tensorrt.buffers import Binding, BufferSet
from stc.runtime.backends.tensorrt.cuda import Cuda, import_cudart
from stc.runtime.backends.tensorrt.device_array import DeviceArray
from stc.runtime.backends.tensorrt.dlpack import CUDA
from stc.runtime.backends.tensorrt.engine import collector, describe, deserialize, import_tensorrt
from stc.runtime.backends.tensorrt.execution import (
    ALONE,
    Around,
    CapturedGraphs,
    Execution,
    KernelCache,
    OwnGraphs,
    Shape,
    Site,
)
from stc.runtime.backends.tensorrt.gpu_clock import COMPUTED
from stc.runtime.backends.tensorrt.pictures import Pictures
from stc.runtime.backends.tensorrt.readers import Readers
from stc.runtime.backends.tensorrt.resident import asked
from stc.runtime.backends.tensorrt.resident import kernels as resident_kernels
from stc.runtime.backends.tensorrt.resident.frame import Placed, on_device, place
from stc.runtime.backends.tensorrt.resident.lanes import Lanes
from stc.runtime.backends.tensorrt.resident.masks import FrameOrigin
from stc.runtime.backends.tensorrt.resident.memory import OwnedMemory
from stc.runtime.backends.tensorrt.resident.path import ResidentPath, Shared, Unresized, unsupported
from stc.runtime.backends.tensorrt.resident.staging import Staged
from stc.runtime.backends.tensorrt.resident.turns import Begun, Turn, Turns
from stc.runtime.bundle.contract import COUNT, MASKS
from stc.runtime.bundle.files import EngineFile
from stc.runtime.letterbox import check_frame
from stc.runtime.machine import machine
from stc.runtime.machine.device import Device
from stc.runtime.machine.flavour import FLAVOURS
from stc.runtime.native.cuda_interface import WORD
from stc.runtime.stages import ENQUEUE

logger = logging.getLogger(__name__)


class TensorRtBackend:
    """One engine on one GPU. Its buffers are reserved when it loads, for the largest batch and input; a second set of
    them, and of what whole frames need, when whole frames first meet.

    All may be called from several threads, whichever GPU is current there. One run is computed at a time; while it is,
    whole frames of the next go up and those of the last come back. `close` releases everything in order; after an error
    that CUDA does not recover from, it leaves the driver alone.

    runs: how many there were. What is asked of an earlier one's masks is refused.
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
        self._sets: list[BufferSet] = []
        self._shared: Shared | None = None
        self.runs = 0
        self.frames_refused = ""
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
        self._stream = self._cuda.create_stream()
        self._release.callback(self._cuda.destroy_stream, self._stream)

        def bind(addresses: Mapping[str, int], release: ExitStack) -> Execution:
            site = Site(self._cuda, trt, log, engine, self._stream, self._bindings, addresses, str(file.path))
            if file.flavour != "rtx":
                return CapturedGraphs(site, release)
            strategy, cache_file = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE, _cache_file(file.plan, trt.__version__)
            return OwnGraphs(site, KernelCache(engine, strategy, cache_file, release), release)

        self._turns = Turns(self._make(bind, self._release))
        self._load_path(file)

    def _load_path(self, file: EngineFile) -> None:
        """The kernels for whole frames, where this machine has them and they fit the engine."""
        kernels = resident_kernels.find(machine.gather())
        self.frames_refused = str(kernels) if isinstance(kernels, Missing) else unsupported(self._bindings)
        if isinstance(kernels, Missing) or self.frames_refused:
            logger.info("%s: frames are resized on the CPU: %s", file.path, self.frames_refused)
            return
        lanes = Lanes(self._cuda, self._stream, self._release)
        self._shared = Shared(self._cuda, kernels, lanes, file.passport.mask_stride, self._release)
        first = self._sets[0]
        first.path = ResidentPath(self._shared, first.addresses, first.clock, self._release)

    def _make(self, bind: Binding, release: ExitStack) -> BufferSet:
        made = BufferSet(self._cuda, self._bindings, bind, release)
        if self._shared is not None:
            made.path = ResidentPath(self._shared, made.addresses, made.clock, release)
        self._sets.append(made)
        return made

    def _second_set(self) -> BufferSet | None:
        """None where there is no memory for it."""
        try:
            with self._entered(), ExitStack() as release:
                made = self._make(self._sets[0].execution.beside, release)
                self._release.enter_context(release.pop_all())
                return made
        except FatalError:
            raise
        except DeviceError as error:
            logger.warning("%s: frames in flight share one set of buffers, a little slower: %s", self.path, error)
            return None

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
        with self._turn() as buffers, self._entered():
            pictures, enqueue = self._execute(frames, buffers)
            outputs = pictures.outputs(str(self.path))
            if timings is not None:
                timings |= {**buffers.clock.read(), ENQUEUE: enqueue}
            return outputs

    def run_on_device(self, frames: NDArray[np.uint8] | DeviceArray) -> dict[str, DeviceArray]:
        """All outputs by name where the engine wrote them, complete; valid until the next call and until `close`.

        Both wait for what readers of the outputs have put on their streams by then. Raises as `run` does.
        """
        with self._turn() as buffers, self._entered():
            pictures, _ = self._execute(frames, buffers)
            self._cuda.synchronize(self._stream)
            place = (CUDA, self._cuda.index)
            return {
                tensor.name: DeviceArray(
                    buffers.addresses[tensor.name],
                    tensor.shape(pictures.batch),
                    tensor.dtype,
                    owner=self,
                    device=place,
                    readers=self._readers,
                )
                for tensor in (pictures.bindings.count, *pictures.bindings.rows)
            }

    def place(self, frame: Any) -> Placed | Staged:
        """A frame for `begin`: where another library's lies on the GPU, or a copy of the host's, on its way.

        Raises InputError when it is no frame, or on another GPU, DeviceError when there is no memory for it.
        """
        if not on_device(frame):
            check_frame(frame)
            self._check_open()
            with self._cuda.using():  # beside a run of the engine, which has other frames
                return self._resident.staging.copy(frame)
        with self._entered():
            return place(frame, int(self._stream), self._cuda.index, self._cuda.gpu_of)

    def begin(self, pictures: Sequence[Unresized]) -> Begun:
        """Put `pictures`, which come to one input size, on their way, and return before they are there.

        Waits while two batches are: who begins a second one without asking for the first waits for somebody else.
        Raises as `run` does.
        """
        current = self._bindings.at(pictures[0].letterbox.input_size, str(self.path))
        turn = self._turns.take(self._second_set)
        try:
            with self._entered():
                run, enqueue = self._put(pictures, current, turn.buffers)
        except BaseException:
            turn.release()
            raise
        return Begun(turn, lambda timings: self._outputs(pictures, current, turn.buffers, run, enqueue, timings))

    def _put(self, pictures: Sequence[Unresized], current: bindings.Bindings, buffers: BufferSet) -> tuple[int, float]:
        """The number of the run, and the seconds that putting the engine's work on its stream took."""
        path, shared = buffers.path, self._resident
        assert path is not None
        buffers.wait()  # where nobody asked for the last outputs
        self.runs += 1
        try:
            self._await_readers()
            placed = path.upload(pictures)
            around = path.around(pictures, placed, current)
            shape = current.frames.shape(max(len(pictures), current.least))
            enqueue = self._enqueue(buffers, shape, around)
            size = current.count.nbytes(len(pictures))
            path.download((buffers.host[COUNT].ctypes.data, buffers.addresses[COUNT], size))
        except BaseException:
            with suppress(DeviceError):  # what is on its way already reads frames and writes buffers
                shared.lanes.synchronize()
            raise
        buffers.begun(pictures)
        return self.runs, enqueue

    def _outputs(
        self,
        pictures: Sequence[Unresized],
        current: bindings.Bindings,
        buffers: BufferSet,
        run: int,
        enqueue: float,
        timings: dict[str, float] | None,
    ) -> list[dict[str, Any]]:
        self._check_open()
        with self._cuda.using():  # while the next are put on their way
            buffers.wait()
        with self._entered():
            counts = buffers.host[COUNT][: len(pictures)]
            bindings.check_counts(counts.tolist(), current.rows, str(self.path))
            assert buffers.path is not None
            answers = buffers.path.answers(pictures, current)
            if timings is not None:
                timings |= {**buffers.clock.read(), ENQUEUE: enqueue}
        masks, begin = next(t for t in current.rows if t.name == MASKS), buffers.addresses[MASKS]
        return [
            answer.with_masks(FrameOrigin(self, run, begin + index * masks.nbytes(1), current, picture.letterbox))
            for index, (answer, picture) in enumerate(zip(answers, pictures, strict=True))
        ]

    def probabilities(self, origin: FrameOrigin, rows: NDArray[np.int32]) -> NDArray[Any]:
        """(n, Hm, Wm) of rows of a picture of `begin`. Raises StaleError once the next run has begun."""
        with self._entered():
            self._check_last(origin)
            return asked.probabilities(self._resident, origin, rows)

    def frame_bits(self, origin: FrameOrigin, rows: NDArray[np.int32]) -> DeviceArray:
        """uint32 (n, H0, ceil(W0 / 32)), whose memory is the array's own. Raises as `probabilities`."""
        with self._entered():
            self._check_last(origin)
            words = asked.frame_bits(self._resident, origin, rows)
        height, width = origin.letterbox.frame_size
        shape = (len(rows), height, -(-width // WORD))
        owned = OwnedMemory(self._cuda, words)
        return DeviceArray(words.address, shape, np.dtype(np.uint32), owner=owned, device=(CUDA, self._cuda.index))

    def _check_last(self, origin: FrameOrigin) -> None:
        if origin.run != self.runs:
            raise StaleError(
                "the masks of this frame have left the GPU: its session has run another frame since; ask before that, "
                "or ask for what is on the host: rle(), areas(), boxes(), bits(), dense(), polygons()"
            )

    @property
    def _resident(self) -> Shared:
        if self._shared is None:
            raise InputError(f"{self.path}: whole frames cannot be taken on the GPU: {self.frames_refused}")
        return self._shared

    def close(self) -> None:
        """Give back everything. Closing twice is harmless."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._cuda.dead is None:
                with suppress(DeviceError), self._cuda.using():
                    for buffers in self._sets:  # for whom another thread may be waiting
                        buffers.wait()
                    if self._readers.take():
                        self._cuda.synchronize_all()
                    self._release.close()
            if self._cuda.dead is None:
                self._release.close()  # nothing is left, unless the GPU could not be chosen
            self._release.pop_all()  # every call would fail; the end of the process gives the memory back
            self._sets.clear()

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """One thread at a time, with the engine's GPU as its current one."""
        with self._lock:
            self._check_open()
            with self._cuda.using():
                yield

    def _check_open(self) -> None:
        if self._closed:
            raise InputError(f"{self.path}: the session is closed")
        if self._cuda.dead is not None:
            raise FatalError(str(self._cuda.dead))

    @contextmanager
    def _turn(self) -> Iterator[BufferSet]:
        """Buffers of one's own: of pictures of the engine's size, whose copies are short, one set serves all."""
        turn: Turn[BufferSet] = self._turns.take(lambda: None)
        try:
            yield turn.buffers
        finally:
            turn.release()

    def _execute(self, frames: NDArray[np.uint8] | DeviceArray, buffers: BufferSet) -> tuple[Pictures, float]:
        """Put the work on the stream; the seconds that putting the engine's work there took."""
        buffers.wait()
        self.runs += 1
        current = self._bindings.at((frames.shape[1], frames.shape[2]), str(self.path))
        pictures = Pictures(self._cuda, self._stream, buffers, current, frames.shape[0])
        self._await_readers()
        pictures.upload(frames)
        return pictures, self._enqueue(buffers, current.frames.shape(frames.shape[0]))

    def _enqueue(self, buffers: BufferSet, shape: Shape, around: Around = ALONE) -> float:
        """Put the engine's work on the stream; the seconds that it took."""
        start = perf_counter()
        buffers.execution.run(shape, around)
        seconds = perf_counter() - start
        buffers.clock.mark(COMPUTED, self._stream)
        return seconds

    def _await_readers(self) -> None:
        try:
            for stream in self._readers.take():
                self._cuda.wait_for(stream, self._stream)
        except FatalError:
            raise
        except DeviceError:  # a stream that its owner has destroyed: what is on it may still be going on
            self._cuda.synchronize_all()


def _cache_file(plan: bytes, version: str) -> Path:
    """Where TensorRT-RTX keeps the kernels that it compiled for this plan: code, so in the user's own folder."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "stc" / f"rtx-{version}-{hashlib.sha256(plan).hexdigest()[:16]}.cache"
