"""`Session`: one loaded model, shared by any number of streams."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError, Missing, ProcessBoundError
from stc.runtime.backends.backend import Backend, OnDevice
from stc.runtime.backends.onnxruntime import OnnxRuntimeBackend
from stc.runtime.backends.tensorrt.backend import TensorRtBackend
from stc.runtime.backends.tensorrt.device_array import DeviceArray
from stc.runtime.bundle import contract
from stc.runtime.bundle import files as model_files
from stc.runtime.bundle.files import EngineFile, OnnxFile
from stc.runtime.bundle.passport import Passport
from stc.runtime.letterbox import AnyFrame
from stc.runtime.native import library
from stc.runtime.native.library import Library
from stc.runtime.result import Result
from stc.runtime.stream import Stream, step
from stc.runtime.tracking import config as tracker_config
from stc.runtime.tracking.config import TrackerConfig


class Session:
    """A model that is ready to run. It holds no state of any video: that is a `Stream`'s.

    An engine holds GPU memory until `close()`; a session is also a context manager that closes at its end.

    Threads: `infer`, `step`, `stream` and the streams may be called from several threads at once, so streams run in
    parallel, alone and in steps. One `Stream` takes one frame at a time; it says so to a second thread. `close` is for
    the last one.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        device: str | None = None,
        threads: int | None = None,
        score_threshold: float | None = None,
        classes: Iterable[str] | None = None,
        tracker: TrackerConfig | None = None,
        native: bool = True,
        trust: bool = False,
    ) -> None:
        """Load and verify `model`.

        Args:
            model: a bundle (folder of stc-export), its engine.plan, or an ONNX file, in a bundle or alone. The
                passport and the file's SHA-256 are checked before a bundle's file is loaded, and an engine's record
                against this machine before TensorRT is.
            device: "cpu": ONNX Runtime runs model.onnx. "cuda": the first GPU runs the bundle's engine.plan, or
                ONNX Runtime's CUDA provider model.onnx where there is none. None: "cuda" for a plan, else "cpu".
            threads: CPU threads of ONNX Runtime and of the native library; None: one per physical core of the machine,
                or per processor that this process may use (affinity, a container's quota) where those are fewer.
            score_threshold: least score to keep, 0..1, not below the one baked into the model; None: that one.
            classes: names of the classes to keep; None: all.
            tracker: rule and settings of new streams; None: the passport's.
            native: use the native CPU library where it is installed; `mask_head` says what came of it. False: the op's
                function body and NumPy, to compare.
            trust: run a plan that its passport does not list or that was altered, or with another plugin library than
                it was built with. A plan is code: only for one that you built yourself. What is then not known is
                logged as a warning.

        Raises:
            InputError: the model is missing or unreadable, or an argument is out of range.
            IncompatibleError: the model was altered, is not what its passport says, or needs another engine or device.
            MissingDependencyError: the engine's package is not installed.
            DeviceError: the GPU has too little memory for the engine.
        """
        file = model_files.find(Path(model), device, trust=trust)
        found = _native(native, threads)
        self.native = found if isinstance(found, Library) else None
        self._backend: Backend
        self._backend, self.passport = _load(file, threads, found)
        self._adjust(str(file.path), score_threshold, classes, tracker)

    @classmethod
    def from_backend(cls, backend: Backend, passport: Passport, name: str, *, native: bool = True) -> Session:
        """A session of a model that somebody else runs: `passport` says how to feed it, `name` it in messages.

        native: use the native CPU library where it is installed, for resizing and masks. Raises IncompatibleError when
        the backend is not what its passport says.
        """
        self = cls.__new__(cls)
        found = _native(native, None)
        self.native = found if isinstance(found, Library) else None
        self._backend, self.passport = backend, passport
        self._adjust(name, None, None, None)
        return self

    def _adjust(
        self, where: str, score_threshold: float | None, classes: Iterable[str] | None, tracker: TrackerConfig | None
    ) -> None:
        self._where = where
        try:
            contract.check(self.passport, self._backend.inputs, self._backend.outputs, where)
            self.score_threshold = _threshold(self.passport, score_threshold)
            self.wanted = _wanted(self.passport, classes)
            self.tracker_config = tracker or tracker_config.from_dict(self.passport.tracker, where)
        except BaseException:
            self._backend.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise ProcessBoundError("a session belongs to its process; make one in each: Session(path)")

    def close(self) -> None:
        """Give back the engine's memory; its streams take no more frames. Closing twice is harmless."""
        self._backend.close()

    @property
    def mask_head(self) -> str:
        """What computes the masks: "native op (…)", or "function body (…)" with the reason."""
        return self._backend.mask_head

    @property
    def engine(self) -> str:
        """What computes, and its version: "ONNX Runtime 1.32.0, CPUExecutionProvider"."""
        return self._backend.engine

    @property
    def device(self) -> str:
        """Where the model runs: "cpu" or "cuda"."""
        return self._backend.device

    def stream(self, name: str = "", fps: float = 30.0, tracker: TrackerConfig | None = None) -> Stream:
        """A new video. `fps` spaces the frames that come without a time; `name` appears in messages.

        tracker: rule and settings of this stream; None: the session's.
        """
        return Stream(self, tracker or self.tracker_config, name=name, fps=fps)

    def step(
        self, frames: Mapping[Stream, AnyFrame], times: Mapping[Stream, float | None] | None = None
    ) -> dict[Stream, Result]:
        """One frame of each of several streams, in as few batches as the model allows; results in the same order.

        frames: uint8 (H, W, 3) BGR each, of any sizes. times: seconds, for all streams or some; a stream without one
        goes on by its fps. A stream's results do not depend on which others are in the step: they are those of calling
        it alone, up to the engine's rounding in batches of other sizes. More streams than the model takes at once are
        split; where it takes a fixed number, black pictures fill up what is missing, and cost as much.

        Raises InputError for a wrong frame or time and for a stream that is closed, in use or another session's, and
        what `infer` raises. Then no stream has changed: all go on as if none of these frames had come.
        """
        return step(self, frames, times or {})

    @property
    def batches(self) -> tuple[int, int | None]:
        """Least and largest number of pictures that `infer` takes at once; None: no limit."""
        return self._backend.batches

    def infer(self, inputs: Any, timings: dict[str, float] | None = None) -> dict[str, NDArray[Any]]:
        """The raw graph outputs by name for pictures uint8 (B, H, W, 3) BGR at the model's input size.

        inputs: a NumPy array; with an engine also an array in GPU memory that has `__cuda_array_interface__` or
        `__dlpack__` (PyTorch, CuPy, Numba, pycuda). timings: takes the seconds of the parts that the engine can tell
        apart, see `Backend.run`.

        Raises InputError for another type or shape, or a batch size that the model was not exported for; DeviceError
        when the GPU refuses, FatalError when only a restart of the process helps; IncompatibleError when what comes out
        is not what the passport says, InputError when ONNX Runtime fails.
        """
        frames = self._checked(inputs)
        outputs = self._backend.run(frames, timings)
        contract.check_answer(self.passport, outputs, frames.shape[0], self._where)
        return outputs

    def infer_on_device(self, inputs: Any) -> dict[str, DeviceArray]:
        """As `infer`, with the outputs left in GPU memory, all rows: valid until the session's next call.

        Raises InputError for a model that no engine runs.
        """
        if not isinstance(self._backend, OnDevice):
            raise InputError("outputs stay on the GPU only where a TensorRT engine runs; use infer()")
        return self._backend.run_on_device(self._checked(inputs))

    def _checked(self, inputs: Any) -> Any:
        height, width = self.passport.input_size
        takes = f"this model takes uint8 (B, {height}, {width}, 3)"
        if not isinstance(inputs, np.ndarray):
            if not isinstance(self._backend, OnDevice):
                raise InputError(f"{takes} as a NumPy array; got {type(inputs).__name__}")
            try:
                inputs = self._backend.adopt(inputs)
            except InputError as error:
                raise InputError(f"{takes}; {error}") from error
        if inputs.dtype != np.uint8 or tuple(inputs.shape[1:]) != (height, width, 3):
            raise InputError(f"{takes}; got {inputs.dtype} {inputs.shape}")
        least, largest = self._backend.batches
        if not least <= inputs.shape[0] <= (largest or inputs.shape[0]):
            span = f"{least}" if least == largest else f"{least} to {largest}" if largest else "one or more"
            raise InputError(f"this model takes {span} pictures at once; got {inputs.shape[0]}")
        return inputs


