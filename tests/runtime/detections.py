"""Detections of made-up objects, as a tracker is given them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stc.runtime import Detections, TrackerConfig, TrackUpdate

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
    )


def kinds(update: TrackUpdate) -> list[tuple[str, int]]:
    return [(event.kind, event.track_id) for event in update.events]
