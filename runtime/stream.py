"""`Stream`: one video on its way through a session."""

from __future__ import annotations

import logging
import math
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError, ProcessBoundError
from stc.runtime.backends.tensorrt.resident.frame import DeviceFrame
from stc.runtime.backends.tensorrt.resident.masks import KeptMasks, KeptRows, probabilities_of
from stc.runtime.backends.tensorrt.resident.objects import Wish
from stc.runtime.backends.tensorrt.resident.path import Unresized
from stc.runtime.frames.pillow import as_bgr
from stc.runtime.letterbox import AnyFrame, Letterbox, check_frame
from stc.runtime.masks.containment import Containment
from stc.runtime.masks.masks import Masks
from stc.runtime.native.library import Library
from stc.runtime.overlap import Handle, Overlap
from stc.runtime.result import Result
from stc.runtime.step import Found, Passage, SessionView, step
from stc.runtime.tracking.config import TrackerConfig
from stc.runtime.tracking.detections import select
from stc.runtime.tracking.history import Histories
from stc.runtime.tracking.tracker import Tracker, TrackEvent

log = logging.getLogger(__name__)
MUCH_BORDER = 32  # input pixels: what padding to a multiple of 32 can add without a letterbox


class Stream:
    """The tracker of one video; call it with one frame after the other. Made by `Session.stream`.

    All state of the video is here and in nothing else. A stream takes one frame at a time: while one thread is in it,
    a frame from another is an InputError (waiting would leave the order of the frames to chance). `close` waits for
    the frames in progress.

    `submit` overlaps frames: one is resized while the engine has the one before it and the tracker the one before that.
    The results are those of calling the stream.

    `timings` holds the seconds that the last frame spent in "preprocess", "engine" and "track" (selection of detections
    included), and where the engine can tell in "upload" and "download" (beside "engine") and in "mask_head" and
    "enqueue" (part of "engine"). Of a batch every frame has an equal share of the engine's parts. Masks are computed
    when asked for, so their time is the caller's to take.
    """

    def __init__(
        self,
        session: SessionView,
        tracker: TrackerConfig,
        *,
        name: str = "",
        fps: float = 30.0,
        score_threshold: float | None = None,
        wanted: NDArray[np.bool_] | None = None,
        in_flight: int = 1,
        threads: int | None = None,
    ) -> None:
        """score_threshold, wanted: of this video; None: the session's. in_flight: frames that `submit` has at once; of
        one, it does the work itself. threads: at most, for resizing and masks; None: the session's.

        Raises InputError unless `fps` is positive and `in_flight` at least 1.
        """
        if not (math.isfinite(fps) and fps > 0):
            raise InputError(f"fps must be a positive number; got {fps}")
        if in_flight < 1:
            raise InputError(f"in_flight={in_flight}: must be 1 or more")
        self.name = name
        self.fps = fps
        self.session = session
        self.score_threshold = session.score_threshold if score_threshold is None else score_threshold
        self.wanted = session.wanted if wanted is None else wanted
        self.threads = threads
        self.timings: dict[str, float] = {}
        self._tracker = Tracker(tracker)
        self._histories = Histories()
        self._closed = False
        self._warned = False
        self._lock = threading.Lock()
        stages = (Passage.prepare, Passage.infer, Passage.finish)
        self._overlap: Overlap[Result] = Overlap(stages, in_flight, f"stc stream {name}")
        weakref.finalize(self, self._overlap.end)

    def __call__(self, frame: AnyFrame, time: float | None = None) -> Result:
        """Detect and track in `frame`, shown at `time` seconds: uint8 (H, W, 3) BGR, a YuvFrame or a `PIL.Image.Image`,
        of any size.

        `time` None means 1 / fps after the previous frame (0 for the first). Raises InputError for another kind of
        frame, a time before the previous frame's, a closed stream, or one that another thread is in; the stream then
        goes on as if that frame had not come. A model of a fixed batch size runs a whole batch for it (`Session.step`).
        """
        return step(self.session, {self: frame}, {self: time})[self]

    def submit(self, frame: AnyFrame, time: float | None = None) -> Handle[Result]:
        """As calling the stream, but it returns at once with a handle, whose `result()` answers or raises.

            waiting = deque()
            for frame in video:
                waiting.append(stream.submit(frame))
                if len(waiting) > 3:
                    use(waiting.popleft().result())

        Waits while as many frames as `Session.stream` was given are in flight: `frame` must stay as it is until its
        result is there. Frames are answered in order. After one that failed, those submitted before its error was
        asked for raise SkippedError, untracked; the stream then goes on as if neither they nor it had come.

        Raises InputError for a closed stream, or one that another thread is in.
        """
        with self._entered():
            return self._overlap.submit(Passage(self, frame, time))

    @property
    def native(self) -> Library | None:
        """The session's library, for as many threads as the stream may use."""
        library = self.session.native
        return library.with_threads(min(self.threads, library.threads)) if library and self.threads else library

    @property
    def in_flight(self) -> int:
        """How many frames `submit` has on their way at once; of one, it overlaps nothing."""
        return self._overlap.room

    def settle(self) -> None:
        """Wait for the frames in flight, and end the threads that `submit` began; the next frame begins new ones."""
        if self._overlap.started:
            with self._lock:
                self._overlap.close()

    def __reduce__(self) -> NoReturn:
        raise ProcessBoundError(
            "a stream belongs to its process, as its session does; make one in each: Session(path).stream(name); "
            "its results can be passed on"
        )

    def prepare(self, frame: AnyFrame) -> tuple[Letterbox, NDArray[np.uint8]]:
        """How `frame` (any size) fits the model's input, and the input: uint8 (H, W, 3). Changes nothing.

        For callers that make their own batches: stack the inputs, `Session.infer` them, `finish` in the order of time.
        A model that takes any size has an input size for each shape of frames; only inputs of one size can be stacked.
        """
        frame = as_bgr(frame)
        letterbox = self.session.passport.letterbox(check_frame(frame))
        self._warn_of_border(letterbox)
        return letterbox, letterbox.apply(frame, self.native)

    def take(self, frame: Any) -> tuple[Letterbox, NDArray[np.uint8] | Unresized]:
        """As `prepare`, for a step: an engine that resizes frames on its GPU gets them as they came."""
        if (engine := self.session.takes_frames) is None:
            if isinstance(frame, DeviceFrame) or hasattr(frame, "__cuda_array_interface__"):
                raise InputError(
                    "a frame in GPU memory, which a TensorRT engine takes where the plugin library's kernels are there "
                    "(see: stc-doctor); give this session a NumPy array"
                )
            return self.prepare(frame)
        placed = engine.place(as_bgr(frame))
        letterbox = self.session.passport.letterbox(placed.size)
        self._warn_of_border(letterbox)
        wish = Wish(self.score_threshold, self.wanted.tobytes(), self._tracker.rule.needs_masks)
        return letterbox, Unresized(placed, letterbox, wish)

    def _warn_of_border(self, letterbox: Letterbox) -> None:
        """Once, where a model sees other frames than it was trained with: group norms average over the border."""
        if self._warned or self.session.passport.head_norm != "group" or max(letterbox.border_size) <= MUCH_BORDER:
            return
        self._warned = True
        (frame_h, frame_w), (input_h, input_w) = letterbox.frame_size, letterbox.input_size
        height, width = letterbox.size_without
        log.warning(
            "stream %r: frames of %dx%d leave a border of %d rows and %d columns in the %dx%d input, which the group "
            "norms of this model average over: unless it was trained with such borders, its detections are not the "
            "original's; for such frames: stc-export --size %dx%d",
            *(self.name, frame_h, frame_w, *letterbox.border_size, input_h, input_w, height, width),
        )

    def finish(
        self, outputs: dict[str, NDArray[Any]], image: int, letterbox: Letterbox, time: float | None = None
    ) -> Result:
        """Track what the model found in picture `image` of a batch; `letterbox` is what `prepare` gave for it."""
        with self.exclusive():
            return self.track(self.select(outputs, image, letterbox), self.time_of(time))

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """The stream is this thread's. Raises InputError when it is closed, or another thread's now, or has frames in
        flight.
        """
        with self._entered():
            if self._overlap.busy:
                raise InputError(
                    f"stream {self.name!r} has frames in flight; ask for the result of the last one first, or submit "
                    "this one too"
                )
            yield

    @contextmanager
    def _entered(self) -> Iterator[None]:
        if not self._lock.acquire(blocking=False):
            raise InputError(
                f"stream {self.name!r} is in use by another thread; one frame at a time, and a stream per video"
            )
        try:
            if self._closed:
                raise InputError(f"stream {self.name!r} is closed; open another with session.stream()")
            yield
        finally:
            self._lock.release()

    def time_of(self, time: float | None) -> float:
        """When the next frame is shown, seconds. Raises InputError for a time before the previous frame's."""
        before = self._tracker.time
        if time is None:
            return 0.0 if before is None else before + 1 / self.fps
        self._tracker.check_time(time)
        return time

    def select(self, outputs: dict[str, NDArray[Any]], image: int, letterbox: Letterbox) -> Found:
        """What this stream's threshold and classes leave of picture `image` of a batch. Changes nothing.

        Raises IncompatibleError for a label beyond the model's classes.
        """
        detections, found = select(outputs, image, letterbox, self.score_threshold, self.wanted)
        if self._tracker.rule.needs_masks:
            detections = replace(detections, masks=probabilities_of(found))
        masks = self._masks(found, letterbox)
        containment = Containment(masks, np.arange(len(detections)))
        return Found(replace(detections, containment=containment), masks, letterbox)

    def check(self, found: Found, time: float) -> None:
        """Raises InputError where `track` would; changes nothing."""
        self._tracker.check(found.detections, time)

    def track(self, found: Found, time: float) -> Result:
        """Give ids to what was found in the frame shown at `time`; the caller holds the stream (`exclusive`)."""
        detections, letterbox, passport = found.detections, found.letterbox, self.session.passport
        update = self._tracker.update(detections, time)
        ages, voted = self._histories.update(update, detections.labels, detections.scores, time)
        return Result(
            boxes=detections.boxes,
            scores=detections.scores,
            labels=detections.labels,
            track_ids=update.track_ids,
            handles=update.handles,
            ages=ages,
            voted=voted,
            embeddings=detections.embeddings,
            masks=found.masks,
            classes=passport.classes,
            frame_size=letterbox.frame_size,
            time=time,
            events=update.events,
            appearance=detections.appearance,
        )

    def _masks(self, found: NDArray[Any] | KeptRows, letterbox: Letterbox) -> Masks:
        stride = self.session.passport.mask_stride
        if isinstance(found, KeptRows):
            return KeptMasks(found, letterbox, stride)
        return Masks(found, letterbox, stride, self.native)

    def close(self) -> tuple[TrackEvent, ...]:
        """End all tracks and return their events; the stream takes no more frames. Closing twice is harmless."""
        with self._lock:
            self._closed = True
            self._overlap.close()
            return self._tracker.close()
