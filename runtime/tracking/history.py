"""What a track has been so far: since when it is there, and which class most of its frames say it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stc.runtime.tracking.tracker import TrackUpdate


@dataclass
class _History:
    since: float
    votes: dict[int, float] = field(default_factory=dict)  # the scores given to a class, added up
    confirmed: bool = False


class Histories:
    """Of the tracklets of one video that may come back; what has ended is forgotten, so memory stays flat."""

    def __init__(self) -> None:
        self._of: dict[int, _History] = {}

    def update(
        self, update: TrackUpdate, labels: NDArray[np.int64], scores: Sequence[float] | NDArray[np.float32], time: float
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Count the n detections of the frame shown at `time`: float64 (n,) seconds since the tracklet's first one, and
        int64 (n,) the class with the largest sum of scores so far, of equal ones that of this frame's detection.

        A detection of no tracklet is of age 0 and of its own class. A score that is no number has no vote.
        """
        ages, voted = np.zeros(len(labels)), labels.copy()
        seen = set()
        for i, handle in enumerate(update.handles.tolist()):
            if handle < 0:
                continue
            seen.add(handle)
            history = self._of.setdefault(handle, _History(time))
            history.confirmed |= bool(update.track_ids[i] >= 0)
            label = int(labels[i])
            score = float(scores[i])
            history.votes[label] = history.votes.get(label, 0.0) + (score if math.isfinite(score) else 0.0)
            ages[i] = time - history.since
            voted[i] = max(history.votes, key=lambda kind: (history.votes[kind], kind == label))
        ended = {event.handle for event in update.events if event.kind == "ended"}
        # An unconfirmed tracklet that a frame misses never comes back.
        for handle in [h for h, history in self._of.items() if h not in seen and (h in ended or not history.confirmed)]:
            del self._of[handle]
        return ages, voted

    def __len__(self) -> int:
        return len(self._of)
