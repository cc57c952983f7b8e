"""The tracker on a crowd, and the heart of QDTrack's matching in PyTorch beside it: baselines of `__main__.py`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import torch

from stc.runtime.tracking.config import TrackerConfig
from stc.runtime.tracking.detections import Detections
from stc.runtime.tracking.tracker import Tracker

TRACKS, SEEN, LENGTH = 200, 30, 256  # in memory; in each frame; of an embedding
CLASSES, FPS = 4, 25.0


class Crowd:
    """People that stand about; every frame shows the same `SEEN` of `TRACKS`, the others are remembered as lost."""

    def __init__(self) -> None:
        self._rng = rng = np.random.default_rng(0)
        looks = rng.standard_normal((TRACKS, LENGTH))
        self._looks = 4 * looks / np.linalg.norm(looks, axis=1, keepdims=True)
        corners = rng.uniform(0, 1800, (TRACKS, 2))
        self._boxes = np.concatenate((corners, corners + rng.uniform(20, 120, (TRACKS, 2))), axis=1)

    def detections(self, rows: np.ndarray[Any, Any]) -> Detections:
        rng, n = self._rng, len(rows)
        return Detections(
            (self._boxes[rows] + rng.normal(0, 1, (n, 4))).astype(np.float32),
            rng.uniform(0.75, 0.95, n).astype(np.float32),
            (rows % CLASSES).astype(np.int64),
            (self._looks[rows] + rng.normal(0, 0.01, (n, LENGTH))).astype(np.float32),
        )

    def native(self) -> Callable[[], Any]:
        """`Tracker.update` with all tracks in its memory."""
        tracker, frames = Tracker(TrackerConfig(max_age=1e9, duplicate_iou=1.0)), count()
        for begin in range(0, TRACKS, SEEN):
            for _ in range(3):
                tracker.update(self.detections(np.arange(begin, min(begin + SEEN, TRACKS))), next(frames) / FPS)
        found = self.detections(np.linspace(0, TRACKS - 1, SEEN).astype(int))

        def call() -> Any:
            return tracker.update(found, next(frames) / FPS)

        assert (call().track_ids > 0).all()
        return call

    def qdtrack(self) -> Callable[[], Any]:
        """What its released code does between embeddings and ids: both softmaxes, classes, the best column of each row;
        without IoU, memory, births and events.
        """
        memory, found = (
            self.detections(np.arange(TRACKS)),
            self.detections(np.linspace(0, TRACKS - 1, SEEN).astype(int)),
        )
        m, f = torch.from_numpy(memory.embeddings), torch.from_numpy(found.embeddings)
        m_labels, f_labels = torch.from_numpy(memory.labels), torch.from_numpy(found.labels)

        def call() -> Any:
            with torch.inference_mode():
                products = f @ m.T
                scores = (products.softmax(1) + products.softmax(0)) / 2
                scores = scores * (f_labels[:, None] == m_labels)
                ids = []
                for row in range(SEEN):
                    best, column = scores[row].max(0)
                    if best > 0.5:
                        ids.append(int(column))
                        scores[:row, column] = 0
                        scores[row + 1 :, column] = 0
                return ids

        return call
