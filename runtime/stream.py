"""`Stream`: one video on its way through a session; and frames of several streams, prepared, run in batches,
tracked.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError, ProcessBoundError
from stc.runtime.bundle.passport import Passport
from stc.runtime.letterbox import AnyFrame, Letterbox, check_frame
from stc.runtime.masks.masks import Masks
from stc.runtime.native.library import Library
from stc.runtime.result import Result
from stc.runtime.stages import PREPROCESS, TRACK, of_call
from stc.runtime.tracking.config import TrackerConfig
from stc.runtime.tracking.detections import Detections, select
from stc.runtime.tracking.tracker import Tracker, TrackEvent

log = logging.getLogger(__name__)
MUCH_BORDER = 32  # input pixels: what padding to a multiple of 32 can add without a letterbox
FREE_BATCH = 8  # pictures at once where the model sets no limit: bounds the memory of a step of any number of streams


class SessionView(Protocol):
    """What a stream asks of its session."""

    @property
    def passport(self) -> Passport: ...

    @property
    def native(self) -> Library | None: ...

    @property
    def score_threshold(self) -> float: ...

    @property
    def wanted(self) -> NDArray[np.bool_]: ...

    @property
    def batches(self) -> tuple[int, int | None]: ...

    def infer(self, inputs: Any, timings: dict[str, float] | None = None) -> dict[str, NDArray[Any]]: ...


def step(
    session: SessionView, frames: Mapping[Stream, AnyFrame], times: Mapping[Stream, float | None]
) -> dict[Stream, Result]:
    """One frame of each stream; `Session.step` says what it promises.

    What can be wrong is found before the first tracker changes: frames, times and streams before the engine runs, its
    outputs after all of it has run.
    """
    if strangers := [stream.name for stream in times if stream not in frames]:
        raise InputError(f"times of streams without a frame: {', '.join(map(repr, strangers))}")
    with ExitStack() as held:
        for stream in frames:
            if stream.session is not session:
                raise InputError(f"stream {stream.name!r} is another session's; call the step() of that one")
            held.enter_context(stream.exclusive())
        jobs = [_prepare(stream, frame, times.get(stream)) for stream, frame in frames.items()]
        found: dict[Stream, Found] = {}
        for batch in _batches(jobs, session.batches[1] or FREE_BATCH):
            found |= zip((job.stream for job in batch), _run(session, batch), strict=True)
        for job in jobs:
            job.stream.check(found[job.stream], job.time)
        return {job.stream: _track(job, found[job.stream]) for job in jobs}


@dataclass
class _Job:
    """timings: what `Stream.timings` becomes when the frame is done."""

    stream: Stream
    time: float
    letterbox: Letterbox
    picture: NDArray[np.uint8]
    timings: dict[str, float]


def _prepare(stream: Stream, frame: AnyFrame, time: float | None) -> _Job:
    start = perf_counter()
    try:
        now = stream.time_of(time)
        letterbox, picture = stream.prepare(frame)
    except InputError as error:
        raise InputError(f"stream {stream.name!r}: {error}") from error
    return _Job(stream, now, letterbox, picture, {PREPROCESS: perf_counter() - start})


def _batches(jobs: Sequence[_Job], largest: int) -> Iterator[Sequence[_Job]]:
    """Of pictures of one size each."""
    alike: dict[tuple[int, int], list[_Job]] = {}
    for job in jobs:
        alike.setdefault(job.letterbox.input_size, []).append(job)
    for group in alike.values():
        yield from (group[start : start + largest] for start in range(0, len(group), largest))


def _run(session: SessionView, jobs: Sequence[_Job]) -> list[Found]:
    """What the model finds in each picture. What a batch took is shared out evenly; TRACK begins with selection."""
    start = perf_counter()
    parts: dict[str, float] = {}
    outputs = session.infer(_stack(jobs, session.batches[0]), parts)
    inferred = perf_counter()
    stages = of_call(inferred - start, parts)
    found = []
    for index, job in enumerate(jobs):
        begin = perf_counter()
        found.append(job.stream.select(outputs, index, job.letterbox))
        job.timings |= {name: seconds / len(jobs) for name, seconds in stages.items()}
        job.timings[TRACK] = perf_counter() - begin
    return found


def _stack(jobs: Sequence[_Job], least: int) -> NDArray[np.uint8]:
    """The pictures; black ones, whose outputs nobody reads, fill up what a fixed batch size wants."""
    padding = [np.zeros_like(jobs[0].picture)] * (least - len(jobs))
    return np.stack([*(job.picture for job in jobs), *padding])


def _track(job: _Job, found: Found) -> Result:
    start = perf_counter()
    result = job.stream.track(found, job.time)
    job.timings[TRACK] += perf_counter() - start
    job.stream.timings = job.timings
    return result


@dataclass(frozen=True, eq=False)
class Found:
    """What the model found in one frame: n detections in frame pixels, and their mask probabilities (n, Hm, Wm)."""

    detections: Detections
    probabilities: NDArray[Any]
    letterbox: Letterbox


class Stream:
    """The tracker of one video; call it with one frame after the other. Made by `Session.stream`.

    All state of the video is here and in nothing else. A stream takes one frame at a time: while one thread is in it,
    a frame from another is an InputError (waiting would leave the order of the frames to chance). `close` waits for
    the frame in progress.

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
    ) -> None:
        """score_threshold, wanted: of this video; None: the session's. Raises InputError unless `fps` is positive."""
        if not (math.isfinite(fps) and fps > 0):
            raise InputError(f"fps must be a positive number; got {fps}")
        self.name = name
        self.fps = fps
        self.session = session
        self.score_threshold = session.score_threshold if score_threshold is None else score_threshold
        self.wanted = session.wanted if wanted is None else wanted
        self.timings: dict[str, float] = {}
        self._tracker = Tracker(tracker)
        self._closed = False
        self._warned = False
        self._lock = threading.Lock()

    def __call__(self, frame: AnyFrame, time: float | None = None) -> Result:
        """Detect and track in `frame`, uint8 (H, W, 3) BGR or YuvFrame of any size, shown at `time` seconds.

        `time` None means 1 / fps after the previous frame (0 for the first). Raises InputError for another kind of
        frame, a time before the previous frame's, a closed stream, or one that another thread is in; the stream then
        goes on as if that frame had not come. A model of a fixed batch size runs a whole batch for it (`Session.step`).
        """
        return step(self.session, {self: frame}, {self: time})[self]

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
        letterbox = self.session.passport.letterbox(check_frame(frame))
        self._warn_of_border(letterbox)
        return letterbox, letterbox.apply(frame, self.session.native)

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
        """The stream is this thread's. Raises InputError when it is closed, or another thread's now."""
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
        detections, masks = select(outputs, image, letterbox, self.score_threshold, self.wanted)
        if self._tracker.rule.needs_masks:
            detections = replace(detections, masks=masks)
        return Found(detections, masks, letterbox)

    def check(self, found: Found, time: float) -> None:
        """Raises InputError where `track` would; changes nothing."""
        self._tracker.check(found.detections, time)

    def track(self, found: Found, time: float) -> Result:
        """Give ids to what was found in the frame shown at `time`; the caller holds the stream (`exclusive`)."""
        detections, letterbox, passport = found.detections, found.letterbox, self.session.passport
        update = self._tracker.update(detections, time)
        return Result(
            boxes=detections.boxes,
            scores=detections.scores,
            labels=detections.labels,
            track_ids=update.track_ids,
            handles=update.handles,
            embeddings=detections.embeddings,
            masks=Masks(found.probabilities, letterbox, passport.mask_stride, self.session.native),
            classes=passport.classes,
            frame_size=letterbox.frame_size,
            time=time,
            events=update.events,
        )

    def close(self) -> tuple[TrackEvent, ...]:
        """End all tracks and return their events; the stream takes no more frames. Closing twice is harmless."""
        with self._lock:
            self._closed = True
            return self._tracker.close()
