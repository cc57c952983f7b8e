"""The default tracking rule, by what a user sees: ids that stay, and events that tell the story."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime import Detections, Tracker, TrackerConfig, TrackUpdate

D = 16
AT_ONCE = TrackerConfig(confirm_hits=1)


def _box(x: float, y: float = 50, size: float = 20) -> list[float]:
    return [x, y, x + size, y + size]


def _unit(seed: int, scale: float = 4.0) -> NDArray[np.float32]:
    """One of D orthogonal embeddings of length `scale`."""
    return (scale * np.eye(D)[seed]).astype(np.float32)


def _detections(
    boxes: Sequence[Sequence[float]],
    embeddings: Sequence[NDArray[np.float32]],
    scores: Sequence[float] | None = None,
    labels: Sequence[int] | None = None,
) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(count, 4),
        np.array([0.9] * count if scores is None else scores, np.float32),
        np.array([0] * count if labels is None else labels, np.int64),
        np.array(embeddings, np.float32).reshape(count, -1) if count else np.empty((0, D), np.float32),
    )


NOTHING = _detections([], [])


def _kinds(update: TrackUpdate) -> list[tuple[str, int]]:
    return [(event.kind, event.track_id) for event in update.events]


def _random(rng: np.random.Generator, count: int, length: int = D) -> Detections:
    corner, size = rng.uniform(0, 200, (count, 2)), rng.uniform(5, 60, (count, 2))
    return Detections(
        np.hstack((corner, corner + size)).astype(np.float32),
        rng.permutation(np.linspace(0.25, 0.99, count)).astype(np.float32),
        rng.integers(0, 3, count),
        (rng.integers(0, 6, count)[:, None] + rng.standard_normal((count, length))).astype(np.float32),
    )


@given(st.integers(0, 2**32 - 1), st.sampled_from(["default", "crossvis"]), st.sampled_from(["greedy", "linear"]))
@settings(max_examples=60, deadline=None)
def test_ids_and_handles_are_unique_in_a_frame_and_never_change_partner(seed: int, rule: Any, assignment: Any) -> None:
    rng = np.random.default_rng(seed)
    tracker = Tracker(TrackerConfig(rule=rule, assignment=assignment, capacity=8, max_age=0.3))
    id_of: dict[int, int] = {}
    ended: set[int] = set()
    seen: set[int] = set()
    for frame in range(15):
        update = tracker.update(_random(rng, rng.integers(0, 12)), frame / 10)
        for numbers in (update.track_ids, update.handles):
            given_out = numbers[numbers >= 0]
            assert len(set(given_out.tolist())) == len(given_out)
        pairs = [(h, i) for h, i in zip(update.handles.tolist(), update.track_ids.tolist(), strict=True) if i >= 0]
        assert all(handle >= 0 and track_id >= 1 for handle, track_id in pairs)
        for event in update.events:
            if event.kind == "born":
                assert event.handle not in id_of and event.track_id == len(id_of) + 1  # from 1, without gaps
                id_of[event.handle] = event.track_id
            elif event.kind == "ended":
                ended.add(event.track_id)
        assert all(id_of[handle] == track_id for handle, track_id in pairs)
        assert ended.isdisjoint(track_id for _, track_id in pairs)
        seen |= {track_id for _, track_id in pairs}
    ended |= {event.track_id for event in tracker.close()}
    assert ended == set(id_of.values()) == seen  # every id is shown, and every life ends


@given(st.integers(0, 2**32 - 1), st.sampled_from(["default", "crossvis"]))
@settings(max_examples=30, deadline=None)
def test_the_order_of_detections_does_not_matter(seed: int, rule: Any) -> None:
    rng = np.random.default_rng(seed)
    straight, shuffled = Tracker(TrackerConfig(rule=rule)), Tracker(TrackerConfig(rule=rule))
    for frame in range(10):
        found = _random(rng, 10)
        order = rng.permutation(10)
        a, b = straight.update(found, frame / 30), shuffled.update(found[order], frame / 30)
        np.testing.assert_array_equal(a.track_ids[order], b.track_ids)
        np.testing.assert_array_equal(a.handles[order], b.handles)
        assert a.events == b.events


@pytest.mark.parametrize("assignment", ["greedy", "linear"])
def test_stationary_objects_keep_their_ids_under_noise(assignment: Any) -> None:
    rng = np.random.default_rng(0)
    tracker = Tracker(TrackerConfig(assignment=assignment))
    ids: dict[int, int] = {}
    for frame in range(200):
        present = rng.random(6) > 0.1  # each object is missed in a tenth of the frames
        objects = present.nonzero()[0]
        boxes = [np.array(_box(40 * k)) + rng.normal(0, 1, 4) for k in objects]
        embeddings = [_unit(k) + rng.normal(0, 0.4, D).astype(np.float32) for k in objects]
        update = tracker.update(_detections(boxes, embeddings, rng.uniform(0.5, 0.95, len(objects))), frame / 30)
        if frame > 20:  # all are confirmed
            for k, track_id in zip(objects.tolist(), update.track_ids.tolist(), strict=True):
                assert ids.setdefault(k, track_id) == track_id > 0
    assert sorted(ids.values()) == [1, 2, 3, 4, 5, 6]


def test_crossing_objects_keep_their_ids_by_their_embeddings() -> None:
    tracker = Tracker(AT_ONCE)
    for frame in range(41):
        left, right = 5.0 * frame, 200 - 5.0 * frame  # through each other at frame 20
        update = tracker.update(_detections([_box(left), _box(right)], [_unit(0), _unit(1)], [0.9, 0.8]), frame / 30)
        assert update.track_ids.tolist() == [1, 2]


def test_look_alikes_that_stand_still_keep_their_ids_by_their_place() -> None:
    tracker = Tracker(AT_ONCE)
    rng = np.random.default_rng(0)
    ids = []
    for frame in range(50):
        embeddings = [_unit(0) + rng.normal(0, 0.05, D).astype(np.float32) for _ in range(2)]
        scores = [0.9, 0.8] if frame % 2 else [0.8, 0.9]
        update = tracker.update(_detections([_box(0), _box(100)], embeddings, scores), frame / 30)
        ids.append(tuple(update.track_ids.tolist()))
    assert set(ids) == {(2, 1)}  # the second has the better score in the first frame


def test_one_detection_against_one_track_does_not_match_by_default() -> None:
    tracker = Tracker(AT_ONCE)
    assert tracker.update(_detections([_box(0)], [_unit(0)]), 0).track_ids.tolist() == [1]
    stranger = tracker.update(_detections([_box(0)], [_unit(1)]), 0.1)  # same place, same class, other looks
    assert stranger.track_ids.tolist() == [2]
    assert _kinds(stranger) == [("lost", 1), ("born", 2)]
    assert tracker.update(_detections([_box(0)], [_unit(0)]), 0.2).track_ids.tolist() == [1]


def test_the_class_gate_separates_classes_and_can_be_opened() -> None:
    for gate, expected in ((True, [2]), (False, [1])):
        tracker = Tracker(replace(AT_ONCE, class_gate=gate))
        tracker.update(_detections([_box(0)], [_unit(0)], labels=[0]), 0)
        assert tracker.update(_detections([_box(0)], [_unit(0)], labels=[1]), 0.1).track_ids.tolist() == expected


def test_a_tracklet_is_confirmed_by_consecutive_frames_or_a_high_score() -> None:
    weak, strong = (_detections([_box(0)], [_unit(0)], [score]) for score in (0.5, 0.9))
    tracker = Tracker(TrackerConfig(confirm_hits=3))
    updates = [tracker.update(weak, frame / 30) for frame in range(4)]
    assert [update.track_ids.tolist() for update in updates] == [[-1], [-1], [1], [1]]
    assert [update.handles.tolist() for update in updates] == [[0], [0], [0], [0]]
    assert [_kinds(update) for update in updates] == [[], [], [("born", 1)], []]
    assert updates[2].events[0].handle == 0

    tracker = Tracker(TrackerConfig(confirm_hits=3))
    assert tracker.update(weak, 0).track_ids.tolist() == [-1]
    assert tracker.update(strong, 0.1).track_ids.tolist() == [1]


def test_a_tracklet_that_misses_a_frame_before_confirmation_is_given_up_silently() -> None:
    tracker = Tracker(TrackerConfig(confirm_hits=3))
    weak = _detections([_box(0)], [_unit(0)], [0.5])
    handles = [
        tracker.update(found, frame / 30).handles.tolist() for frame, found in enumerate([weak, weak, NOTHING, weak])
    ]
    assert handles == [[0], [0], [], [1]]
    assert tracker.close() == ()


def test_a_weak_detection_continues_a_track_but_starts_none() -> None:
    tracker = Tracker(TrackerConfig())
    weak = _detections([_box(0)], [_unit(0)], [0.3])
    assert tracker.update(weak, 0).handles.tolist() == [-1]
    assert tracker.update(_detections([_box(0)], [_unit(0)], [0.9]), 0.1).track_ids.tolist() == [1]
    assert tracker.update(weak, 0.2).track_ids.tolist() == [1]


def test_lost_recovered_and_ended() -> None:
    tracker = Tracker(replace(AT_ONCE, max_age=1.0))
    seen = _detections([_box(0)], [_unit(0)])
    told = [
        _kinds(tracker.update(found, time))
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


def test_a_track_seen_in_the_previous_frame_survives_any_gap() -> None:
    tracker = Tracker(AT_ONCE)
    seen = _detections([_box(0)], [_unit(0)])
    assert [tracker.update(seen, time).track_ids.tolist() for time in (0, 60, 120)] == [[1], [1], [1]]


def test_one_object_found_as_two_classes_is_one_track() -> None:
    tracker = Tracker(AT_ONCE)
    boxes, embeddings = [_box(0), _box(1)], [_unit(0), _unit(0)]  # IoU 0.9
    person_first = _detections(boxes, embeddings, [0.9, 0.8], [0, 1])
    animal_first = _detections(boxes, embeddings, [0.8, 0.9], [0, 1])
    assert tracker.update(person_first, 0).track_ids.tolist() == [1, -1]
    update = tracker.update(animal_first, 0.1)
    assert update.track_ids.tolist() == [1, -1] and update.handles.tolist() == [0, -1]


def test_memory_is_a_running_mean() -> None:
    """Embeddings at 0, 60 and -30 degrees: the third is at right angles to the second, but 60 degrees from the mean."""
    looks = [np.cos(a) * _unit(0) + np.sin(a) * _unit(1) for a in np.deg2rad([0, 60, -30])]
    for momentum, expected in ((0.5, 1), (1.0, 2)):
        tracker = Tracker(replace(AT_ONCE, momentum=momentum))
        for frame, look in enumerate(looks):
            update = tracker.update(_detections([_box(0)], [look]), frame / 30)
        assert update.track_ids.tolist() == [expected]


def test_memory_follows_a_changing_object() -> None:
    tracker = Tracker(AT_ONCE)
    for frame in range(46):  # two degrees per frame, to the orthogonal embedding
        angle = np.deg2rad(2 * frame)
        embedding = np.float32(np.cos(angle)) * _unit(0) + np.float32(np.sin(angle)) * _unit(1)
        assert tracker.update(_detections([_box(0)], [embedding]), frame / 30).track_ids.tolist() == [1]


def test_when_all_slots_are_taken_the_track_lost_for_longest_makes_room() -> None:
    tracker = Tracker(replace(AT_ONCE, capacity=2))
    tracker.update(_detections([_box(0)], [_unit(0)]), 0)
    tracker.update(_detections([_box(100)], [_unit(1)]), 0.1)  # 1 lost
    both = tracker.update(_detections([_box(100), _box(200)], [_unit(1), _unit(2)], [0.9, 0.8]), 0.2)
    assert both.track_ids.tolist() == [2, 3] and ("ended", 1) in _kinds(both)
    full = tracker.update(
        _detections([_box(100), _box(200), _box(300)], [_unit(1), _unit(2), _unit(3)], [0.7, 0.75, 0.9]), 0.3
    )
    assert full.track_ids.tolist() == [2, 3, -1] and full.handles[2] == -1  # none is lost: nobody makes room


def test_of_several_lost_tracks_the_one_lost_for_longest_makes_room() -> None:
    tracker = Tracker(replace(AT_ONCE, capacity=3))
    boxes, looks = [_box(0), _box(100), _box(200)], [_unit(0), _unit(1), _unit(2)]
    for time, seen in ((0.0, [0, 1, 2]), (0.1, [0, 2]), (0.2, [0]), (0.3, [])):
        found = _detections([boxes[k] for k in seen], [looks[k] for k in seen]) if seen else NOTHING
        tracker.update(found, time)
    update = tracker.update(_detections([_box(300), _box(400)], [_unit(3), _unit(4)]), 0.4)
    assert _kinds(update) == [("ended", 2), ("ended", 3), ("born", 4), ("born", 5)]


def test_more_detections_than_slots_and_exactly_as_many() -> None:
    for count in (4, 5):
        tracker = Tracker(replace(AT_ONCE, capacity=4))
        found = _detections([_box(50 * k) for k in range(count)], [_unit(k) for k in range(count)])
        for frame in range(3):
            assert tracker.update(found, frame / 30).track_ids.tolist() == [1, 2, 3, 4, -1][:count]


def test_no_detections_at_all() -> None:
    tracker = Tracker()
    for frame in range(3):
        update = tracker.update(NOTHING, frame / 30)
        assert update.track_ids.shape == update.handles.shape == (0,) and update.events == ()
    assert tracker.close() == ()


def test_without_tracking_head_ids_come_from_overlap_and_class() -> None:
    tracker = Tracker(AT_ONCE)
    empty = [np.empty(0, np.float32)] * 2
    for frame in range(20):
        boxes = [_box(3.0 * frame), _box(200 - 3.0 * frame, 100)]
        assert tracker.update(_detections(boxes, empty, [0.9, 0.8]), frame / 30).track_ids.tolist() == [1, 2]
    moved = tracker.update(_detections([_box(0, 0), _box(100, 0)], empty, [0.9, 0.8]), 1)
    assert moved.track_ids.tolist() == [3, 4]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_broken_embedding_harms_only_its_own_detection(bad: float) -> None:
    tracker = Tracker(AT_ONCE)
    boxes, good = [_box(0), _box(100)], [_unit(0), _unit(1)]
    tracker.update(_detections(boxes, good), 0)
    update = tracker.update(_detections(boxes, [good[0], np.full(D, bad, np.float32)]), 0.1)
    assert update.track_ids[0] == 1 and update.track_ids[1] not in (1, 2)
    assert tracker.update(_detections(boxes, good), 0.2).track_ids.tolist() == [1, 2]


def test_time_must_not_go_back_and_a_refused_frame_changes_nothing() -> None:
    tracker = Tracker(AT_ONCE)
    seen = _detections([_box(0)], [_unit(0)])
    tracker.update(seen, 1.0)
    for time in (0.5, np.nan, np.inf):
        with pytest.raises(InputError, match="go back"):
            tracker.update(NOTHING, time)
    with pytest.raises(InputError, match="length 0 after 16"):
        tracker.update(replace(seen, embeddings=np.empty((1, 0), np.float32)), 2.0)
    assert tracker.time == 1.0
    assert tracker.update(seen, 1.0).track_ids.tolist() == [1]  # the same time again is fine


@pytest.mark.parametrize(
    "settings_",
    [
        {"rule": "sort"},
        {"assignment": "random"},
        {"capacity": 0},
        {"confirm_hits": 0},
        {"momentum": 0.0},
        {"momentum": 1.5},
        {"max_age": -1.0},
        {"max_age": float("nan")},
        {"iou_weight": -0.1},
    ],
)
def test_settings_out_of_range_are_input_errors(settings_: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        TrackerConfig(**settings_)


def test_memory_is_allocated_once() -> None:
    rng = np.random.default_rng(0)
    tracker = Tracker(TrackerConfig(capacity=16))
    tracker.update(_random(rng, 10), 0)
    bank = tracker._bank
    assert bank is not None
    before = {name: id(value) for name, value in vars(bank).items()}
    for frame in range(1, 50):
        tracker.update(_random(rng, rng.integers(0, 30)), frame / 10)
    assert {name: id(value) for name, value in vars(bank).items()} == before
