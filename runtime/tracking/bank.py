"""The memory of a tracker: a fixed number of slots, allocated once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stc.runtime.tracking.detections import Detections

NO_TRACK = -1


class TrackBank:
    """`capacity` slots for tracks with embeddings of length D, as one array per quantity.

    A slot is free while its handle is -1. `embeddings` float32 (capacity, D) is what a track is compared by and `norms`
    (capacity,) its length; `boxes`, `labels` are those of the last detection; `first_seen` and `last_seen` are in
    seconds; `hits` counts the frames in which it was seen, `missing` those since.

    looks: length of the appearances that are remembered beside, `appearance` float32 (capacity, looks).

    recent: number of last detections whose embeddings and scores are kept beside, for a rule that compares with their
    weighted mean. with_backdrops: room for the detections of the last frame that are no tracks (`backdrops`).
    """

    def __init__(
        self, capacity: int, length: int, *, looks: int = 0, recent: int = 0, with_backdrops: bool = False
    ) -> None:
        self.embeddings = np.zeros((capacity, length), np.float32)
        self.norms = np.zeros(capacity, np.float32)
        self.appearance = np.zeros((capacity, looks), np.float32)
        self.boxes = np.zeros((capacity, 4), np.float32)
        self.labels = np.full(capacity, NO_TRACK, np.int64)
        self.track_ids = np.full(capacity, NO_TRACK, np.int64)
        self.handles = np.full(capacity, NO_TRACK, np.int64)
        self.hits = np.zeros(capacity, np.int64)
        self.missing = np.zeros(capacity, np.int64)
        self.first_seen = np.zeros(capacity, np.float64)
        self.last_seen = np.zeros(capacity, np.float64)
        self.lost = np.zeros(capacity, np.bool_)
        self._recent_embeddings = np.zeros((capacity, recent, length), np.float32)  # the newest last
        self._recent_scores = np.zeros((capacity, recent), np.float32)
        self.backdrops = Backdrops(capacity if with_backdrops else 0, length)

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
        self.labels[slots] = detections.labels
        self.first_seen[slots] = time
        self.observe(slots, detections, time, momentum=1.0)

    def observe(
        self,
        slots: NDArray[np.int64],
        detections: Detections,
        time: float,
        momentum: float,
        *,
        relabel: bool = True,
    ) -> None:
        """Carry the tracks in `slots` forward to their detections; `momentum` is the share of the new embedding."""
        self.hits[slots] += 1
        memory = detections.embeddings
        if self._recent_scores.shape[1]:
            memory = self._recall(slots, detections)
        elif momentum < 1:
            memory = np.float32(1 - momentum) * self.embeddings[slots] + np.float32(momentum) * memory
        self.embeddings[slots] = memory
        self.norms[slots] = norms(memory)
        if detections.appearance is not None and self.appearance.shape[1]:
            # A faint detection, whose mask may be wrong, changes what is remembered little; the first is all there is.
            share = np.where(self.hits[slots] == 1, 1, np.float32(momentum) * detections.scores)[:, None]
            known = self.appearance[slots]
            self.appearance[slots] = known + share.astype(np.float32) * (detections.appearance - known)
        self.boxes[slots] = detections.boxes
        if relabel:
            self.labels[slots] = detections.labels
        self.missing[slots] = 0
        self.last_seen[slots] = time
        self.lost[slots] = False

    def _recall(self, slots: NDArray[np.int64], detections: Detections) -> NDArray[np.float32]:
        """The mean of the last embeddings with the new one, each weighted by its score and its rank in time (IDOL)."""
        for kept, new in (
            (self._recent_embeddings, detections.embeddings[:, None]),
            (self._recent_scores, detections.scores[:, None]),
        ):
            kept[slots] = np.concatenate((kept[slots, 1:], new), axis=1)
        room = self._recent_scores.shape[1]
        held = np.minimum(self.hits[slots], room)[:, None]
        rank = np.arange(1, room + 1) - room + held  # 1 for the oldest that is held, `held` for the newest
        weights = np.where(rank > 0, self._recent_scores[slots] + rank / held, 0)
        weights /= weights.sum(axis=1, keepdims=True)
        mean: NDArray[np.float32] = np.einsum("nt,ntd->nd", weights, self._recent_embeddings[slots])
        return mean.astype(np.float32)

    def free(self, slots: NDArray[np.int64]) -> None:
        self.handles[slots] = NO_TRACK
        self.track_ids[slots] = NO_TRACK
        self.labels[slots] = NO_TRACK
        self.lost[slots] = False


class Backdrops:
    """Detections of the last frame that became no track: what resembles them now matches them, not a track (QDTrack).

    Room for `capacity` of them; where there are more, those of the best scores.
    """

    def __init__(self, capacity: int, length: int) -> None:
        self._embeddings = np.zeros((capacity, length), np.float32)
        self._labels = np.full(capacity, NO_TRACK, np.int64)
        self._count = 0

    @property
    def embeddings(self) -> NDArray[np.float32]:
        return self._embeddings[: self._count]

    @property
    def labels(self) -> NDArray[np.int64]:
        return self._labels[: self._count]

    def replace(self, ranked: Detections) -> None:
        """By those of this frame, best score first."""
        self._count = min(len(ranked), len(self._labels))
        self._embeddings[: self._count] = ranked.embeddings[: self._count]
        self._labels[: self._count] = ranked.labels[: self._count]


def norms(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean lengths (n,) of embeddings (n, D)."""
    lengths: NDArray[np.float32] = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings))
    return lengths
