"""The default tracking rule, by what a user sees: ids that stay with their objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stc.runtime import Tracker, TrackerConfig
from stc.runtime.tracking.tracker import RULES
from tests.runtime.tracking.detections import AT_ONCE, D, box, detections, kinds, random_detections, unit


@given(st.integers(0, 2**32 - 1), st.sampled_from(list(RULES)), st.sampled_from(["greedy", "linear"]))
@settings(max_examples=60, deadline=None)
def test_ids_and_handles_are_unique_in_a_frame_and_never_change_partner(seed: int, rule: Any, assignment: Any) -> None:
    rng = np.random.default_rng(seed)
    tracker = Tracker(TrackerConfig(rule=rule, assignment=assignment, capacity=8, max_age=0.3))
    id_of: dict[int, int] = {}
    ended: set[int] = set()
    seen: set[int] = set()
    for frame in range(15):
        update = tracker.update(random_detections(rng, rng.integers(0, 12)), frame / 10)
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


@given(st.integers(0, 2**32 - 1), st.sampled_from(list(RULES)))
@settings(max_examples=30, deadline=None)
def test_the_order_of_detections_does_not_matter(seed: int, rule: Any) -> None:
    rng = np.random.default_rng(seed)
    straight, shuffled = Tracker(TrackerConfig(rule=rule)), Tracker(TrackerConfig(rule=rule))
    for frame in range(10):
        found = random_detections(rng, 10)
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
        boxes = [np.array(box(40 * k)) + rng.normal(0, 1, 4) for k in objects]
        embeddings = [unit(k) + rng.normal(0, 0.4, D).astype(np.float32) for k in objects]
        update = tracker.update(detections(boxes, embeddings, rng.uniform(0.5, 0.95, len(objects))), frame / 30)
        if frame > 20:  # all are confirmed
            for k, track_id in zip(objects.tolist(), update.track_ids.tolist(), strict=True):
                assert ids.setdefault(k, track_id) == track_id > 0
    assert sorted(ids.values()) == [1, 2, 3, 4, 5, 6]


def test_crossing_objects_keep_their_ids_by_their_embeddings() -> None:
    tracker = Tracker(AT_ONCE)
    for frame in range(41):
        left, right = 5.0 * frame, 200 - 5.0 * frame  # through each other at frame 20
        update = tracker.update(detections([box(left), box(right)], [unit(0), unit(1)], [0.9, 0.8]), frame / 30)
        assert update.track_ids.tolist() == [1, 2]


def test_look_alikes_that_stand_still_keep_their_ids_by_their_place() -> None:
    tracker = Tracker(AT_ONCE)
    rng = np.random.default_rng(0)
    ids = []
    for frame in range(50):
        embeddings = [unit(0) + rng.normal(0, 0.05, D).astype(np.float32) for _ in range(2)]
        scores = [0.9, 0.8] if frame % 2 else [0.8, 0.9]
        update = tracker.update(detections([box(0), box(100)], embeddings, scores), frame / 30)
        ids.append(tuple(update.track_ids.tolist()))
    assert set(ids) == {(2, 1)}  # the second has the better score in the first frame


def test_one_detection_against_one_track_does_not_match_by_default() -> None:
    tracker = Tracker(AT_ONCE)
    assert tracker.update(detections([box(0)], [unit(0)]), 0).track_ids.tolist() == [1]
    stranger = tracker.update(detections([box(0)], [unit(1)]), 0.1)  # same place, same class, other looks
    assert stranger.track_ids.tolist() == [2]
    assert kinds(stranger) == [("lost", 1), ("born", 2)]
    assert tracker.update(detections([box(0)], [unit(0)]), 0.2).track_ids.tolist() == [1]


def test_the_class_gate_separates_classes_and_can_be_opened() -> None:
    for gate, expected in ((True, [2]), (False, [1])):
        tracker = Tracker(replace(AT_ONCE, class_gate=gate))
        tracker.update(detections([box(0)], [unit(0)], labels=[0]), 0)
        assert tracker.update(detections([box(0)], [unit(0)], labels=[1]), 0.1).track_ids.tolist() == expected


def test_one_object_found_as_two_classes_is_one_track() -> None:
    tracker = Tracker(AT_ONCE)
    boxes, embeddings = [box(0), box(1)], [unit(0), unit(0)]  # IoU 0.9
    person_first = detections(boxes, embeddings, [0.9, 0.8], [0, 1])
    animal_first = detections(boxes, embeddings, [0.8, 0.9], [0, 1])
    assert tracker.update(person_first, 0).track_ids.tolist() == [1, -1]
    update = tracker.update(animal_first, 0.1)
    assert update.track_ids.tolist() == [1, -1] and update.handles.tolist() == [0, -1]


def test_memory_is_a_running_mean() -> None:
    """Embeddings at 0, 60 and -30 degrees: the third is at right angles to the second, but 60 degrees from the mean."""
    looks = [np.cos(a) * unit(0) + np.sin(a) * unit(1) for a in np.deg2rad([0, 60, -30])]
    for momentum, expected in ((0.5, 1), (1.0, 2)):
        tracker = Tracker(replace(AT_ONCE, momentum=momentum, cosine_floor=0.4))  # 60 degrees: 0.5
        for frame, look in enumerate(looks):
            update = tracker.update(detections([box(0)], [look]), frame / 30)
        assert update.track_ids.tolist() == [expected]


def test_memory_follows_a_changing_object() -> None:
    tracker = Tracker(AT_ONCE)
    for frame in range(46):  # two degrees per frame, to the orthogonal embedding
        angle = np.deg2rad(2 * frame)
        embedding = np.float32(np.cos(angle)) * unit(0) + np.float32(np.sin(angle)) * unit(1)
        assert tracker.update(detections([box(0)], [embedding]), frame / 30).track_ids.tolist() == [1]


def test_without_tracking_head_ids_come_from_overlap_and_class() -> None:
    tracker = Tracker(AT_ONCE)
    empty = [np.empty(0, np.float32)] * 2
    for frame in range(20):
        boxes = [box(3.0 * frame), box(200 - 3.0 * frame, 100)]
        assert tracker.update(detections(boxes, empty, [0.9, 0.8]), frame / 30).track_ids.tolist() == [1, 2]
    moved = tracker.update(detections([box(0, 0), box(100, 0)], empty, [0.9, 0.8]), 1)
    assert moved.track_ids.tolist() == [3, 4]
