"""The appearance of detections in the default rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime.tracking.detections import Detections
from stc.runtime.tracking.tracker import Tracker, TrackerConfig

WEIGHTED = TrackerConfig(appearance_weight=0.5, iou_weight=0.0)
LOOKS = np.eye(2, 6, dtype=np.float32)


def alike(looks: np.ndarray | None, score: float = 0.9) -> Detections:
    """Two objects apart whose embeddings are the same."""
    boxes = np.array([[0, 0, 20, 20], [50, 0, 70, 20]], np.float32)
    embeddings = np.tile(np.float32([4, 0, 0]), (2, 1))
    return Detections(boxes, np.float32([score, score - 0.01]), np.zeros(2, np.int64), embeddings, appearance=looks)


def test_objects_of_equal_embeddings_are_told_apart_by_their_appearance() -> None:
    tracker = Tracker(WEIGHTED)
    first = tracker.update(alike(LOOKS), 0.0).track_ids
    swapped = tracker.update(alike(LOOKS[::-1]), 0.1).track_ids
    np.testing.assert_array_equal(swapped, first[::-1])


def test_without_weight_or_without_appearance_nothing_depends_on_it() -> None:
    """Equal to the ids of detections that have none, also for settings that ask for it."""
    for config, looks in ((replace(WEIGHTED, appearance_weight=0.0), LOOKS[::-1]), (WEIGHTED, None)):
        one, other = Tracker(config), Tracker(replace(config, appearance_weight=0.0))
        for time, given in ((0.0, None if looks is None else LOOKS), (0.1, looks)):
            found = one.update(alike(given), time)
            np.testing.assert_array_equal(found.track_ids, other.update(alike(None), time).track_ids)


def test_an_appearance_that_is_not_finite_spoils_no_other() -> None:
    """The sound one still finds its own track, and the embedding of the other is as good as before."""
    tracker = Tracker(WEIGHTED)
    first = tracker.update(alike(LOOKS), 0.0).track_ids
    broken = LOOKS[::-1].copy()
    broken[1] = np.nan
    found = tracker.update(alike(broken), 0.1).track_ids
    assert found[0] == first[1]


def test_another_length_is_refused_and_changes_nothing() -> None:
    tracker = Tracker(WEIGHTED)
    first = tracker.update(alike(LOOKS), 0.0).track_ids
    for wrong in (LOOKS[:, :3], None):
        with pytest.raises(InputError, match="appearances of length"):
            tracker.update(alike(wrong), 0.1)
    np.testing.assert_array_equal(tracker.update(alike(LOOKS), 0.1).track_ids, first)
