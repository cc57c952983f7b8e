"""The masktrack rule against a plain loop written from the description of MaskTrack R-CNN's released code."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from stc.runtime import Detections, Tracker, TrackerConfig
from tests.runtime.tracking.detections import box, compare, detections, unit
from tests.runtime.tracking.plain import box_iou, dot


@dataclass
class _Object:
    box: list[float]
    feature: list[float]
    label: int


class _Loop:
    """Every object of the video for ever, by its last box and feature and its first label."""

    def __init__(self) -> None:
        self.objects: list[_Object] = []

    def update(self, found: Detections) -> list[int]:
        ids = [-1] * len(found)
        known = [_Object(o.box, o.feature, o.label) for o in self.objects]
        best_of = [-100.0] * len(known)
        owner: dict[int, int] = {}
        rows = zip(
            found.boxes.tolist(),
            found.scores.tolist(),
            found.labels.tolist(),
            found.embeddings.tolist(),
            strict=True,
        )
        for index, (corners, score, label, feature) in enumerate(rows):
            powers = [1.0] + [math.exp(dot(feature, o.feature)) for o in known]
            log_p = [math.log(power / sum(powers)) for power in powers]
            values = [log_p[0] + math.log(score) + 10]
            for number, o in enumerate(known, 1):
                cues = 2 * box_iou(corners, o.box) + 10 * (label == o.label)
                values.append(log_p[number] + math.log(score) + cues)
            choice = values.index(max(values)) - 1
            if choice < 0 or not known:
                self.objects.append(_Object(corners, feature, label))
                ids[index] = len(self.objects)
            elif values[choice + 1] > best_of[choice]:
                best_of[choice] = values[choice + 1]
                if choice in owner:
                    ids[owner[choice]] = -1  # the last writer keeps the id
                owner[choice] = index
                ids[index] = choice + 1
                self.objects[choice].box, self.objects[choice].feature = corners, feature
        return ids


@pytest.mark.parametrize("length", [4, 16])
def test_equals_the_loop_on_random_videos(length: int) -> None:
    for seed in range(8):
        told = compare("masktrack", _Loop().update, seed, length)
        assert told.matched > 20 and told.started > 2 and told.left > 5  # the videos exercise all outcomes


def test_products_of_any_size_are_survived() -> None:
    """e^900 is infinite, e^-900 zero: an object is found again by its class and place, or a stranger is new."""
    huge = detections([box(0), box(100)], [unit(0, 30.0), unit(1, 30.0)])
    tracker = Tracker(TrackerConfig(rule="masktrack"))
    assert tracker.update(huge, 0).track_ids.tolist() == [1, 2]
    assert tracker.update(huge, 0.1).track_ids.tolist() == [1, 2]
    opposite = detections([box(0), box(100)], [unit(2, 30.0), -unit(0, 900.0) - unit(1, 900.0)])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert tracker.update(opposite, 0.2).track_ids.tolist() == [1, 3]
