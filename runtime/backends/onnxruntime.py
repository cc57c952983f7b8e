"""ONNX Runtime: the CPU's engine, and the reference of all others."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.boundary import foreign
from stc.errors import DeviceError, IncompatibleError, InputError, Missing, MissingDependencyError
from stc.runtime.backends import bound, cuda_library
from stc.runtime.backends.cuda_library import CudaLibrary
from stc.runtime.backends.cut import NOT_ASKED, Cut, Whole, cut
from stc.runtime.backends.gpu_masks import GpuMasks
from stc.runtime.backends.tensorrt.cuda import Cuda, import_cudart
from stc.runtime.backends.tensorrt.readers import LEGACY
from stc.runtime.bundle import contract
from stc.runtime.bundle import passport as passports
from stc.runtime.bundle.contract import TensorSpec
from stc.runtime.bundle.cut_record import CutRecord
from stc.runtime.bundle.passport import METADATA_KEY, Passport
from stc.runtime.machine import device as devices
from stc.runtime.machine import machine
from stc.runtime.machine.device import Device
from stc.runtime.native.library import Library
from stc.runtime.processors import threads_to_ask_for
from stc.runtime.stages import MASK_HEAD

logger = logging.getLogger(__name__)

# How long a thread that waits for work keeps its processor before it sleeps. Between two operators it waits for a few;
# ONNX Runtime's own default, of milliseconds, takes the time of whatever else runs on the machine, and of itself.
SPIN_MICROSECONDS = 50
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_DTYPES = {"float": "float32", "double": "float64"}  # ONNX Runtime's names that are not NumPy's


class OnnxRuntimeBackend:
    """One loaded ONNX file. `run` may be called from several threads.

    With `native` the graph is cut at the dynamic mask head and the native op computes the masks, of the valid rows: on
    a GPU the kernel of the plugin library, which takes cuda-bindings too. Otherwise the op's function body does, for
    all rows. `mask_head` says which, and why. From a GPU the valid rows are fetched where cuda-bindings is installed,
    else all. Never executed on a GPU.

    tf32: whether float32 convolutions may be computed in TF32, with the ten bits of float16. On a GPU (Ampere or newer)
    cuDNN does, whatever ONNX Runtime's option says, unless the process was started with NVIDIA_TF32_OVERRIDE=0.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: str = "cpu",
        threads: int | None = None,
        native: Library | Missing = NOT_ASKED,
        cut_record: CutRecord | None = None,
        spin: bool = False,
    ) -> None:
        """Load `path` on `device` ("cpu", "cuda" or "cuda:N") with `threads` CPU threads (None: one per physical core).

        cut_record: of the file beside it that holds the graph without the op; None: the onnx package makes that now.
        spin: as long as ONNX Runtime does by itself, and not for SPIN_MICROSECONDS.

        Raises MissingDependencyError without onnxruntime, IncompatibleError when ONNX Runtime cannot or does not use
        the device asked for, InputError for an unknown device, a bad thread count or a file that ONNX Runtime or the
        onnx package cannot use.
        """
        place = devices.parse(device)
        if threads is not None and threads < 1:
            raise InputError(f"threads must be at least 1; got {threads}")
        self.path = path
        self.device = str(place)
        self.provider = PROVIDERS[place.kind]
        self.tf32 = place.kind == "cuda" and os.environ.get("NVIDIA_TF32_OVERRIDE") != "0"
        self._cuda = _cuda(place)
        rest = _cut(path, place, native, self._cuda, cut_record)
        self.mask_head = str(rest)
        self._cut = rest if isinstance(rest, Cut) else None
        model = self._cut.model if self._cut else path
        self._session, self._version = _load(path, model, place, threads, spin)
        with foreign("ONNX Runtime", path, passports.FIX):  # names may be no text, and types no tensors
            self.inputs = {arg.name: _spec(arg) for arg in self._session.get_inputs()}
            outputs = {arg.name: _spec(arg) for arg in self._session.get_outputs()}
        self._names: list[str] = list(outputs)
        self._rest = outputs
        self.outputs = self._cut.contract(outputs) if self._cut else outputs
        self._lock = threading.Lock()  # of what a run on a GPU shares with the next
        self._masks: GpuMasks | None = None
        if self._cut is not None and self._cuda is not None and isinstance(self._cut.library, CudaLibrary):
            self._masks = GpuMasks(self._cut, self._cut.library, self._cuda)
        batch = next(iter(self.inputs[contract.INPUT].shape), None) if contract.INPUT in self.inputs else None
        self.batches = (batch or 1, batch)  # least and largest number of pictures at once; None: no limit
        logger.info("%s: loaded with %s; mask head: %s", path, self.provider, self.mask_head)

    def run(self, frames: NDArray[np.uint8], timings: dict[str, float] | None = None) -> dict[str, NDArray[Any]]:
        """The graph's outputs by name for `frames` uint8 (B, H, W, 3).

        timings: takes the seconds of "mask_head" where the native op computes it. Raises InputError where ONNX Runtime
        fails, or gives the op something else than it takes, FatalError where CUDA has broken (restart the process).
        """
        if self._cuda is not None and contract.COUNT in self.outputs:
            return self._run_bound(frames, self._cuda)
        with foreign("ONNX Runtime", self.path, passports.FIX):
            found = self._session.run(self._names, {contract.INPUT: frames})
        outputs: dict[str, NDArray[Any]] = dict(zip(self._names, found, strict=True))
        if self._cut is None:
            return outputs
        start = perf_counter()
        with foreign("the native op", self.path, passports.FIX):
            completed = self._cut.complete(outputs)
        if timings is not None:
            timings[MASK_HEAD] = perf_counter() - start
        return completed

    def _run_bound(self, frames: NDArray[np.uint8], cuda: Cuda) -> dict[str, NDArray[Any]]:
        place = ("cuda", cuda.index)
        with self._lock, cuda.using():
            try:
                with foreign("ONNX Runtime", self.path, passports.FIX):
                    return bound.run(self._session, frames, self._rest, place, cuda.fetch, str(self.path), self._masks)
            except InputError:
                cuda.check_sticky(LEGACY, "running the model")
                raise

    @property
    def engine(self) -> str:
        """With the provider that is in use now, not the one that was asked for."""
        return f"ONNX Runtime {self._version}, {self._session.get_providers()[0]}"

    def close(self) -> None:
        """Give back what is ours on a GPU; ONNX Runtime does so when the session is forgotten."""
        if self._masks is not None and self._cuda is not None and self._cuda.dead is None:
            with suppress(DeviceError), self._lock, self._cuda.using():
                self._masks.close()

    def embedded_passport(self) -> Passport:
        """The passport in the ONNX metadata, for a file that stands alone.

        Raises InputError when there is none or it is malformed, IncompatibleError when it has another schema.
        """
        with foreign("ONNX Runtime", self.path, passports.FIX):  # its metadata may be no text
            metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map
        if METADATA_KEY not in metadata:
            raise InputError(passports.ALONE.format(self.path))
        where = f"{self.path} (metadata {METADATA_KEY})"
        return passports.from_dict(passports.decoded(metadata[METADATA_KEY], where), where)


