"""A video through an element's eyes: as a stream of its own, every Nth frame, and what a cut does to ids and counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime import Session
from stc.runtime.gstreamer.settings import TrackSettings
from stc.runtime.gstreamer.watched import Watched
from stc.runtime.zones import Zone
from tests.runtime import tiny_model

AREA = Zone("area", ((0, 0), (48, 0), (48, 60), (0, 60)), "center")


def walk(step: int) -> NDArray[np.uint8]:
    """A cat (score 0.9: confirmed at once) that walks to the right, from the left half into the right one, and a dog
    (0.8) that stays.
    """
    return tiny_model.frame((0, (2 + 6 * step, 12, 22 + 6 * step, 40)), (1, (70, 44, 90, 56)))


def look(watched: Watched, step: int, time: float | None) -> dict[str, Any] | None:
    text = watched(lambda: walk(step), time)
    return None if text is None else json.loads(text)


def ids(told: dict[str, Any] | None) -> list[int]:
    assert told is not None
    return sorted(item["track_id"] for item in told["objects"])


def test_it_tells_what_a_stream_gives(session: Session) -> None:
    watched, stream = Watched(session, TrackSettings(), (), "gate"), session.stream()
    for step in range(6):
        told, result = look(watched, step, step / 25), stream(walk(step), step / 25)
        assert told is not None and told["objects"] == json.loads(result.to_json())["objects"]
        assert (told["time"], told["index"], told["source"]) == (step / 25, step, "gate")


def test_frames_in_between_are_not_even_read(session: Session) -> None:
    watched = Watched(session, TrackSettings(every=3), (), "")

    def unread() -> NDArray[np.uint8]:
        pytest.fail("this frame is not looked at")

    for index in range(9):
        text = watched((lambda: walk(0)) if index % 3 == 0 else unread, index / 25)
        assert (text is not None) == (index % 3 == 0)
        assert text is None or json.loads(text)["index"] == index


def test_classes_and_scores_are_kept_as_they_are_set(session: Session) -> None:
    for settings, kept in (
        (TrackSettings(), ["cat", "dog"]),
        (TrackSettings(classes="dog"), ["dog"]),
        (TrackSettings(classes=" cat , dog"), ["cat", "dog"]),
        (TrackSettings(score=0.85), ["cat"]),
    ):
        told = look(Watched(session, settings, (), ""), 0, 0)
        assert told is not None and sorted(item["label"] for item in told["objects"]) == kept
    for wrong, says in ((TrackSettings(classes="cow"), "unknown classes cow"), (TrackSettings(score=0.1), "threshold")):
        with pytest.raises(InputError, match=says):
            Watched(session, wrong, (), "")


def by_call(watched: Watched) -> float:
    watched.cut()
    return 0.2


def by_time(_: Watched) -> float:
    return 0.0


@pytest.mark.parametrize("cut", [by_call, by_time])
def test_after_a_cut_no_id_comes_again(session: Session, cut: Callable[[Watched], float]) -> None:
    watched = Watched(session, TrackSettings(), (), "")
    assert [ids(look(watched, step, step / 25)) for step in range(3)] == [[1, 2]] * 3
    for first in (3, 5):
        start = cut(watched)
        told = [look(watched, 2, start), look(watched, 3, start + 0.04)]
        assert [ids(each) for each in told] == [[first, first + 1]] * 2
        assert told[0] is not None and {item["handle"] for item in told[0]["objects"]} == {first - 1, first}


def test_cuts_without_frames_between_change_nothing(session: Session) -> None:
    watched = Watched(session, TrackSettings(), (), "")
    for _ in range(3):
        watched.cut()
    assert ids(look(watched, 0, 5.0)) == [1, 2]
    for _ in range(3):
        watched.cut()
    assert ids(look(watched, 0, 1.0)) == [3, 4]


def test_zones_count_on_over_a_cut_and_forget_who_was_inside(session: Session) -> None:
    watched = Watched(session, TrackSettings(), [AREA], "")

    def counts(step: int, time: float) -> tuple[int, int, int]:
        told = look(watched, step, time)
        assert told is not None
        zone = told["zones"][0]
        return zone["entered"], zone["left"], zone["inside"]

    assert counts(0, 0.0) == (1, 0, 1)
    watched.cut()
    assert counts(0, 0.0) == (2, 0, 1)  # another cat, for all that is known; the first one is no longer there
    assert counts(7, 0.04) == (2, 1, 0)


def test_frames_without_times_are_as_far_apart_as_the_rate_says(session: Session) -> None:
    watched = Watched(session, TrackSettings(), (), "")
    watched.at_rate(50.0)
    times = [told["time"] for step in range(3) if (told := look(watched, step, None))]
    watched.at_rate(0.0)  # GStreamer's "variable": as if it were 30
    times += [told["time"] for step in range(2) if (told := look(watched, step, None))]
    assert times == pytest.approx([0, 0.02, 0.04, 0.04 + 1 / 30, 0.04 + 2 / 30], abs=1e-6)  # told in microseconds


def test_frames_may_change_their_size(session: Session) -> None:
    watched = Watched(session, TrackSettings(), (), "")
    assert ids(look(watched, 0, 0)) == [1, 2]
    text = watched(lambda: np.repeat(np.repeat(walk(0), 2, axis=0), 2, axis=1), 0.04)
    assert text is not None and json.loads(text)["frame_size"] == [120, 192] and ids(json.loads(text)) == [1, 2]


def test_a_model_that_is_not_named_and_rules_that_are_not_known_are_told(tmp_path: Path) -> None:
    for settings, says in (
        (TrackSettings(), "no model; set one: stctrack model=BUNDLE"),
        (TrackSettings(model="m", tracker="crossviz"), r"tracker=crossviz: unknown \(did you mean crossvis\?\)"),
        (TrackSettings(model="m", engine="tensorflow"), "engine=tensorflow: unknown; known: onnxruntime"),
    ):
        with pytest.raises(InputError, match=says):
            settings.read()
