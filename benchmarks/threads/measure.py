"""Sessions of several settings in turns, in one of the places that a process can be in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.threads.places import bound, company, quota
from stc.benchmarks.timing.turns import in_turns

if TYPE_CHECKING:
    from stc.runtime.machine.engine_names import EngineName

WARM_UP = 3  # rounds
LENGTH = 4  # frames that a video goes on by itself in a round, where there are several
ALONE, BOUND, QUOTA, COMPANY, VIDEOS = "alone", "one processor", "a quota of one", "a competing process", "videos"
DEFAULT, ONE = "default", "threads=1"
Array = NDArray[Any]


@dataclass(frozen=True)
class Task:
    """What is measured in each place. model: a bundle; videos: how many at once."""

    model: str
    engine: EngineName | None
    rounds: int
    videos: int
    processor: int

    def place(self, name: str) -> AbstractContextManager[None]:
        if name == BOUND:
            return bound(self.processor)
        if name == QUOTA:
            return quota(1)
        return company() if name == COMPANY else nullcontext()


@dataclass(frozen=True)
class Taken:
    """Seconds a frame of every round, float64 (rounds,): the wall's, and the processors' own, in all threads."""

    wall: Array
    cpu: Array


def measure(task: Task, place: str) -> dict[str, Taken]:
    """What every round of each setting took, by its name.

    To be called in a process of its own, whose processors it takes. Raises InputError where there is no such place.
    """
    from stc.benchmarks import reference
    from stc.runtime.processors import cores
    from stc.runtime.session import Session

    with ExitStack() as stack:
        stack.enter_context(task.place(place))
        several = place == VIDEOS
        settings: dict[str, dict[str, Any]] = {DEFAULT: {}}
        if several:
            settings[f"workers={min(cores(), task.videos)}"] = {"workers": min(cores(), task.videos)}
        else:
            settings |= {f"threads={n}": {"threads": n} for n in sorted({1, 2, cores()})} | {"spin": {"spin": True}}
        pictures = reference.read(Path(task.model, reference.FILE_NAME)).frames
        calls, processor = {}, {}
        for name, options in settings.items():
            session = stack.enter_context(Session(task.model, device="cpu", engine=task.engine, **options))
            streams = [session.stream() for _ in range(task.videos if several else 1)]
            processor[name] = list[float]()
            calls[name] = partial(_serve, streams, pictures, processor[name])
        wall = in_turns(calls, task.rounds, WARM_UP)
        frames = task.videos * LENGTH if several else 1
        return {name: Taken(wall[name] / frames, np.array(processor[name][WARM_UP:]) / frames) for name in calls}


def _serve(streams: Sequence[Any], pictures: Array, processor: list[float], number: int) -> None:
    """A frame of the only stream, or a few of each of several, in threads. processor: takes the process's seconds."""
    from stc.runtime.workers import at_once

    start = process_time()
    frames = range(1 if len(streams) == 1 else LENGTH)

    def show(place: int) -> None:
        for frame in frames:
            streams[place](pictures[(number * len(frames) + frame + 7 * place) % len(pictures)])

    at_once(show, range(len(streams)), len(streams))
    processor.append(process_time() - start)
