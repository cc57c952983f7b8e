"""How frames reach a model: one after the other, from several cameras, all at once, or as a camera sends them.

Each scenario gives a model a *turn* of some frames, so that several models can take turns on the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from sys import getsizeof
from time import perf_counter, sleep
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.result import Result
from stc.runtime.session import Session
from stc.runtime.stages import END_TO_END, MASKING, TRACK, WAIT
from stc.runtime.step import Job, infer, prepare
from stc.runtime.stream import Stream

Array = NDArray[Any]
MaskMaker = Callable[[Result], Any]
MASKS: dict[str, tuple[str, MaskMaker]] = {
    "rle": ("COCO RLE at frame size", lambda result: result.masks.rle()),
    "dense": ("one byte per pixel at frame size", lambda result: result.masks.dense()),
    "compact": ("one bit per pixel at frame size", lambda result: result.masks.bits()),
}
OFFLINE_BATCH = 8  # pictures at once where the model takes any number
Stages = dict[str, float]  # seconds of one frame, in the order of the work
Asked = Callable[[], bool]


@dataclass(frozen=True)
class Turn:
    """What one model did in its turn: per frame its stages in seconds and its number of objects.

    wall: seconds from the first frame to the last result. dropped: frames that a camera sent and nobody took. late:
    frames whose result came after the next frame.
    """

    frames: tuple[Stages, ...]
    objects: tuple[int, ...]
    wall: float
    dropped: int = 0
    late: int = 0

    def stage(self, name: str) -> Array:
        """Seconds, one per frame; frames without that stage count 0."""
        return np.array([frame.get(name, 0.0) for frame in self.frames])

    @property
    def held(self) -> int:
        """Bytes that the frames' seconds take, as CPython's allocator hands them out: in steps of 16."""
        own = {id(one): one for frame in self.frames for one in (frame, *frame.values())}
        return sum(-(-getsizeof(one) // 16) * 16 for one in own.values())


class Scenario(Protocol):
    """`frames`: of a turn, per stream. `streams`: how many videos a model serves."""

    @property
    def name(self) -> str: ...
    @property
    def frames(self) -> int: ...
    @property
    def streams(self) -> int: ...

    def turn(self, session: Session, streams: Sequence[Stream], pictures: Sequence[Array], asked: Asked) -> Turn:
        """Run `pictures` (uint8 (H, W, 3) BGR); stop early, between two frames, when `asked()`."""


@dataclass(frozen=True)
class SingleStream:
    """The next frame starts when the last one is done: the latency of one video."""

    masks: MaskMaker
    name: str = "single-stream"
    frames: int = 10
    streams: int = 1

    def turn(self, session: Session, streams: Sequence[Stream], pictures: Sequence[Array], asked: Asked) -> Turn:
        start = perf_counter()
        return turn_of(serve(streams[0], pictures, self.masks, asked), start)


@dataclass(frozen=True)
class MultiStream:
    """One thread per video, all on one session; each starts its next frame when its last one is done."""

    masks: MaskMaker
    streams: int = 4
    name: str = "multi-stream"
    frames: int = 20

    def turn(self, session: Session, streams: Sequence[Stream], pictures: Sequence[Array], asked: Asked) -> Turn:
        start = perf_counter()
        with ThreadPoolExecutor(len(streams)) as pool:
            served = pool.map(lambda stream: serve(stream, pictures, self.masks, asked), streams)
            return turn_of([frame for frames in served for frame in frames], start)


@dataclass(frozen=True)
class Offline:
    """All frames are there: the largest batches, and the next batch is prepared while the engine works on this one.

    What a batch took is shared out evenly to its frames; stages overlap, so they add up to more than the whole.
    """

    masks: MaskMaker
    name: str = "offline"
    frames: int = 48
    streams: int = 1

    def turn(self, session: Session, streams: Sequence[Stream], pictures: Sequence[Array], asked: Asked) -> Turn:
        least, largest = session.batches
        size = min(largest or OFFLINE_BATCH, len(pictures))
        if size < least:
            raise InputError(f"this model takes {least} pictures at once, a turn has {len(pictures)}")
        # Where the batch is fixed, what does not fill one more is not run.
        batches = [pictures[i : i + size] for i in range(0, len(pictures) - (size - 1 if least == size else 0), size)]
        stream, frames = streams[0], []
        begin = start = perf_counter()
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(_prepare, stream, batches[0])
            for following in [*batches[1:], []]:
                prepared = ahead.result()
                ahead = pool.submit(_prepare, stream, following)
                stages, found = _infer(session, stream, prepared, self.masks)
                end = perf_counter()
                share = {name: seconds / len(found) for name, seconds in (stages | {END_TO_END: end - start}).items()}
                frames += [(share, objects) for objects in found]
                start = end
                if asked():
                    break
        return turn_of(frames, begin)


@dataclass(frozen=True)
class Paced:
    """A camera that does not wait: a frame every 1 / fps seconds, of which only the newest is kept.

    `end_to_end` counts from the moment the camera sent the frame, so "wait" is part of it. A result after the next
    frame's moment is late; a frame that a newer one replaced is dropped.
    """

    masks: MaskMaker
    fps: float = 30.0
    name: str = "paced"
    frames: int = 30
    streams: int = 1
    now: Callable[[], float] = perf_counter
    wait: Callable[[float], None] = sleep

    def turn(self, session: Session, streams: Sequence[Stream], pictures: Sequence[Array], asked: Asked) -> Turn:
        start, frames, late, dropped, index = self.now(), [], 0, 0, 0
        while index < len(pictures) and not asked():
            arrival = start + index / self.fps
            if (early := arrival - self.now()) > 0:
                self.wait(early)
            began = self.now()
            objects, stages = timed(streams[0], pictures[index], self.masks, self.now)
            done = self.now()
            frames.append(({WAIT: began - arrival, **stages, END_TO_END: done - arrival}, objects))
            late += int(done > arrival + 1 / self.fps)
            newest = max(index + 1, int((done - start) * self.fps))
            dropped += min(newest, len(pictures)) - index - 1
            index = newest
        return Turn(*_columns(frames), self.now() - start, dropped, late)


def timed(
    stream: Stream, picture: Array, masks: MaskMaker, now: Callable[[], float] = perf_counter
) -> tuple[int, Stages]:
    """One frame to tracked objects and their masks at frame size: how many objects, and the seconds of every stage."""
    start = now()
    result = stream(picture)
    masks_start = now()
    masks(result)
    end = now()
    return len(result), stream.timings | {MASKING: end - masks_start, END_TO_END: end - start}


def serve(stream: Stream, pictures: Sequence[Array], masks: MaskMaker, asked: Asked) -> list[tuple[Stages, int]]:
    """One frame after the other, until `asked()`: the stages of each, and its number of objects."""
    frames = []
    for picture in pictures:
        if asked():
            break
        objects, stages = timed(stream, picture, masks)
        frames.append((stages, objects))
    return frames


def _prepare(stream: Stream, pictures: Sequence[Array]) -> list[Job]:
    """As the stream itself does it: resized here, or on its way to an engine that takes whole frames."""
    jobs = [prepare(stream, picture) for picture in pictures]
    if len(sizes := {job.letterbox.input_size for job in jobs}) > 1:
        raise InputError(
            f"frames that come to {len(sizes)} input sizes, and a batch has one; give a --source of one shape, or time "
            "another scenario"
        )
    return jobs


def _infer(session: Session, stream: Stream, jobs: Sequence[Job], masks: MaskMaker) -> tuple[Stages, list[int]]:
    """Of one batch: its stages in seconds, and how many objects each picture has."""
    infer(session, jobs)
    inferred = perf_counter()
    results = [stream.finish(job.outputs, job.index, job.letterbox) for job in jobs]
    tracked = perf_counter()
    for result in results:
        masks(result)
    stages = {name: sum(job.timings[name] for job in jobs) for name in jobs[0].timings}
    return stages | {TRACK: tracked - inferred, MASKING: perf_counter() - tracked}, [len(r) for r in results]


def turn_of(frames: list[tuple[Stages, int]], start: float) -> Turn:
    return Turn(*_columns(frames), perf_counter() - start)


def _columns(frames: list[tuple[Stages, int]]) -> tuple[tuple[Stages, ...], tuple[int, ...]]:
    return tuple(stages for stages, _ in frames), tuple(objects for _, objects in frames)
