"""Who runs when, and until when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from stc.benchmarks.timing.scenarios import Turn
from stc.benchmarks.timing.schedule import MOST_WINDOWS, WARM_UP, measure, planned

TURN = 5


class FakeStream:
    closed = False

    def close(self) -> None:
        self.closed = True


class FakeSession:
    def __init__(self, name: str) -> None:
        self.name = name
        self.opened: list[FakeStream] = []

    def stream(self, name: str) -> FakeStream:
        self.opened.append(FakeStream())
        return self.opened[-1]


class Recorded:
    """A scenario that takes `seconds(name, number of its turn)` per frame, and writes down who was called with what."""

    name, frames, streams = "recorded", TURN, 1

    def __init__(self, seconds: Callable[[str, int], float]) -> None:
        self.seconds = seconds
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def turn(self, session: Any, streams: Sequence[Any], pictures: Sequence[Any], asked: Callable[[], bool]) -> Turn:
        number = sum(name == session.name for name, _ in self.calls)
        self.calls.append((session.name, tuple(pictures)))
        time = self.seconds(session.name, number)
        return Turn(({"end_to_end": time},) * len(pictures), (1,) * len(pictures), time * len(pictures))


def sessions(count: int = 2) -> list[Any]:
    return [FakeSession("abc"[i]) for i in range(count)]


def test_models_take_turns_on_the_same_frames_in_changing_order() -> None:
    scenario = Recorded(lambda name, number: 1.0)
    measure(sessions(), list(range(7)), scenario, 40)  # type: ignore[arg-type]
    names = "".join(name for name, _ in scenario.calls)
    assert names.startswith("abbaabba")
    shown = {name: [p for n, pictures in scenario.calls for p in pictures if n == name] for name in "ab"}
    assert shown["a"] == shown["b"]
    assert shown["a"][:9] == [0, 1, 2, 3, 4, 5, 6, 0, 1]


def test_the_warm_up_is_not_counted() -> None:
    warm = WARM_UP // TURN
    scenario = Recorded(lambda name, number: 9.0 if number < warm else 1.0)
    result = measure(sessions(1), [0], scenario, 40)  # type: ignore[arg-type]
    assert result.stable
    assert result.samples[0].frames == 40
    assert max(turn.stage("end_to_end").max() for turn in result.samples[0].turns) == 1.0
    assert planned(scenario, 1, 40) == WARM_UP + 40  # type: ignore[arg-type]


def test_a_model_that_keeps_getting_slower_is_unstable() -> None:
    scenario = Recorded(lambda name, number: 1.1**number if name == "b" else 1.0)
    result = measure(sessions(), [0], scenario, 20)  # type: ignore[arg-type]
    assert not result.stable
    assert not result.interrupted
    assert len(result.samples[0].windows) == MOST_WINDOWS


def test_further_windows_are_added_until_three_agree() -> None:
    warm = WARM_UP // TURN
    scenario = Recorded(lambda name, number: 2.0 if number - warm < 3 else 1.0)
    result = measure(sessions(1), [0], scenario, 20)  # type: ignore[arg-type]
    assert result.stable
    assert result.samples[0].windows == [2.0, 2.0, 2.0, 1.0, 1.0, 1.0]
    assert result.samples[0].frames == 30, "the slow windows stay in the samples"


def test_it_stops_when_asked_with_what_it_has() -> None:
    scenario = Recorded(lambda name, number: 1.0)
    result = measure(sessions(), [0], scenario, 400, lambda: len(scenario.calls) >= 11)  # type: ignore[arg-type]
    assert result.interrupted
    assert not result.stable
    assert [samples.frames for samples in result.samples] == [TURN, 2 * TURN]  # round 6 began with b


def test_interrupted_in_the_warm_up_there_is_nothing() -> None:
    scenario = Recorded(lambda name, number: 1.0)
    result = measure(sessions(), [0], scenario, 400, lambda: len(scenario.calls) >= 2)  # type: ignore[arg-type]
    assert result.interrupted
    assert not any(samples.turns for samples in result.samples)


def test_streams_are_closed_also_after_an_error() -> None:
    def fail(name: str, number: int) -> float:
        raise OSError("gone")

    opened = sessions()
    with pytest.raises(OSError, match="gone"):
        measure(opened, [0], Recorded(fail), 10)  # type: ignore[arg-type]
    assert all(stream.closed for session in opened for stream in session.opened)
