"""`Session`: one loaded model, shared by any number of streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError, ProcessBoundError
from stc.runtime import loading, selection
from stc.runtime.backends.backend import Backend, OnDevice, TakesFrames
from stc.runtime.backends.tensorrt.device_array import DeviceArray
from stc.runtime.bundle import contract
from stc.runtime.bundle import files as model_files
from stc.runtime.bundle.passport import Passport
from stc.runtime.letterbox import AnyFrame
from stc.runtime.machine.engine_names import EngineName
from stc.runtime.native.library import Library
from stc.runtime.processors import processors
from stc.runtime.result import Result
from stc.runtime.step import step
from stc.runtime.stream import Stream
from stc.runtime.tracking import config as tracker_config
from stc.runtime.tracking.config import TrackerConfig

if TYPE_CHECKING:
    from stc.runtime.video.frame import Frame, Source

IN_FLIGHT = 3  # frames: one is prepared, one in the engine, one with the tracker
AHEAD = 1  # and one more that goes up to a GPU, which resizes it


class Session:
    """A model that is ready to run. It holds no state of any video: that is a `Stream`'s.

    file: what was loaded; None for a model that somebody else runs. workers: how many pictures its engine has at once,
    where that was asked for and it is on the CPU; else 1. precision: "fp32", "fp16", …: of which numbers its
    outputs are, which decides how far they may be from PyTorch's.

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
        engine: EngineName | None = None,
        threads: int | None = None,
        workers: int | None = None,
        spin: bool = False,
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
            device: "cpu": an ONNX file, mostly model.onnx, is run by `engine`. "cuda:N": GPU number N of those that
                this process may use runs the bundle's engine.plan, or where there is none ONNX Runtime's CUDA provider
                its model-fp16.onnx or model.onnx; "cuda" is the first. "gpu", "gpu:N", "npu": Intel's, by OpenVINO
                (never executed). None: "cuda" for a plan, else "cpu".
            engine: "onnxruntime" or "openvino", and no other is tried; "openvino:fp32", "openvino:bf16" or
                "openvino:int8" in these numbers. What is left open is the fastest that is installed and that the
                bundle's passport says finds what the model should (`stc.runtime.bundle.engines` has the rule); `engine`
                and `file` of the session say which it is.
            threads: CPU threads of the engine and of the native library; None: one per physical core of the machine,
                or per processor that this process may use (affinity, a container's quota) where those are fewer.
            workers: of an engine on the CPU, for many videos: it computes so many pictures at once, each on `threads`
                threads, of which one is then what None means. More callers wait for their turn, and a step shares its
                pictures out. None: a picture has all threads, and ONNX Runtime begins another for whoever calls.
            spin: ONNX Runtime's threads that wait for work take their processors' time all the while, and not for 50
                microseconds: a few percent faster on a machine that does nothing else, twice as slow on one that does.
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
            ProcessBoundError: OpenVINO, in a process that was forked from one which uses it.
            DeviceError: the GPU has too little memory for the engine.
        """
        if workers is not None and workers < 1:
            raise InputError(f"workers must be at least 1; got {workers}")
        file = model_files.find(Path(model), device, engine=engine, trust=trust)
        if not isinstance(file, model_files.OnnxFile) or file.device.kind != "cpu":
            workers = None
        elif workers is not None:
            threads = 1 if threads is None else threads
        found = loading.native_library(native, threads)
        self.native = found if isinstance(found, Library) else None
        self._backend: Backend
        self._spare: int | None  # processors that the engine leaves to others; None: it takes none
        self.file: Path | None
        self.precision: str
        self._backend, self.passport = loading.load(file, threads, found, spin, workers or 1)
        self.workers = workers or 1
        self._turns = None if workers is None else BoundedSemaphore(workers)
        # An engine on the CPU computes on as many processors as it has threads (None: on all), and what runs beside it
        # on those takes them from it.
        busy = self.workers * (threads or processors())
        self._spare = None if self._backend.device != "cpu" else max(0, processors() - busy)
        self.file, self.precision = file.path, loading.precision(file.path, self.passport, self._backend)
        self._adjust(str(file.path), score_threshold, classes, tracker)

    @classmethod
    def from_backend(cls, backend: Backend, passport: Passport, name: str, *, native: bool = True) -> Session:
        """A session of a model that somebody else runs: `passport` says how to feed it, `name` it in messages.

        native: use the native CPU library where it is installed, for resizing and masks. Raises IncompatibleError when
        the backend is not what its passport says.
        """
        self = cls.__new__(cls)
        found = loading.native_library(native, None)
        self.native = found if isinstance(found, Library) else None
        self._backend, self.passport, self._spare = backend, passport, None
        self.workers, self._turns = 1, None
        self.file, self.precision = None, str(passport.precision.get("type", "fp32"))
        self._adjust(name, None, None, None)
        return self

    def _adjust(
        self, where: str, score_threshold: float | None, classes: Iterable[str] | None, tracker: TrackerConfig | None
    ) -> None:
        self._where = where
        self._streams: WeakSet[Stream] = WeakSet()
        # Asked once: to hold an object against a protocol takes as long as some frames are tracked.
        self._takes_frames = self._backend if isinstance(self._backend, TakesFrames) else None
        try:
            contract.check(self.passport, self._backend.inputs, self._backend.outputs, where)
            self.score_threshold = selection.threshold(self.passport, score_threshold)
            self.wanted = selection.wanted(self.passport, classes)
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
        """Give back the engine's memory, once frames in flight are answered; its streams take no more frames. Closing
        twice is harmless.
        """
        for stream in list(self._streams):
            stream.settle()
        self._backend.close()

    @property
    def mask_head(self) -> str:
        """What computes the masks: "native op (…)", or "function body (…)" with the reason."""
        return self._backend.mask_head

    @property
    def engine(self) -> str:
        """What computes, and its version: "ONNX Runtime 1.32.0, CPUExecutionProvider", "OpenVINO 2026.4.1, CPU f32"."""
        return self._backend.engine

    @property
    def device(self) -> str:
        """Where the model runs: "cpu", "cuda" (the first GPU) or "cuda:N"; in OpenVINO "gpu", "gpu:N" or "npu"."""
        return self._backend.device

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes of the model; `Result.labels` are indices into them."""
        return self.passport.classes

    @property
    def input_size(self) -> tuple[int, int] | None:
        """(H, W) that frames of any size are fitted into; None: the model takes any (`Passport.letterbox`)."""
        return None if self.passport.shortest_edge else self.passport.input_size

    def __repr__(self) -> str:
        return f"<Session of {self._where}: {self.engine}; classes {', '.join(self.classes)}>"

    def stream(
        self,
        name: str = "",
        fps: float = 30.0,
        tracker: TrackerConfig | None = None,
        *,
        score_threshold: float | None = None,
        classes: Iterable[str] | None = None,
        in_flight: int | None = None,
    ) -> Stream:
        """A new video. `fps` spaces the frames that come without a time; `name` appears in messages.

        tracker, score_threshold, classes: of this stream; None: the session's. in_flight: how many frames `submit` has
        on their way at once; None: 3, one for each stage, 4 where an engine takes whole frames to its GPU, 1 where one
        on the CPU has all processors (`threads`), from which the others would take time. They use those that it leaves.

        Raises InputError as `Session` does.
        """
        if in_flight is None:
            in_flight = 1 if self._spare == 0 else IN_FLIGHT + AHEAD * (self.takes_frames is not None)
        stream = Stream(
            self,
            tracker or self.tracker_config,
            name=name,
            fps=fps,
            score_threshold=None if score_threshold is None else selection.threshold(self.passport, score_threshold),
            wanted=None if classes is None else selection.wanted(self.passport, classes),
            in_flight=in_flight,
            threads=None if in_flight == 1 or self._spare is None else max(1, self._spare),
        )
        self._streams.add(stream)
        return stream

    def track(
        self,
        source: str | Path | Source,
        *,
        every: int = 1,
        tracker: TrackerConfig | None = None,
        score_threshold: float | None = None,
        classes: Iterable[str] | None = None,
    ) -> Iterator[tuple[Frame, Result]]:
        """Each frame of a video, picture, folder, camera or URL with its result, read as `stc-track` reads it.

            for frame, result in session.track("rtsp://cam/live", every=2):
                picture = result.draw(frame)

        source: what `stc.runtime.video.open_source` takes, or what it gave. It is opened with the first frame, and
        closed when the loop ends, however it ends. A recording that is opened here is read ahead where frames overlap
        (`stream`). every: use only every Nth frame. The rest as in `stream`.

        Raises InputError for what cannot be read, and what `Stream` raises.
        """
        from stc.runtime.video.ahead import results
        from stc.runtime.video.sources import open_source

        opened = isinstance(source, (str, Path))  # another's may give one array again and again
        with open_source(source, every) if isinstance(source, (str, Path)) else source as frames:
            config = tracker_config.for_length(tracker or self.tracker_config, frames.length)
            stream = self.stream(frames.name, frames.fps, config, score_threshold=score_threshold, classes=classes)
            with results(frames, stream, overlap=opened) as found:
                yield from found

    def predict(self, picture: AnyFrame | str | Path) -> Result:
        """What is in one picture that belongs to no video: as `stc-track photo.jpg`, it confirms objects at once.

        picture: as a stream takes it, or the path of one. The frames of a video go to a `stream` or `track`, where
        objects keep their ids. Raises InputError for what is no picture, and what `infer` raises.
        """
        if isinstance(picture, (str, Path)):
            from stc.runtime.video.sources import open_source

            with open_source(picture) as frames:
                if frames.length != 1:
                    raise InputError(f"{frames.name}: not one picture; objects keep their ids with: session.track(…)")
                picture = next(iter(frames)).image
        return self.stream(tracker=tracker_config.for_length(self.tracker_config, 1))(picture)

    def step(
        self, frames: Mapping[Stream, AnyFrame], times: Mapping[Stream, float | None] | None = None
    ) -> dict[Stream, Result]:
        """One frame of each of several streams, in as few batches as the model allows; results in the same order.

        frames: uint8 (H, W, 3) BGR each, of any sizes. Where the model takes any size too, those that it gets at the
        same size are in a batch. times: seconds, for all streams or some; a stream without one
        goes on by its fps. A stream's results do not depend on which others are in the step: they are those of calling
        it alone, up to the engine's rounding in batches of other sizes. More streams than the model takes at once are
        split; where it takes a fixed number, black pictures fill up what is missing, and cost as much.

        Raises InputError for a wrong frame or time and for a stream that is closed, in use or another session's, and
        what `infer` raises. Then no stream has changed: all go on as if none of these frames had come.
        """
        return step(self, frames, times or {})

    @property
    def takes_frames(self) -> TakesFrames | None:
        """The engine, where it takes whole frames, of the host or on its GPU, and resizes them there; else None."""
        engine = self._takes_frames
        return engine if engine is not None and not engine.frames_refused else None

    @property
    def batches(self) -> tuple[int, int | None]:
        """Least and largest number of pictures that `infer` takes at once; None: no limit."""
        return self._backend.batches

    def infer(self, inputs: Any, timings: dict[str, float] | None = None) -> dict[str, NDArray[Any]]:
        """The raw graph outputs by name for pictures uint8 (B, H, W, 3) BGR at the model's input size, or,
        of a model that takes any, of one size that its frames have there (`Passport.letterbox`).

        inputs: a NumPy array; with an engine also an array in GPU memory that has `__cuda_array_interface__` or
        `__dlpack__` (PyTorch, CuPy, Numba, pycuda). timings: takes the seconds of the parts that the engine can tell
        apart, see `Backend.run`.

        Raises InputError for another type or shape, or a batch size that the model was not exported for; DeviceError
        when the GPU refuses, FatalError when only a restart of the process helps; IncompatibleError when what comes out
        is not what the passport says, InputError when ONNX Runtime fails.
        """
        frames = self._checked(inputs)
        with self._turns or nullcontext():
            outputs = self._backend.run(frames, timings)
        contract.check_answer(self.passport, outputs, frames.shape[0], frames.shape[1:3], self._where)
        return outputs

    def infer_on_device(self, inputs: Any) -> dict[str, DeviceArray]:
        """As `infer`, with the outputs left in GPU memory, all rows: valid until the session's next call.

        They are complete. The next call, and `close`, wait for what a reader has put on its stream by then: the one
        that it gave `__dlpack__` (`torch.from_dlpack` and `cupy.from_dlpack` give their current one).

        Raises InputError for a model that no engine runs.
        """
        if not isinstance(self._backend, OnDevice):
            raise InputError("outputs stay on the GPU only where a TensorRT engine runs; use infer()")
        return self._backend.run_on_device(self._checked(inputs))

    def warm_up(self, batches: Iterable[int] | None = None, frame_size: tuple[int, int] | None = None) -> None:
        """Do now what else the first frames would wait for: an engine's contexts, memory and CUDA graphs for each of
        `batches` (numbers of pictures at once; None: the least), kernels that are compiled or loaded when first used.

        frame_size: (H, W) of the streams' frames, whose way to the model is warmed up too, with this session's
        threshold and classes; of an engine that resizes frames on its GPU that is part of the graph. None: not known.
        Raises as `infer` and `step` do.
        """
        counts = [self.batches[0]] if batches is None else list(batches)
        if frame_size is not None:
            frame = np.zeros((*frame_size, 3), np.uint8)
            for count in counts:
                for _ in range(2):
                    self.step({self.stream(): frame for _ in range(count)})
            return
        for batch in counts:
            frames = np.zeros((batch, *self.passport.input_size, 3), np.uint8)
            for _ in range(2):  # the first run captures the graph, the second brings it to the GPU
                self.infer(frames)

    def _checked(self, inputs: Any) -> Any:
        expected = contract.input_spec(self.passport)
        if not isinstance(inputs, np.ndarray):
            if not isinstance(self._backend, OnDevice):
                raise InputError(f"this model takes {expected} as a NumPy array; got {type(inputs).__name__}")
            try:
                inputs = self._backend.adopt(inputs)
            except InputError as error:
                raise InputError(f"this model takes {expected}; {error}") from error
        if not expected.admits(inputs.dtype, inputs.shape):
            raise InputError(f"this model takes {expected}; got {inputs.dtype} {inputs.shape}")
        least, largest = self._backend.batches
        if not least <= inputs.shape[0] <= (largest or inputs.shape[0]):
            span = f"{least}" if least == largest else f"{least} to {largest}" if largest else "one or more"
            raise InputError(f"this model takes {span} pictures at once; got {inputs.shape[0]}")
        return inputs
