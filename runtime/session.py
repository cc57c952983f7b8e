"""`Session`: one loaded model, shared by any number of streams."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import IncompatibleError, InputError
from stc.runtime import contract, passport
from stc.runtime.backends.onnxruntime import OnnxRuntimeBackend
from stc.runtime.native import Library, Missing, find
from stc.runtime.passport import Passport
from stc.runtime.stream import Stream
from stc.runtime.tracker import TrackerConfig

MODEL_FILE = "model.onnx"


class Session:
    """A model that is ready to run. It holds no state of any video: that is a `Stream`'s.

    Threads: one `Stream` belongs to one thread at a time; `infer` may be called from several threads at once, so
    streams of one session may run in parallel.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        device: str = "cpu",
        threads: int | None = None,
        score_threshold: float | None = None,
        classes: Iterable[str] | None = None,
        tracker: TrackerConfig | None = None,
        native: bool = True,
    ) -> None:
        """Load and verify `model`.

        Args:
            model: a bundle (folder of stc-export; its model.onnx is used), or an ONNX file, in a bundle or alone.
                The passport and the file's SHA-256 are checked before a bundle's file is loaded.
            device: "cpu" or "cuda" (ONNX Runtime's CUDA provider).
            threads: CPU threads of the engine; None: one per physical core.
            score_threshold: least score to keep, 0..1, not below the one baked into the model; None: that one.
            classes: names of the classes to keep; None: all.
            tracker: rule and settings of new streams; None: the passport's.
            native: use the native CPU library where it is installed; `mask_head` says what came of it. False: the op's
                function body and NumPy, to compare.

        Raises:
            InputError: the model is missing or unreadable, or an argument is out of range.
            IncompatibleError: the model was altered, is not what its passport says, or needs another engine or device.
            MissingDependencyError: the engine's package is not installed.
        """
        path, beside = _find(Path(model))
        found = find() if native else Missing("native=False")
        if isinstance(found, Library):
            found = found.with_threads(threads)
        self.native = found if isinstance(found, Library) else None
        self._backend = OnnxRuntimeBackend(path, device=device, threads=threads, native=found)
        self.passport: Passport = beside or self._backend.embedded_passport()
        contract.check(self.passport, self._backend.inputs, self._backend.outputs, str(path))
        self.score_threshold = _threshold(self.passport, score_threshold)
        self.wanted = _wanted(self.passport, classes)
        self.tracker_config = tracker or _tracker_config(self.passport, path)

    @property
    def mask_head(self) -> str:
        """What computes the masks: "native op (…)", or "function body (…)" with the reason."""
        return self._backend.mask_head

    def stream(self, name: str = "", fps: float = 30.0, tracker: TrackerConfig | None = None) -> Stream:
        """A new video. `fps` spaces the frames that come without a time; `name` appears in messages.

        tracker: rule and settings of this stream; None: the session's.
        """
        return Stream(self, tracker or self.tracker_config, name=name, fps=fps)

    def infer(self, inputs: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """The raw graph outputs by name for pictures uint8 (B, H, W, 3) BGR at the model's input size.

        Raises InputError for another type or shape, or a batch size that the model was not exported for.
        """
        height, width = self.passport.input_size
        if not isinstance(inputs, np.ndarray) or inputs.dtype != np.uint8 or inputs.shape[1:] != (height, width, 3):
            found = f"{inputs.dtype} {inputs.shape}" if isinstance(inputs, np.ndarray) else type(inputs).__name__
            raise InputError(f"this model takes uint8 (B, {height}, {width}, 3); got {found}")
        batch = self._backend.inputs[contract.INPUT].shape[0]
        if len(inputs) == 0 or (batch is not None and len(inputs) != batch):
            raise InputError(f"this model takes {batch or 'one or more'} pictures at once; got {len(inputs)}")
        return self._backend.run(inputs)


def _find(model: Path) -> tuple[Path, Passport | None]:
    """The ONNX file to load and the verified passport beside it, None for a file that stands alone."""
    if not model.exists():
        raise InputError(f"{model}: no such model; make one with: stc-export --ckpt FILE")
    path = model / MODEL_FILE if model.is_dir() else model
    if path.suffix in {".plan", ".engine"}:
        raise IncompatibleError(
            f"{path}: the TensorRT backend is not part of this version; the {MODEL_FILE} of the same bundle runs with "
            f"ONNX Runtime: use {path.parent}"
        )
    if path.suffix != ".onnx":
        raise InputError(f"{path}: not a model; give a bundle of stc-export or a .onnx file")
    if not model.is_dir() and not (path.parent / passport.FILE_NAME).is_file():
        return path, None
    beside = passport.read(path.parent)
    passport.verify_file(beside, path)
    return path, beside


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


def _tracker_config(passport: Passport, path: Path) -> TrackerConfig:
    try:
        return TrackerConfig(**passport.tracker)
    except TypeError as error:
        raise IncompatibleError(
            f"{path}: its passport has tracker settings that this version of stc does not know ({error}); "
            "re-export with: stc-export --ckpt FILE"
        ) from error
