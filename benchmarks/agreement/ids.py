"""The ids that a stream gives to recorded outputs, and how those of two runs differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.idf1 import idf1, most_shared
from stc.benchmarks.reference import FrameOutputs
from stc.runtime.bundle.passport import Passport
from stc.runtime.letterbox import Letterbox
from stc.runtime.masks.containment import Containment
from stc.runtime.masks.masks import Masks
from stc.runtime.tracking import config as tracker_config
from stc.runtime.tracking.bank import NO_TRACK
from stc.runtime.tracking.detections import Detections, kept
from stc.runtime.tracking.tracker import Tracker

Array = NDArray[Any]


def track(outputs: Sequence[FrameOutputs], passport: Passport, size: tuple[int, int], fps: float = 30.0) -> list[Array]:
    """The tracklet of every detection (its handle, known from the first sight on; -1: none), frame by frame.

    What a stream would show of frames at the input size, `size` (H, W): boxes are clipped to it, and empty ones have no
    tracklet.
    """
    tracker = Tracker(tracker_config.from_dict(passport.tracker, passport.name))
    letterbox = Letterbox.fit(size, size, passport.resize, passport.border)
    handles = []
    for index, o in enumerate(outputs):
        boxes = letterbox.to_frame(o.boxes)
        rows = kept(boxes, o.scores, 0.0)
        look = o.appearance if passport.appearance_dim else None
        masks = Masks(o.masks, letterbox, passport.mask_stride)
        inside = Containment(masks, np.arange(len(o)))
        found = Detections(boxes, o.scores, o.labels.astype(np.int64), o.embeddings, o.masks, look, inside)
        update = tracker.update(found[rows], index / fps)
        handles.append(scatter(update.handles, rows, len(o)))
    return handles


def scatter(handles: Array, rows: Array, count: int) -> Array:
    """The handles of all `count` detections of a frame, from those of `rows`; -1 for the others."""
    every = np.full(count, NO_TRACK, np.int64)
    every[rows] = handles
    return every


@dataclass(frozen=True)
class Ids:
    """equal: fraction of matched detections under the same id after the best one-to-one renaming. switches: how often a
    reference track goes on under another id than in the frame before. idf1: of the candidate's tracks against the
    reference's (Ristani et al., 2016), unmatched detections included.
    """

    equal: float
    switches: int
    idf1: float


@dataclass(frozen=True)
class FrameIds:
    """Of one frame: the ids of matched detections (reference, candidate), and how many detections with a track each run
    has, matched or not."""

    pairs: tuple[tuple[int, int], ...]
    expected: int
    found: int


def compare_ids(frames: Sequence[FrameIds]) -> Ids:
    pairs = [pair for frame in frames for pair in frame.pairs]
    return Ids(consistent_fraction(pairs), _switches(frames), _idf1(frames, pairs))


def consistent_fraction(pairs: Sequence[tuple[int, int]]) -> float:
    """Fraction of (reference id, candidate id) pairs under the best one-to-one renaming; 1.0 for no pairs.

    Identity is what counts, not the number: a track that only one run starts shifts all later numbers. -1 (no track) is
    only equal to -1.
    """
    votes = Counter(pairs)
    renaming: dict[int, int] = {NO_TRACK: NO_TRACK}
    for (expected, found), _ in sorted(votes.items(), key=lambda item: (-item[1], item[0])):
        if expected not in renaming and found not in renaming.values():
            renaming[expected] = found
    equal = sum(count for (expected, found), count in votes.items() if renaming.get(expected) == found)
    return equal / len(pairs) if pairs else 1.0


def _switches(frames: Sequence[FrameIds]) -> int:
    last: dict[int, int] = {}
    switches = 0
    for frame in frames:
        for expected, found in frame.pairs:
            if NO_TRACK not in {expected, found}:
                switches += int(last.get(expected, found) != found)
                last[expected] = found
    return switches


def _idf1(frames: Sequence[FrameIds], pairs: Sequence[tuple[int, int]]) -> float:
    """1.0 where neither run has a track."""
    total = sum(frame.expected + frame.found for frame in frames)
    if not total:
        return 1.0
    shared = np.array([pair for pair in pairs if NO_TRACK not in pair], np.int64).reshape(-1, 2)
    (own, rows), (other, columns) = (np.unique(ids, return_inverse=True) for ids in shared.T)
    together = np.zeros((len(own), len(other)), np.int64)
    np.add.at(together, (rows, columns), 1)
    return idf1(most_shared(together), total)
