"""The three stages of a frame (prepared, run, tracked), and a step: a frame of each of several streams through them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.backends.backend import TakesFrames
from stc.runtime.backends.tensorrt.resident.path import Unresized
from stc.runtime.bundle.passport import Passport
from stc.runtime.letterbox import AnyFrame, Letterbox
from stc.runtime.masks.masks import Masks
from stc.runtime.native.library import Library
from stc.runtime.result import Result
from stc.runtime.stages import PREPROCESS, TRACK, of_call
from stc.runtime.tracking.detections import Detections
from stc.runtime.workers import at_once

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

    @property
    def workers(self) -> int: ...

    @property
    def takes_frames(self) -> TakesFrames | None: ...

    def infer(self, inputs: Any, timings: dict[str, float] | None = None) -> dict[str, NDArray[Any]]: ...


@dataclass(frozen=True, eq=False)
class Found:
    """What the model found in one frame: n detections in frame pixels, and their masks."""

    detections: Detections
    masks: Masks
    letterbox: Letterbox


class Video(Protocol):
    """What a step asks of a stream."""

    name: str
    session: SessionView
    timings: dict[str, float]

    def exclusive(self) -> AbstractContextManager[None]: ...

    def time_of(self, time: float | None) -> float: ...

    def take(self, frame: Any) -> tuple[Letterbox, NDArray[np.uint8] | Unresized]: ...

    def select(self, outputs: dict[str, Any], image: int, letterbox: Letterbox) -> Found: ...

    def check(self, found: Found, time: float) -> None: ...

    def track(self, found: Found, time: float) -> Result: ...


V = TypeVar("V", bound=Video)


def step(session: SessionView, frames: Mapping[V, AnyFrame], times: Mapping[V, float | None]) -> dict[V, Result]:
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
        jobs, shown = [], {}
        for stream, frame in frames.items():
            shown[stream] = _time(stream, times.get(stream))
            jobs.append(prepare(stream, frame))
        least, most = session.batches
        largest = min(most or FREE_BATCH, max(least, math.ceil(len(jobs) / session.workers)))
        at_once(partial(infer, session), list(_batches(jobs, largest)), session.workers)
        found = [select(job) for job in jobs]
        for stream, what in zip(frames, found, strict=True):
            stream.check(what, shown[stream])
        return {stream: track(job, what, shown[stream]) for stream, job, what in zip(frames, jobs, found, strict=True)}


@dataclass
class Job:
    """A frame that is prepared. timings: what `Stream.timings` becomes when it is done. outputs: of the batch that it
    is picture `index` of, once that has run.
    """

    stream: Video
    letterbox: Letterbox
    picture: NDArray[np.uint8] | Unresized
    timings: dict[str, float]
    outputs: dict[str, Any] = field(default_factory=dict)
    index: int = 0


def prepare(stream: Video, frame: AnyFrame) -> Job:
    start = perf_counter()
    with _named(stream):
        letterbox, picture = stream.take(frame)
    return Job(stream, letterbox, picture, {PREPROCESS: perf_counter() - start})


@dataclass(frozen=True, eq=False)
class Inference:
    """A batch that the engine has. answers: waits for its outputs, and which picture of theirs is each job's; takes the
    parts of the time. seconds: what it took so far.
    """

    jobs: Sequence[Job]
    answers: Callable[[dict[str, float]], list[tuple[dict[str, Any], int]]]
    seconds: float


def infer(session: SessionView, jobs: Sequence[Job]) -> None:
    """One batch. What it took is shared out evenly."""
    complete(begin(session, jobs))


def begin(session: SessionView, jobs: Sequence[Job]) -> Inference:
    """Give one batch to the engine. One on a GPU has it when this returns, others are done with it."""
    start = perf_counter()
    answers = _begun(session, [job.picture for job in jobs])
    return Inference(jobs, answers, perf_counter() - start)


def complete(inference: Inference) -> None:
    """The jobs have their outputs. What giving them away and waiting for them took is shared out evenly."""
    start = perf_counter()
    parts: dict[str, float] = {}
    answers = inference.answers(parts)
    stages = of_call(inference.seconds + perf_counter() - start, parts)
    for job, answer in zip(inference.jobs, answers, strict=True):
        job.outputs, job.index = answer
        job.timings |= {name: seconds / len(inference.jobs) for name, seconds in stages.items()}


def select(job: Job) -> Found:
    """What the model found in the frame; TRACK begins with it."""
    start = perf_counter()
    found = job.stream.select(job.outputs, job.index, job.letterbox)
    job.timings[TRACK] = perf_counter() - start
    return found


def track(job: Job, found: Found, time: float) -> Result:
    start = perf_counter()
    result = job.stream.track(found, time)
    job.timings[TRACK] += perf_counter() - start
    job.stream.timings = job.timings
    return result


@dataclass
class Passage:
    """One frame on its way, which takes the stages one by one, each in any thread: `finish` in the order of frames."""

    stream: Video
    frame: AnyFrame
    time: float | None

    def prepare(self) -> tuple[Job, float | None]:
        return prepare(self.stream, self.frame), self.time

    @staticmethod
    def infer(prepared: tuple[Job, float | None]) -> tuple[Inference, float | None]:
        job, time = prepared
        return begin(job.stream.session, [job]), time

    @staticmethod
    def finish(inferred: tuple[Inference, float | None]) -> Result:
        inference, time = inferred
        complete(inference)
        (job,) = inference.jobs
        now = _time(job.stream, time)
        return track(job, select(job), now)


def _time(stream: Video, time: float | None) -> float:
    with _named(stream):
        return stream.time_of(time)


@contextmanager
def _named(stream: Video) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"stream {stream.name!r}: {error}") from error


def _batches(jobs: Sequence[Job], largest: int) -> Iterator[Sequence[Job]]:
    """Of pictures of one size each."""
    alike: dict[tuple[int, int], list[Job]] = {}
    for job in jobs:
        alike.setdefault(job.letterbox.input_size, []).append(job)
    for group in alike.values():
        yield from (group[start : start + largest] for start in range(0, len(group), largest))


def _begun(
    session: SessionView, pictures: Sequence[NDArray[np.uint8] | Unresized]
) -> Callable[[dict[str, float]], list[tuple[dict[str, Any], int]]]:
    if (engine := session.takes_frames) is not None:
        begun = engine.begin([picture for picture in pictures if isinstance(picture, Unresized)])
        return lambda parts: [(outputs, 0) for outputs in begun.outputs(parts)]
    resized = [picture for picture in pictures if isinstance(picture, np.ndarray)]
    # Black ones, whose outputs nobody reads, fill up what a fixed batch size wants. Where none is missing none is made:
    # clearing memory lets other threads have the interpreter, and the engine waits until they give it back.
    missing = session.batches[0] - len(resized)
    together = [*resized, *([np.zeros_like(resized[0])] * missing if missing > 0 else [])]
    # One alone is not copied: the engine waits meanwhile.
    batch = np.ascontiguousarray(together[0])[None] if len(together) == 1 else np.stack(together)
    told: dict[str, float] = {}
    outputs = session.infer(batch, told)

    def answers(parts: dict[str, float]) -> list[tuple[dict[str, Any], int]]:
        parts.update(told)
        return [(outputs, index) for index in range(len(resized))]

    return answers
