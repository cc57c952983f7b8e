"""Odd input of a tracker: frames without objects, broken embeddings, time that goes back, settings out of range."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime import Tracker, TrackerConfig
from stc.runtime.tracking.config import RULE_NAMES
from stc.runtime.tracking.tracker import RULES
from tests.runtime.tracking.detections import AT_ONCE, NOTHING, D, box, detections, unit


def test_no_detections_at_all() -> None:
    tracker = Tracker()
    for frame in range(3):
        update = tracker.update(NOTHING, frame / 30)
        assert update.track_ids.shape == update.handles.shape == (0,) and update.events == ()
    assert tracker.close() == ()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_broken_embedding_harms_only_its_own_detection(bad: float) -> None:
    tracker = Tracker(AT_ONCE)
    boxes, good = [box(0), box(100)], [unit(0), unit(1)]
    tracker.update(detections(boxes, good), 0)
    update = tracker.update(detections(boxes, [good[0], np.full(D, bad, np.float32)]), 0.1)
    assert update.track_ids[0] == 1 and update.track_ids[1] not in (1, 2)
    assert tracker.update(detections(boxes, good), 0.2).track_ids.tolist() == [1, 2]


def test_time_must_not_go_back_and_a_refused_frame_changes_nothing() -> None:
    tracker = Tracker(AT_ONCE)
    seen = detections([box(0)], [unit(0)])
    tracker.update(seen, 1.0)
    for time in (0.5, np.nan, np.inf, "2", [2.0], None, 10**400, np.datetime64("2026"), 2j):
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


@pytest.mark.parametrize("rule", ["masktrack", "qdtrack", "idol"])
def test_rules_of_embeddings_refuse_detections_without(rule: Any) -> None:
    tracker = Tracker(TrackerConfig(rule=rule))
    with pytest.raises(InputError, match=f"rule '{rule}' needs embeddings"):
        tracker.update(detections([box(0)], [np.empty(0, np.float32)]), 0)
    assert tracker.time is None


def test_the_names_of_the_rules_are_those_of_the_rules() -> None:
    assert tuple(RULES) == RULE_NAMES
