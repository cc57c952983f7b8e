"""The crossvis rule against a plain loop written from the description of the released CrossVIS script."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from stc.runtime import Detections, Tracker, TrackerConfig


@dataclass
class _Track:
    box: list[float]
    label: int
    embedding: list[float]


def _similarity(box: list[float], label: int, embedding: list[float], track: _Track) -> float:
    if label != track.label:
        return -1.0
    dot = sum(a * b for a, b in zip(embedding, track.embedding, strict=True))
    lengths = math.hypot(*embedding) * math.hypot(*track.embedding)
    width = min(box[2], track.box[2]) - max(box[0], track.box[0])
    height = min(box[3], track.box[3]) - max(box[1], track.box[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, track.box)]
    return dot / lengths + shared / (sum(areas) - shared + 1e-5)


class _Loop:
    """Every object of the video for ever, remembered by its last detection."""

    def __init__(self) -> None:
        self.tracks: list[_Track] = []

    def update(self, found: Detections) -> list[int]:
        ids = [-1] * len(found)
        known = len(self.tracks)  # tracks that start in this frame are not matched in it
        claims: dict[int, tuple[float, int]] = {}
        rows = list(zip(found.boxes.tolist(), found.labels.tolist(), found.embeddings.tolist(), strict=True))
        for index, (box, label, embedding) in enumerate(rows):
            best, best_track = -math.inf, -1
            for number in range(known):
                similarity = _similarity(box, label, embedding, self.tracks[number])
                if similarity > best:
                    best, best_track = similarity, number
            if best_track < 0 or best < 0.4:
                self.tracks.append(_Track(box, label, embedding))
                ids[index] = len(self.tracks)
            elif best_track not in claims or best > claims[best_track][0]:
                claims[best_track] = (best, index)
        for number, (_, index) in claims.items():
            ids[index] = number + 1
            self.tracks[number] = _Track(*rows[index])
        return ids


@pytest.mark.parametrize("seed", range(12))
def test_equals_the_loop_on_random_videos(seed: int) -> None:
    rng = np.random.default_rng(seed)
    objects = 8
    looks = rng.standard_normal((objects, 16))
    places = rng.uniform(0, 300, (objects, 2))
    tracker, loop = Tracker(TrackerConfig(rule="crossvis", capacity=512)), _Loop()
    matched = discarded = 0
    for frame in range(25):
        places += rng.normal(0, 4, places.shape)
        # Some objects appear twice, so that several detections claim one track.
        present = rng.choice(objects, rng.integers(0, 12), replace=True)
        corner = places[present] + rng.normal(0, 2, (len(present), 2))
        found = Detections(
            np.hstack((corner, corner + rng.uniform(20, 40, (len(present), 2)))).astype(np.float32),
            np.sort(rng.uniform(0.3, 1, len(present)))[::-1].astype(np.float32),
            np.where(rng.random(len(present)) < 0.9, present % 3, rng.integers(0, 3, len(present))),
            (looks[present] + rng.normal(0, 0.6, (len(present), 16))).astype(np.float32),
        )
        before = len(loop.tracks)
        expected = loop.update(found)
        update = tracker.update(found, frame / 30)
        assert update.track_ids.tolist() == expected
        matched += sum(0 < number <= before for number in expected)
        discarded += expected.count(-1)
        assert sum(event.kind == "born" for event in update.events) == len(loop.tracks) - before
    assert matched > 20 and discarded > 5  # the videos exercise both outcomes


def test_tracks_never_expire() -> None:
    tracker = Tracker(TrackerConfig(rule="crossvis", max_age=0.5))
    seen = Detections(
        np.array([[0, 0, 9, 9]], np.float32), np.array([0.3], np.float32), np.array([0]), np.ones((1, 4), np.float32)
    )
    nothing = seen[np.array([], np.int64)]
    assert tracker.update(seen, 0).track_ids.tolist() == [1]  # at once, whatever the score
    tracker.update(nothing, 1)
    tracker.update(nothing, 1000)
    assert tracker.update(seen, 2000).track_ids.tolist() == [1]
