"""What a result tells of its tracks' past, against plain loops over all that was told before."""

from collections import defaultdict
from typing import Any

import numpy as np

from stc.runtime import Detections, Tracker, TrackerConfig
from stc.runtime.tracking.history import Histories

SPOTS = np.array([[10, 10, 40, 40], [100, 10, 140, 60], [200, 80, 260, 120], [300, 20, 340, 90]], np.float32)


def frames(seed: int, count: int) -> list[tuple[float, Detections]]:
    """Objects at four spots that come and go for shorter and longer, of classes that flicker."""
    random = np.random.default_rng(seed)
    there, shown, time = np.ones(4, bool), [], 0.0
    for _ in range(count):
        time += float(random.uniform(0.02, 0.5))
        there ^= random.random(4) < 0.2
        spots = random.permutation(np.flatnonzero(there))
        shown.append(
            (
                time,
                Detections(
                    boxes=SPOTS[spots],
                    scores=random.choice([0.3, 0.5, 0.75, 0.875], len(spots)).astype(np.float32),
                    labels=random.integers(0, 3, len(spots)),
                    embeddings=np.eye(4, dtype=np.float32)[spots],
                ),
            )
        )
    return shown


def test_ages_and_votes_are_those_of_everything_told_before() -> None:
    for seed in range(5):
        tracker, histories = Tracker(TrackerConfig(max_age=1.0)), Histories()
        first: dict[int, float] = {}
        votes: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        came_back = 0
        for time, found in frames(seed, 120):
            update = tracker.update(found, time)
            ages, voted = histories.update(update, found.labels, found.scores, time)
            came_back += sum(event.kind == "recovered" for event in update.events)
            for i, handle in enumerate(update.handles.tolist()):
                label = int(found.labels[i])
                if handle < 0:
                    assert (ages[i], voted[i]) == (0, label)
                    continue
                first.setdefault(handle, time)
                votes[handle][label] += float(found.scores[i])  # eighths and 0.3: equal sums differ by far less
                assert ages[i] == time - first[handle]
                assert votes[handle][int(voted[i])] >= max(votes[handle].values()) - 1e-5
        assert came_back > 5 and len(first) > 10


def test_of_equal_votes_the_class_of_this_frame_wins_and_no_number_is_no_vote() -> None:
    histories, tracker = Histories(), Tracker(TrackerConfig(rule="default"))
    told = []
    for time, (label, score) in enumerate([(0, 0.5), (1, 0.5), (0, 0.5), (1, 0.75)]):
        found = Detections(SPOTS[:1], np.array([score], np.float32), np.array([label]), np.eye(4, dtype=np.float32)[:1])
        update = tracker.update(found, time / 10)
        told.append(int(histories.update(update, found.labels, found.scores, time / 10)[1][0]))
    assert told == [0, 1, 0, 1]
    for score in (float("nan"), float("inf")):
        assert histories.update(update, np.array([2]), [score], 0.4)[1].tolist() == [1]


def test_what_has_ended_is_forgotten() -> None:
    tracker, histories = Tracker(TrackerConfig(max_age=0.5)), Histories()
    most, handles = 0, set()
    for time, found in frames(9, 400):
        update = tracker.update(found, time)
        histories.update(update, found.labels, found.scores, time)
        most = max(most, len(histories))
        handles |= set(update.handles.tolist())
    assert most < 15 and len(handles) > 100
    nothing: Any = found[np.zeros(0, np.int64)]
    histories.update(tracker.update(nothing, time + 1), nothing.labels, nothing.scores, time + 1)
    histories.update(tracker.update(nothing, time + 2), nothing.labels, nothing.scores, time + 2)
    assert len(histories) == 0
