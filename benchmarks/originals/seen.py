"""What one side found in a frame, and how two sides differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.agreement.matching import Thresholds, match
from stc.benchmarks.reference import FrameOutputs

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Seen:
    """n detections of one frame.

    boxes: float32 (n, 4) xyxy in frame pixels. scores: float32 (n,). labels: int64 (n,), from 0. masks: uint8
    (n, ceil(H0 * W0 / 8)), the pixels of the frame in rows, eight to a byte. embeddings: float32 (n, D), D = 0 where
    there are none.
    """

    boxes: Array
    scores: Array
    labels: Array
    masks: Array
    embeddings: Array

    @classmethod
    def of(cls, boxes: Array, scores: Array, labels: Array, masks: Array, embeddings: Array | None = None) -> Seen:
        """masks: bool or 0 and 1, (n, H0, W0)."""
        n, pixels = len(scores), int(np.prod(np.shape(masks)[1:]))
        return cls(
            boxes=np.asarray(boxes, np.float32).reshape(n, 4),
            scores=np.asarray(scores, np.float32),
            labels=np.asarray(labels, np.int64),
            masks=np.packbits(np.asarray(masks, bool).reshape(n, pixels), axis=1),
            embeddings=np.zeros((n, 0), np.float32) if embeddings is None else np.asarray(embeddings, np.float32),
        )

    def __len__(self) -> int:
        return len(self.scores)

    def write(self, path: Path) -> None:
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def read(cls, path: Path) -> Seen:
        with np.load(path) as stored:
            return cls(**{field.name: stored[field.name] for field in fields(cls)})

    def outputs(self) -> FrameOutputs:
        return FrameOutputs(self.boxes, self.scores, self.labels, self.embeddings, self.masks)


@dataclass(frozen=True)
class Difference:
    """theirs, ours, matched: detections. at_threshold: those of either side without a partner about which rounding
    decided. boxes: largest difference in frame pixels; scores, embeddings: likewise, absolute. mask_pixels: pixels of
    matched masks that differ, of set_pixels that are set in theirs. length: of the longest embedding of theirs.
    """

    theirs: int
    ours: int
    matched: int
    at_threshold: int
    boxes: float
    scores: float
    mask_pixels: int
    set_pixels: int
    embeddings: float
    length: float

    @property
    def masks_off(self) -> float:
        """Pixels that differ over pixels that are set."""
        return self.mask_pixels / max(1, self.set_pixels)

    @property
    def unmatched(self) -> int:
        """Detections of either side that have no partner, and no threshold to blame."""
        return self.theirs + self.ours - 2 * self.matched - self.at_threshold


def differ(theirs: Seen, ours: Seen, limits: Thresholds) -> Difference:
    """Detections matched one to one by class and overlap (`match`), and the largest differences of the pairs."""
    matches = match(theirs.outputs(), ours.outputs(), limits)
    rows, columns = matches.pairs.T
    return Difference(
        theirs=len(theirs),
        ours=len(ours),
        matched=len(rows),
        at_threshold=matches.left_out,
        boxes=_largest(theirs.boxes[rows] - ours.boxes[columns]),
        scores=_largest(theirs.scores[rows] - ours.scores[columns]),
        mask_pixels=_set(a ^ b for a, b in zip(theirs.masks[rows], ours.masks[columns], strict=True)),
        set_pixels=_set(theirs.masks[rows]),
        embeddings=_largest(theirs.embeddings[rows] - ours.embeddings[columns]),
        length=float(np.linalg.norm(theirs.embeddings, axis=1).max(initial=0)),
    )


def _largest(values: Array) -> float:
    return float(np.abs(values).max(initial=0))


def _set(masks: Iterable[Array]) -> int:
    """Row by row: a bit takes a byte while it is counted."""
    return sum(int(np.unpackbits(mask).sum()) for mask in masks)