def _cuda(device: Device) -> Cuda | None:
    if device.kind == "cpu":
        return None
    try:
        return Cuda(import_cudart(), device.index)
    except IncompatibleError as error:
        logger.info("all rows are fetched from the GPU, not the valid ones alone: %s", error)
        return None


def _cut(
    path: Path, device: Device, native: Library | Missing, cuda: Cuda | None, record: CutRecord | None
) -> Cut | Whole:
    if isinstance(native, Missing):
        return Whole(native.reason)
    if device.kind == "cpu":
        return cut(path, native, record)
    kernels = Missing("cuda-bindings is not installed") if cuda is None else cuda_library.find(machine.gather())
    return Whole(kernels.reason) if isinstance(kernels, Missing) else cut(path, kernels, record)


def _load(path: Path, model: bytes | Path, device: Device, threads: int | None, spin: bool) -> tuple[Any, str]:
    """ONNX Runtime's session and its version. `model` is what to load, `path` where it came from."""
    provider = PROVIDERS[device.kind]
    try:
        import onnxruntime
    except ImportError as error:
        extra = "gpu" if device.kind == "cuda" else "cpu"
        raise MissingDependencyError(
            f"onnxruntime is not installed ({error}); fix: pip install 'stc-trt[{extra}]'"
        ) from error
    if provider not in (available := onnxruntime.get_available_providers()):
        raise IncompatibleError(
            f"this onnxruntime has no {provider} (it has {', '.join(available)}); "
            "fix: pip uninstall onnxruntime && pip install 'stc-trt[gpu]'"
        )
    asked: list[Any] = [provider]
    if device.kind == "cuda":
        _preload(onnxruntime)
        asked = [(provider, {"device_id": str(device.index), "use_tf32": "0"})]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: a library writes nothing on its own
    options.inter_op_num_threads = 1
    # Its threads spin within a run, not after it, when the cores are the tracker's and the native library's.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if not spin:
        options.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN_MICROSECONDS))
    # 0: ONNX Runtime's own default, the physical cores of the machine. It knows neither a quota nor all ways to bind a
    # process to some of them.
    options.intra_op_num_threads = threads_to_ask_for(threads) or 0
    with foreign("ONNX Runtime", path, passports.FIX):
        given = model if isinstance(model, bytes) else str(model)
        session = onnxruntime.InferenceSession(given, options, providers=asked)
    # Without this, a GPU that fails in a run makes ONNX Runtime go on with the CPU provider, and print it at most.
    session.disable_fallback()
    if (got := session.get_providers()[0]) != provider:
        raise IncompatibleError(
            f"asked ONNX Runtime for {provider}, got {got}; its CUDA libraries do not load here: "
            "fix them, or run with device='cpu'"
        )
    return session, onnxruntime.__version__


def _preload(onnxruntime: Any) -> None:
    """Load the CUDA and cuDNN that pip has installed, which ONNX Runtime does not find by itself (from 1.21 on)."""
    if (preload := getattr(onnxruntime, "preload_dlls", None)) is None:
        return
    with redirect_stdout(StringIO()) as said:  # stdout is the caller's
        preload()
    if text := said.getvalue().strip():
        logger.info("ONNX Runtime, loading CUDA: %s", " ".join(text.split()))


def _spec(arg: Any) -> TensorSpec:
    element = str(arg.type).removeprefix("tensor(").removesuffix(")")
    shape = tuple(size if isinstance(size, int) else None for size in arg.shape)
    return TensorSpec((_DTYPES.get(element, element),), shape)