def _native(asked: bool, threads: int | None) -> Library | Missing:
    found = library.find() if asked else Missing("native=False")
    return found.with_threads(threads) if isinstance(found, Library) else found


def _load(file: OnnxFile | EngineFile, threads: int | None, native: Library | Missing) -> tuple[Backend, Passport]:
    if isinstance(file, EngineFile):
        return TensorRtBackend(file), file.passport
    backend = OnnxRuntimeBackend(file.path, device=file.device, threads=threads, native=native)
    return backend, file.passport or backend.embedded_passport()


def _threshold(passport: Passport, asked: float | None) -> float:
    if asked is None:
        return 0.0  # the graph has applied its own
    baked = passport.score_threshold
    # Four decimals, as the message shows it: typing the printed value back must work.
    if not math.isfinite(asked) or asked > 1 or round(asked, 4) < round(baked, 4):
        raise InputError(
            f"score threshold {asked:g}: must be from {baked:.4f}, which is baked into the model, to 1; "
            "for a lower one re-export with: stc-export --ckpt FILE"
        )
    return asked


def _wanted(passport: Passport, classes: Iterable[str] | None) -> NDArray[np.bool_]:
    if classes is None:
        return np.ones(len(passport.classes), np.bool_)
    names = {classes} if isinstance(classes, str) else set(classes)
    if unknown := sorted(names - set(passport.classes)):
        raise InputError(f"unknown classes {', '.join(unknown)}; this model knows {', '.join(passport.classes)}")
    return np.array([name in names for name in passport.classes], np.bool_)
