"""Who runs when: models take turns on the same frames, in changing order, until the numbers are stable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.models import memory
from stc.benchmarks.timing.intervals import agree
from stc.benchmarks.timing.scenarios import Scenario, Turn
from stc.benchmarks.timing.turns import order
from stc.runtime.session import Session
from stc.runtime.stages import END_TO_END
from stc.runtime.stream import Stream

Array = NDArray[Any]
WINDOWS_PLANNED = 4  # of at least `frames` frames together; then more, up to three times as many
MOST_WINDOWS = 3 * WINDOWS_PLANNED
WARM_UP = 20  # frames of each model, which are not counted


@dataclass
class Samples:
    """All turns of one model after its warm-up, none left out."""

    turns: list[Turn] = field(default_factory=list)
    windows: list[float] = field(default_factory=list)  # median end to end of each, seconds

    def stage(self, name: str) -> list[Array]:
        """Seconds of every frame, turn by turn."""
        return [turn.stage(name) for turn in self.turns]

    @property
    def stages(self) -> list[str]:
        """In the order of the work."""
        return list(dict.fromkeys(name for turn in self.turns for frame in turn.frames for name in frame))

    @property
    def frames(self) -> int:
        return sum(len(turn.frames) for turn in self.turns)


@dataclass(frozen=True)
class Measurement:
    """resident: bytes that the process held after each round, less those of these samples; empty where the system does
    not tell. stable: the last three windows of every model agree. interrupted: ended before that was known."""

    samples: tuple[Samples, ...]
    resident: tuple[int, ...]
    stable: bool
    interrupted: bool


def measure(
    sessions: Sequence[Session],
    pictures: Sequence[Array],
    scenario: Scenario,
    frames: int,
    asked: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _: None,
) -> Measurement:
    """At least `frames` frames of every model in four windows; then further windows until three in a row agree, for
    every model, at most twelve in all.

    pictures: uint8 (H, W, 3) BGR, shown again and again; every model sees the same ones in the same order. asked: asked
    between two frames whether to stop. progress: told of every turn's frames.
    """
    lanes = [_Lane(session, [session.stream(f"bench {i}") for i in range(scenario.streams)]) for session in sessions]
    samples = tuple(Samples() for _ in sessions)
    course = _Course(lanes, cycle(pictures), scenario, asked, progress)
    rounds = _rounds(scenario, frames)
    resident: list[int] = []
    held = 0
    try:
        for _ in range(-(-WARM_UP // scenario.frames)):
            course.round()
        for window in range(MOST_WINDOWS):
            for _ in range(rounds):
                for own, turn in zip(samples, course.round(), strict=True):
                    if turn and turn.frames:
                        own.turns.append(turn)
                        held += turn.held
                resident += [] if (size := memory.resident()) is None else [size - held]
                if asked():
                    return Measurement(samples, tuple(resident), stable=False, interrupted=True)
            for own in samples:
                own.windows.append(float(np.median(np.concatenate(own.stage(END_TO_END)[-rounds:]))))
            if window + 1 >= WINDOWS_PLANNED and all(agree(own.windows) for own in samples):
                return Measurement(samples, tuple(resident), stable=True, interrupted=False)
        return Measurement(samples, tuple(resident), stable=False, interrupted=False)
    finally:
        for stream in (stream for lane in lanes for stream in lane.streams):
            stream.close()


def planned(scenario: Scenario, models: int, frames: int) -> int:
    """How many frames `measure` tells its progress of, unless it needs more windows."""
    rounds = -(-WARM_UP // scenario.frames) + WINDOWS_PLANNED * _rounds(scenario, frames)
    return rounds * models * scenario.frames * scenario.streams


def _rounds(scenario: Scenario, frames: int) -> int:
    """Of one window."""
    return max(1, -(-frames // (WINDOWS_PLANNED * scenario.frames * scenario.streams)))


@dataclass(frozen=True)
class _Lane:
    session: Session
    streams: Sequence[Stream]


@dataclass
class _Course:
    """Rounds: one turn of every model. Not `in_turns`: a turn is many frames, which may be stopped between two."""

    lanes: Sequence[_Lane]
    pictures: Iterator[Array]
    scenario: Scenario
    asked: Callable[[], bool]
    progress: Callable[[int], None]
    number: int = 0

    def round(self) -> list[Turn | None]:
        """None for a model whose turn did not come before `asked`."""
        shown = list(islice(self.pictures, self.scenario.frames))
        turns: list[Turn | None] = [None] * len(self.lanes)
        for index in order(range(len(self.lanes)), self.number):
            if self.asked():
                break
            lane = self.lanes[index]
            turn = self.scenario.turn(lane.session, lane.streams, shown, self.asked)
            self.progress(len(turn.frames))
            turns[index] = turn
        self.number += 1
        return turns
