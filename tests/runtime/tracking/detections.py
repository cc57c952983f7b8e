"""Detections of made-up objects, as a tracker is given them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stc.runtime import Detections, Tracker, TrackerConfig, TrackUpdate

D = 16
AT_ONCE = TrackerConfig(confirm_hits=1)


def box(x: float, y: float = 50, size: float = 20) -> list[float]:
    return [x, y, x + size, y + size]


def unit(seed: int, scale: float = 4.0) -> NDArray[np.float32]:
    """One of D orthogonal embeddings of length `scale`."""
    return (scale * np.eye(D)[seed]).astype(np.float32)


def detections(
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


NOTHING = detections([], [])


def random_detections(rng: np.random.Generator, count: int, length: int = D) -> Detections:
    corner, size = rng.uniform(0, 200, (count, 2)), rng.uniform(5, 60, (count, 2))
    return Detections(
        np.hstack((corner, corner + size)).astype(np.float32),
        rng.permutation(np.linspace(0.25, 0.99, count)).astype(np.float32),
        rng.integers(0, 3, count),
        (rng.integers(0, 6, count)[:, None] + rng.standard_normal((count, length))).astype(np.float32),
        rng.random((count, 3, 4), np.float32),
    )


def kinds(update: TrackUpdate) -> list[tuple[str, int]]:
    return [(event.kind, event.track_id) for event in update.events]


def random_video(seed: int, frames: int = 60, length: int = 16) -> Iterator[Detections]:
    """Objects that move, are missed, seen twice and taken for another class, best score first; with empty frames and
    a gap of 14 frames. Values are continuous, and inner products moderate: float32 has no ties, nor is near any.
    """
    rng = np.random.default_rng(seed)
    objects = 8
    scale = (6 / length) ** 0.5  # an object's inner product with itself is about 6
    looks = scale * rng.standard_normal((objects, length))
    places = rng.uniform(0, 160, (objects, 2))
    for number in range(frames):
        places += rng.normal(0, 3, places.shape)
        gap = 30 <= number < 44
        # Some objects appear twice, so that several detections claim one track.
        present = rng.choice(objects, 0 if gap else rng.integers(0, 12), replace=True)
        count = len(present)
        corner = places[present] + rng.normal(0, 4, (count, 2))
        boxes = np.hstack((corner, corner + rng.uniform(25, 45, (count, 2)))).astype(np.float32)
        yield Detections(
            boxes,
            np.sort(rng.uniform(0.1, 1, count))[::-1].astype(np.float32),
            np.where(rng.random(count) < 0.85, present % 3, rng.integers(0, 3, count)),
            (looks[present] + rng.normal(0, 0.4 * scale, (count, length))).astype(np.float32),
            np.stack([_pixels(box) for box in boxes]) if count else np.empty((0, 64, 64), np.float32),
        )


def _pixels(box: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities at a quarter of the resolution, above a half inside the box's ellipse."""
    y, x = np.mgrid[:64, :64] * 4 + 2
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    distance = ((x - centre[0]) / half[0]) ** 2 + ((y - centre[1]) / half[1]) ** 2
    return (1 / (1 + np.exp(4 * (np.minimum(distance, 10) - 1)))).astype(np.float32)


@dataclass
class Compared:
    """How often a rule matched, started and left something alone, while it agreed with its plain statement."""

    matched: int = 0
    started: int = 0
    left: int = 0


def compare(rule: str, statement: Callable[[Detections], list[int]], seed: int, length: int = 16) -> Compared:
    """The ids of a tracker and of a plain statement of its rule (from 1 in the order of the starts; -1 for none)."""
    tracker = Tracker(TrackerConfig(rule=cast(Any, rule), capacity=512))
    told, known = Compared(), 0
    for number, found in enumerate(random_video(seed, length=length)):
        expected = statement(found)
        order = np.random.default_rng(number).permutation(len(found))
        update = tracker.update(found[order], number / 30)
        assert update.track_ids.tolist() == [expected[i] for i in order], number
        born = sum(event.kind == "born" for event in update.events)
        assert born == sum(track > known for track in expected)
        known += born
        told.matched += sum(0 < track <= known for track in expected) - born
        told.started += born
        told.left += expected.count(-1)
    return told
