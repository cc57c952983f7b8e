"""Frames of several streams through one session: prepared, run in batches, and only then tracked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.letterbox import Letterbox
from stc.runtime.result import Result

if TYPE_CHECKING:
    from stc.runtime.session import Session
    from stc.runtime.stream import Found, Stream

FREE_BATCH = 8  # pictures at once where the model sets no limit: bounds the memory of a step of any number of streams


def step(
    session: Session, frames: Mapping[Stream, NDArray[np.uint8]], times: Mapping[Stream, float | None]
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
        found = [each for batch in _batches(jobs, session.batches[1] or FREE_BATCH) for each in _run(session, batch)]
        for job, each in zip(jobs, found, strict=True):
            job.stream.check(each, job.time)
        return {job.stream: _track(job, each) for job, each in zip(jobs, found, strict=True)}


@dataclass
class _Job:
    """timings: what `Stream.timings` becomes when the frame is done."""

    stream: Stream
    time: float
    letterbox: Letterbox
    picture: NDArray[np.uint8]
    timings: dict[str, float]


def _prepare(stream: Stream, frame: NDArray[np.uint8], time: float | None) -> _Job:
    start = perf_counter()
    try:
        now = stream.time_of(time)
        letterbox, picture = stream.prepare(frame)
    except InputError as error:
        raise InputError(f"stream {stream.name!r}: {error}") from error
    return _Job(stream, now, letterbox, picture, {"preprocess": perf_counter() - start})


def _batches(jobs: Sequence[_Job], largest: int) -> Iterator[Sequence[_Job]]:
    return (jobs[start : start + largest] for start in range(0, len(jobs), largest))


def _run(session: Session, jobs: Sequence[_Job]) -> list[Found]:
    """What the model finds in each picture. What a batch took is shared out evenly; "track" begins with selection."""
    start = perf_counter()
    parts: dict[str, float] = {}
    outputs = session.infer(_stack(jobs, session.batches[0]), parts)
    inferred = perf_counter()
    stages = _stages(inferred - start, parts)
    found = []
    for index, job in enumerate(jobs):
        begin = perf_counter()
        found.append(job.stream.select(outputs, index, job.letterbox))
        job.timings |= {name: seconds / len(jobs) for name, seconds in stages.items()}
        job.timings["track"] = perf_counter() - begin
    return found


def _stack(jobs: Sequence[_Job], least: int) -> NDArray[np.uint8]:
    """The pictures; black ones, whose outputs nobody reads, fill up what a fixed batch size wants."""
    padding = [np.zeros_like(jobs[0].picture)] * (least - len(jobs))
    return np.stack([*(job.picture for job in jobs), *padding])


def _track(job: _Job, found: Found) -> Result:
    start = perf_counter()
    result = job.stream.track(found, job.time)
    job.timings["track"] += perf_counter() - start
    job.stream.timings = job.timings
    return result


def _stages(seconds: float, parts: Mapping[str, float]) -> dict[str, Any]:
    """A call of the engine in the order of the work: what is copied, and between the copies "engine" with its parts."""
    copies = {name: parts[name] for name in ("upload", "download") if name in parts}
    inner = {name: value for name, value in parts.items() if name not in copies}
    stages = {"upload": copies.get("upload"), "engine": seconds - sum(copies.values()), **inner}
    stages["download"] = copies.get("download")
    return {name: value for name, value in stages.items() if value is not None}
