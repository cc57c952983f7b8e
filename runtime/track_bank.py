"""The memory of a tracker: a fixed number of slots, allocated once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stc.runtime.detections import Detections

NO_TRACK = -1


class TrackBank:
    """`capacity` slots for tracks with embeddings of length D, as one array per quantity.

    A slot is free while its handle is -1. `embeddings` float32 (capacity, D) is the running memory and `norms`
    (capacity,) its length; `boxes`, `labels` are those of the last detection; `last_seen` is in seconds; `hits` counts
    consecutive frames.
    """

    def __init__(self, capacity: int, length: int) -> None:
        self.embeddings = np.zeros((capacity, length), np.float32)
        self.norms = np.zeros(capacity, np.float32)
        self.boxes = np.zeros((capacity, 4), np.float32)
        self.labels = np.full(capacity, NO_TRACK, np.int64)
        self.track_ids = np.full(capacity, NO_TRACK, np.int64)
        self.handles = np.full(capacity, NO_TRACK, np.int64)
        self.hits = np.zeros(capacity, np.int64)
        self.last_seen = np.zeros(capacity, np.float64)
        self.lost = np.zeros(capacity, np.bool_)

    @property
    def active(self) -> NDArray[np.bool_]:
        active: NDArray[np.bool_] = self.handles >= 0
        return active

    @property
    def used(self) -> int:
        """Slots up to the last one taken: rules look no further."""
        taken = (self.handles >= 0).nonzero()[0]
        return int(taken[-1]) + 1 if len(taken) else 0

    def start(self, slots: NDArray[np.int64], detections: Detections, handles: NDArray[np.int64], time: float) -> None:
        """Put new tracklets into `slots`."""
        self.handles[slots] = handles
        self.track_ids[slots] = NO_TRACK
        self.hits[slots] = 0
        self.observe(slots, detections, time, momentum=1.0)

    def observe(self, slots: NDArray[np.int64], detections: Detections, time: float, momentum: float) -> None:
        """Carry the tracks in `slots` forward to their detections; `momentum` is the share of the new embedding."""
        memory = detections.embeddings
        if momentum < 1:
            memory = np.float32(1 - momentum) * self.embeddings[slots] + np.float32(momentum) * memory
        self.embeddings[slots] = memory
        self.norms[slots] = norms(memory)
        self.boxes[slots] = detections.boxes
        self.labels[slots] = detections.labels
        self.hits[slots] += 1
        self.last_seen[slots] = time
        self.lost[slots] = False

    def free(self, slots: NDArray[np.int64]) -> None:
        self.handles[slots] = NO_TRACK
        self.track_ids[slots] = NO_TRACK
        self.labels[slots] = NO_TRACK
        self.lost[slots] = False


def norms(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean lengths (n,) of embeddings (n, D)."""
    lengths: NDArray[np.float32] = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings))
    return lengths
