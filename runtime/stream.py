"""`Stream`: one video on its way through a session."""

from __future__ import annotations

import math
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.detections import select
from stc.runtime.masks import Masks
from stc.runtime.preprocess import Letterbox, check_frame
from stc.runtime.result import Result
from stc.runtime.tracker import Tracker, TrackerConfig, TrackEvent

if TYPE_CHECKING:
    from stc.runtime.session import Session


class Stream:
    """The tracker of one video; call it with one frame after the other. Made by `Session.stream`.

    A stream belongs to one thread at a time. `timings` holds the seconds that the last frame spent in "preprocess",
    "engine" and "track" (selection of detections included), and where the engine can tell in "upload" and "download"
    (beside "engine") and in "mask_head" and "enqueue" (part of "engine"). Masks are computed when asked for, so who
    asks times them.
    """

    def __init__(self, session: Session, tracker: TrackerConfig, *, name: str = "", fps: float = 30.0) -> None:
        """Raises InputError unless `fps` is a positive number."""
        if not (math.isfinite(fps) and fps > 0):
            raise InputError(f"fps must be a positive number; got {fps}")
        self.name = name
        self.fps = fps
        self.timings: dict[str, float] = {}
        self._session = session
        self._tracker = Tracker(tracker)
        self._closed = False

    def __call__(self, frame: NDArray[np.uint8], time: float | None = None) -> Result:
        """Detect and track in `frame`, uint8 (H, W, 3) BGR of any size, shown at `time` seconds.

        `time` None means 1 / fps after the previous frame (0 for the first). Raises InputError for another kind of
        frame, a time before the previous frame's, or a closed stream; the stream then goes on as if that frame had not
        come.
        """
        if self._closed:
            raise InputError(f"stream {self.name!r} is closed; open another with session.stream()")
        start = perf_counter()
        letterbox, inputs = self.prepare(frame)
        preprocessed = perf_counter()
        parts: dict[str, float] = {}
        outputs = self._session.infer(inputs[None], parts)
        inferred = perf_counter()
        result = self.finish(outputs, 0, letterbox, time)
        done = perf_counter()
        self.timings = {
            "preprocess": preprocessed - start,
            **_split(inferred - preprocessed, parts),
            "track": done - inferred,
        }
        return result

    def prepare(self, frame: NDArray[np.uint8]) -> tuple[Letterbox, NDArray[np.uint8]]:
        """How `frame` (any size) fits the model's input, and the input: uint8 (H, W, 3). Changes nothing.

        For who makes batches of their own: stack the inputs, `Session.infer` them, and `finish` in the order of time.
        """
        passport = self._session.passport
        letterbox = Letterbox.fit(check_frame(frame), passport.input_size, passport.resize, passport.border)
        return letterbox, letterbox.apply(frame, self._session.native)

    def finish(
        self, outputs: dict[str, NDArray[Any]], image: int, letterbox: Letterbox, time: float | None = None
    ) -> Result:
        """Track what the model found in picture `image` of a batch; `letterbox` is what `prepare` gave for it."""
        if self._closed:
            raise InputError(f"stream {self.name!r} is closed; open another with session.stream()")
        passport = self._session.passport
        found, probabilities = select(outputs, image, letterbox, self._session.score_threshold, self._session.wanted)
        now = self._next_time() if time is None else time
        update = self._tracker.update(found, now)
        return Result(
            boxes=found.boxes,
            scores=found.scores,
            labels=found.labels,
            track_ids=update.track_ids,
            handles=update.handles,
            embeddings=found.embeddings,
            masks=Masks(probabilities, letterbox, passport.mask_stride, self._session.native),
            classes=passport.classes,
            frame_size=letterbox.frame_size,
            time=now,
            events=update.events,
        )

    def close(self) -> tuple[TrackEvent, ...]:
        """End all tracks and return their events; the stream takes no more frames. Closing twice is harmless."""
        self._closed = True
        return self._tracker.close()

    def _next_time(self) -> float:
        return 0.0 if self._tracker.time is None else self._tracker.time + 1 / self.fps


def _split(seconds: float, parts: dict[str, float]) -> dict[str, float]:
    """A call of the engine in the order of the work: what is copied, and between the copies "engine" with its parts."""
    copies = {name: parts[name] for name in ("upload", "download") if name in parts}
    inner = {name: value for name, value in parts.items() if name not in copies}
    split = {"upload": copies.get("upload"), "engine": seconds - sum(copies.values()), **inner}
    split["download"] = copies.get("download")
    return {name: value for name, value in split.items() if value is not None}
