"""The CUDA runtime with exceptions instead of error codes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stc.errors import DeviceError, FatalError, IncompatibleError

logger = logging.getLogger(__name__)

# After one of these every further call of the process fails (CUDA runtime API, "cudaError").
STICKY = frozenset(
    {
        "cudaErrorAssert",
        "cudaErrorCudartUnloading",
        "cudaErrorECCUncorrectable",
        "cudaErrorHardwareStackError",
        "cudaErrorIllegalAddress",
        "cudaErrorIllegalInstruction",
        "cudaErrorInvalidAddressSpace",
        "cudaErrorInvalidPc",
        "cudaErrorLaunchFailure",
        "cudaErrorLaunchTimeout",
        "cudaErrorMisalignedAddress",
        "cudaErrorMpsClientTerminated",
        "cudaErrorNvlinkUncorrectable",
    }
)
_NO_MEMORY = "cudaErrorMemoryAllocation"


def failure(name: str, text: str, doing: str) -> DeviceError:
    """The exception for the CUDA error `name` ("cudaErrorIllegalAddress") that came while `doing` something."""
    if name in STICKY:
        return FatalError(
            f"{name} ({text}) while {doing}: CUDA is unusable for the rest of this process; restart the process"
        )
    if name == _NO_MEMORY:
        return DeviceError(
            f"not enough GPU memory while {doing} ({text}); close what else uses it (see: nvidia-smi), or build an "
            "engine for fewer pictures at once: stc-export --onnx FILE --batch 1"
        )
    return DeviceError(f"{name} ({text}) while {doing}; see: stc-doctor")


def import_cudart() -> Any:
    """cuda.bindings.runtime. Raises IncompatibleError where it is not installed or does not load."""
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise IncompatibleError(
            f"an engine needs the package cuda-bindings ({error}); fix: pip install 'stc-trt[tensorrt]'"
        ) from error
    return runtime


class Cuda:
    """The GPU number `index`, for any thread. `dead` is the first error after which nothing works.

    Pointers are addresses, sizes bytes. What releases something never raises. CUDA's current GPU belongs to the thread,
    so every call but `using` itself belongs inside `with cuda.using():`.
    """

    def __init__(self, cudart: Any, index: int = 0) -> None:
        self._cudart = cudart
        self.index = index
        self.dead: FatalError | None = None

    @contextmanager
    def using(self) -> Iterator[None]:
        """Make this GPU the thread's for a while, whichever another library has chosen for it."""
        before = int(self._checked(self._cudart.cudaGetDevice(), "asking for the current GPU"))
        if before != self.index:
            self._checked(self._cudart.cudaSetDevice(self.index), f"choosing GPU {self.index}")
        try:
            yield
        finally:
            if before != self.index and self.dead is None and _in_use(before):
                self._released(self._cudart.cudaSetDevice(before))

    def gpu_of(self, pointer: int) -> int | None:
        """The GPU whose memory it is, this one for memory that all reach (managed); None: not memory of a GPU."""
        error, found = self._cudart.cudaPointerGetAttributes(pointer)
        if error.name == "cudaErrorInvalidValue":  # what CUDA knows nothing of, as older ones say it
            return None
        self._checked((error,), "asking whose memory the frames are")
        if found.type == self._cudart.cudaMemoryType.cudaMemoryTypeManaged:
            return self.index
        return int(found.device) if found.type == self._cudart.cudaMemoryType.cudaMemoryTypeDevice else None

    def malloc(self, size: int) -> int:
        return int(self._checked(self._cudart.cudaMalloc(size), f"reserving {size} bytes of GPU memory"))

    def memory_in_use(self) -> int:
        """Bytes of the GPU's memory that all processes hold."""
        error, free, total = self._cudart.cudaMemGetInfo()
        self._checked((error,), "asking for the GPU's free memory")
        return int(total) - int(free)

    def free(self, pointer: int) -> None:
        self._released(self._cudart.cudaFree(pointer))

    def malloc_host(self, size: int) -> int:
        """Pinned memory, which copies at full speed and asynchronously."""
        return int(self._checked(self._cudart.cudaMallocHost(size), f"pinning {size} bytes of memory"))

    def free_host(self, pointer: int) -> None:
        self._released(self._cudart.cudaFreeHost(pointer))

    def create_stream(self) -> Any:
        flags = self._cudart.cudaStreamNonBlocking  # does not wait for what others put on the default stream
        return self._checked(self._cudart.cudaStreamCreateWithFlags(flags), "creating a stream")

    def destroy_stream(self, stream: Any) -> None:
        self._released(self._cudart.cudaStreamDestroy(stream))

    def synchronize(self, stream: Any) -> None:
        self._checked(self._cudart.cudaStreamSynchronize(stream), "waiting for the GPU")

    def synchronize_all(self) -> None:
        """Wait for all streams of the GPU."""
        self._checked(self._cudart.cudaDeviceSynchronize(), "waiting for the GPU")

    def upload(self, target: int, source: int, size: int, stream: Any) -> None:
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._checked(self._cudart.cudaMemcpyAsync(target, source, size, kind, stream), "copying to the GPU")

    def download(self, target: int, source: int, size: int, stream: Any) -> None:
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._checked(self._cudart.cudaMemcpyAsync(target, source, size, kind, stream), "copying from the GPU")

    def fetch(self, target: int, source: int, size: int) -> None:
        """From the GPU into any memory of the host's, done when this returns."""
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._checked(self._cudart.cudaMemcpy(target, source, size, kind), "copying from the GPU")

    def copy(self, target: int, source: int, size: int, stream: Any) -> None:
        """Within GPU memory."""
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        self._checked(self._cudart.cudaMemcpyAsync(target, source, size, kind, stream), "copying on the GPU")

    def wait_for(self, other: int, stream: Any) -> None:
        """Let `stream` wait for what another library has put on its stream `other` by now."""
        event = self._checked(
            self._cudart.cudaEventCreateWithFlags(self._cudart.cudaEventDisableTiming), "creating an event"
        )
        try:
            self.record(event, other)
            self.wait_event(event, stream)
        finally:
            self._released(self._cudart.cudaEventDestroy(event))  # takes effect once the event is over

    def create_event(self) -> Any:
        """One that takes the time."""
        return self._checked(self._cudart.cudaEventCreate(), "creating an event")

    def destroy_event(self, event: Any) -> None:
        self._released(self._cudart.cudaEventDestroy(event))

    def record(self, event: Any, stream: Any) -> None:
        self._checked(self._cudart.cudaEventRecord(event, stream), "recording an event")

    def wait_event(self, event: Any, stream: Any) -> None:
        """Let `stream` wait for what the event was last recorded after; an event that never was holds up nobody."""
        self._checked(self._cudart.cudaStreamWaitEvent(stream, event, 0), "waiting for a stream")

    def synchronize_event(self, event: Any) -> None:
        self._checked(self._cudart.cudaEventSynchronize(event), "waiting for the GPU")

    def elapsed(self, start: Any, end: Any) -> float:
        """Seconds between two recorded events that the GPU has passed."""
        return float(self._checked(self._cudart.cudaEventElapsedTime(start, end), "reading the GPU's clock")) / 1e3

    def begin_capture(self, stream: Any) -> None:
        """Thread-local: what other threads do with CUDA meanwhile does not spoil the capture."""
        mode = self._cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._checked(self._cudart.cudaStreamBeginCapture(stream, mode), "beginning a graph capture")

    def end_capture(self, stream: Any) -> Any:
        """What was captured, ready to launch."""
        graph = self._checked(self._cudart.cudaStreamEndCapture(stream), "ending a graph capture")
        try:
            return self._checked(self._cudart.cudaGraphInstantiate(graph, 0), "instantiating a graph")
        finally:
            self._released(self._cudart.cudaGraphDestroy(graph))

    def abandon_capture(self, stream: Any) -> None:
        """End a capture that failed, so that the stream works again. Raises FatalError only."""
        error, graph = self._cudart.cudaStreamEndCapture(stream)
        if not error.value:
            self._released(self._cudart.cudaGraphDestroy(graph))
        self.check_sticky(stream, "abandoning a graph capture")

    def launch(self, graph: Any, stream: Any) -> None:
        self._checked(self._cudart.cudaGraphLaunch(graph, stream), "launching a graph")

    def destroy_graph(self, graph: Any) -> None:
        self._released(self._cudart.cudaGraphExecDestroy(graph))

    def check_sticky(self, stream: Any, doing: str) -> None:
        """Forget the last error of this thread. Raises FatalError when it is not one to forget.

        TensorRT and its plugins have CUDA runtimes of their own, and each remembers only what it was told itself; so
        the driver is asked too, which breaks for all.
        """
        for result in (self._cudart.cudaGetLastError(), self._cudart.cudaStreamSynchronize(stream)):
            if result[0].name in STICKY:
                raise self._failed(result[0], doing)
        self._cudart.cudaGetLastError()  # what the synchronisation was refused for, in a capture

    def _checked(self, result: tuple[Any, ...], doing: str) -> Any:
        error, *values = result
        if error.value:
            raise self._failed(error, doing)
        return values[0] if values else None

    def _failed(self, error: Any, doing: str) -> DeviceError:
        _, text = self._cudart.cudaGetErrorString(error)
        raised = failure(error.name, text.decode() if isinstance(text, bytes) else str(text), doing)
        if isinstance(raised, FatalError):
            self.dead = self.dead or raised
        return raised

    def _released(self, result: tuple[Any, ...]) -> None:
        if result[0].value:
            logger.debug("release failed: %s", result[0].name)


def current() -> Cuda | None:
    """The GPU that is current in this thread; None where CUDA is not installed or has none."""
    try:
        cudart = import_cudart()
    except IncompatibleError:
        return None
    error, index = cudart.cudaGetDevice()
    return None if error.value else Cuda(cudart, int(index))


def _in_use(index: int) -> bool:
    """Whether this process has anything on the GPU: to choose it would cost memory there."""
    from cuda.bindings import driver

    error, _, active = driver.cuDevicePrimaryCtxGetState(index)
    return bool(active) or bool(error)
