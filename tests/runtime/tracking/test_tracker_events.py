"""The life of a track: confirmed, lost, recovered, ended, and ended early to make room for another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stc.runtime import Tracker, TrackerConfig
from stc.runtime.tracking.bank import TrackBank
from stc.runtime.tracking.tracker import RULES
from tests.runtime.tracking.detections import AT_ONCE, NOTHING, box, detections, kinds, random_detections, unit


def test_a_tracklet_is_confirmed_by_consecutive_frames_or_a_high_score() -> None:
    weak, strong = (detections([box(0)], [unit(0)], [score]) for score in (0.5, 0.9))
    tracker = Tracker(TrackerConfig(confirm_hits=3))
    updates = [tracker.update(weak, frame / 30) for frame in range(4)]
    assert [update.track_ids.tolist() for update in updates] == [[-1], [-1], [1], [1]]
    assert [update.handles.tolist() for update in updates] == [[0], [0], [0], [0]]
    assert [kinds(update) for update in updates] == [[], [], [("born", 1)], []]
    assert updates[2].events[0].handle == 0

    tracker = Tracker(TrackerConfig(confirm_hits=3))
    assert tracker.update(weak, 0).track_ids.tolist() == [-1]
    assert tracker.update(strong, 0.1).track_ids.tolist() == [1]


@pytest.mark.parametrize(("fps", "frames"), [(60, 3), (30, 3), (25, 3), (12, 3), (10, 2), (5, 2), (1, 2)])
def test_at_a_low_rate_the_second_frame_confirms(fps: int, frames: int) -> None:
    """What is still there a tenth of a second later is no flicker, however few frames there were."""
    tracker = Tracker(TrackerConfig())
    weak = detections([box(0)], [unit(0)], [0.5])
    ids = [tracker.update(weak, frame / fps).track_ids[0] for frame in range(frames)]
    assert ids == [-1] * (frames - 1) + [1]


def test_two_detections_at_one_time_are_no_second_frame_and_a_setting_says_how_long_is_long() -> None:
    weak = detections([box(0)], [unit(0)], [0.5])
    for confirm_time, times, expected in ((0.1, (0, 0), -1), (0.4, (0, 0.2), -1), (0.4, (0, 0.5), 1)):
        tracker = Tracker(TrackerConfig(confirm_time=confirm_time))
        assert [tracker.update(weak, time).track_ids[0] for time in times][-1] == expected


def test_a_tracklet_that_misses_a_frame_before_confirmation_is_given_up_silently() -> None:
    tracker = Tracker(TrackerConfig(confirm_hits=3))
    weak = detections([box(0)], [unit(0)], [0.5])
    handles = [
        tracker.update(found, frame / 30).handles.tolist() for frame, found in enumerate([weak, weak, NOTHING, weak])
    ]
    assert handles == [[0], [0], [], [1]]
    assert tracker.close() == ()


def test_a_weak_detection_continues_a_track_but_starts_none() -> None:
    tracker = Tracker(TrackerConfig())
    weak = detections([box(0)], [unit(0)], [0.3])
    assert tracker.update(weak, 0).handles.tolist() == [-1]
    assert tracker.update(detections([box(0)], [unit(0)], [0.9]), 0.1).track_ids.tolist() == [1]
    assert tracker.update(weak, 0.2).track_ids.tolist() == [1]


def test_lost_recovered_and_ended() -> None:
    tracker = Tracker(replace(AT_ONCE, max_age=1.0))
    seen = detections([box(0)], [unit(0)])
    told = [
        kinds(tracker.update(found, time))
        for found, time in [(seen, 0), (NOTHING, 0.5), (NOTHING, 0.9), (seen, 1.0), (NOTHING, 1.5), (seen, 2.1)]
    ]
    assert told == [
        [("born", 1)],
        [("lost", 1)],
        [],
        [("recovered", 1)],
        [("lost", 1)],
        [("ended", 1), ("born", 2)],
    ]
    assert [(event.kind, event.track_id, event.time) for event in tracker.close()] == [("ended", 2, 2.1)]
    assert tracker.close() == ()


@pytest.mark.parametrize("fps", [5, 25, 60])
@pytest.mark.parametrize(("hidden", "expected"), [(1.5, [("recovered", 1)]), (2.5, [("born", 3)])])
def test_after_an_occlusion_the_age_in_seconds_decides_whatever_the_frame_rate(
    fps: int, hidden: float, expected: list[tuple[str, int]]
) -> None:
    """Something else stands in front meanwhile, in the same place; the object comes back elsewhere."""
    tracker = Tracker(AT_ONCE)  # max_age: 2 s
    person, passer_by = detections([box(0)], [unit(0)]), detections([box(0)], [unit(1)])
    tracker.update(person, 0)
    events = [kind for n in range(1, round(hidden * fps)) for kind in kinds(tracker.update(passer_by, n / fps))]
    assert events[:2] == [("lost", 1), ("born", 2)] and events[2:] == ([("ended", 1)] if hidden > 2 else [])
    both = detections([box(0), box(200)], [unit(1), unit(0)])
    assert kinds(tracker.update(both, hidden)) == expected


def test_a_track_seen_in_the_previous_frame_survives_any_gap() -> None:
    tracker = Tracker(AT_ONCE)
    seen = detections([box(0)], [unit(0)])
    assert [tracker.update(seen, time).track_ids.tolist() for time in (0, 60, 120)] == [[1], [1], [1]]


def test_when_all_slots_are_taken_the_track_lost_for_longest_makes_room() -> None:
    tracker = Tracker(replace(AT_ONCE, capacity=2))
    tracker.update(detections([box(0)], [unit(0)]), 0)
    tracker.update(detections([box(100)], [unit(1)]), 0.1)  # 1 lost
    both = tracker.update(detections([box(100), box(200)], [unit(1), unit(2)], [0.9, 0.8]), 0.2)
    assert both.track_ids.tolist() == [2, 3] and ("ended", 1) in kinds(both)
    full = tracker.update(
        detections([box(100), box(200), box(300)], [unit(1), unit(2), unit(3)], [0.7, 0.75, 0.9]), 0.3
    )
    assert full.track_ids.tolist() == [2, 3, -1] and full.handles[2] == -1  # none is lost: nobody makes room


def test_of_several_lost_tracks_the_one_lost_for_longest_makes_room() -> None:
    tracker = Tracker(replace(AT_ONCE, capacity=3))
    boxes, looks = [box(0), box(100), box(200)], [unit(0), unit(1), unit(2)]
    for time, seen in ((0.0, [0, 1, 2]), (0.1, [0, 2]), (0.2, [0]), (0.3, [])):
        found = detections([boxes[k] for k in seen], [looks[k] for k in seen]) if seen else NOTHING
        tracker.update(found, time)
    update = tracker.update(detections([box(300), box(400)], [unit(3), unit(4)]), 0.4)
    assert kinds(update) == [("ended", 2), ("ended", 3), ("born", 4), ("born", 5)]


def test_more_detections_than_slots_and_exactly_as_many() -> None:
    for count in (4, 5):
        tracker = Tracker(replace(AT_ONCE, capacity=4))
        found = detections([box(50 * k) for k in range(count)], [unit(k) for k in range(count)])
        for frame in range(3):
            assert tracker.update(found, frame / 30).track_ids.tolist() == [1, 2, 3, 4, -1][:count]


@pytest.mark.parametrize("rule", RULES)
def test_memory_is_allocated_once(rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    banks: list[TrackBank] = []

    class Watched(TrackBank):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            banks.append(self)

    monkeypatch.setattr("stc.runtime.tracking.tracker.TrackBank", Watched)
    rng = np.random.default_rng(0)
    tracker = Tracker(TrackerConfig(rule=rule, capacity=16))
    tracker.update(random_detections(rng, 10), 0)

    def arrays() -> dict[tuple[type, str], int]:
        (bank,) = banks
        owned = ((owner, *item) for owner in (bank, bank.backdrops) for item in vars(owner).items())
        return {(type(owner), name): id(value) for owner, name, value in owned if isinstance(value, np.ndarray)}

    before = arrays()
    assert len(before) > 10
    for frame in range(1, 50):
        tracker.update(random_detections(rng, rng.integers(0, 30)), frame / 10)
    assert arrays() == before


@pytest.mark.parametrize("rule", ["crossvis", "masktrack"])
def test_what_never_expires_is_bounded_by_the_bank(rule: Any) -> None:
    """The published rule remembers every object; here the one lost for longest makes room, which is told."""
    tracker = Tracker(TrackerConfig(rule=rule, capacity=4))
    ended = []
    for number in range(12):
        found = detections([box(0)], [unit(number)], labels=[number])  # an object of its own in every frame
        ended += [event.track_id for event in tracker.update(found, 1e6 * number).events if event.kind == "ended"]
    assert ended == list(range(1, 9))
    again = detections([box(0)], [unit(11)], labels=[11])
    assert tracker.update(again, 1e8).track_ids.tolist() == [12]
