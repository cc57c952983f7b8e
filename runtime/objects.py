"""One object of one frame, with a name for everything that is known of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.masks.masks import Masks


@dataclass(frozen=True, eq=False)
class TrackedObject:
    """What iterating over a `Result` gives.

    Attributes:
        box: float32 (4,), xyxy frame pixels, inside the frame, never empty.
        score: 0..1.
        label: index of its class in this frame's opinion; `name`: that class's name.
        track_id: from 1; -1 while the track is not confirmed.
        handle: of its tracklet from the first detection on; -1 for none.
        age: seconds since that first detection.
        embedding: float32 (D,), not normalised.
        appearance: float32 (C,), what it looks like; None where the model gives none.
        masks: its mask as `Masks` of length one, computed when asked for.
    """

    box: NDArray[np.float32]
    score: float
    label: int
    name: str
    track_id: int
    handle: int
    age: float
    embedding: NDArray[np.float32]
    masks: Masks
    appearance: NDArray[np.float32] | None = None

    @property
    def mask(self) -> NDArray[np.bool_]:
        """All pixels of the frame: bool (H0, W0), read-only."""
        pixels: NDArray[np.bool_] = self.masks.dense()[0]
        return pixels

    @property
    def area(self) -> int:
        """Pixels of the mask."""
        return int(self.masks.areas()[0])

    def __repr__(self) -> str:
        track = f"#{self.track_id}" if self.track_id >= 0 else "unconfirmed"
        left, top, right, bottom = (round(float(side)) for side in self.box)
        return f"<{track} {self.name} {self.score:.2f} at {left},{top} to {right},{bottom}>"

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it, and as `stc-track --jsonl` writes it: `track_id`, `handle`, `label` (the name),
        `score`, `box` (xyxy) and `rle` (COCO, compressed). What is no number (NaN, infinite) is None.
        """
        return {
            "track_id": self.track_id,
            "handle": self.handle,
            "label": self.name,
            "score": number(self.score, 6),
            "box": [number(side, 2) for side in self.box],
            "rle": self.masks.rle()[0],
        }


def number(value: float, digits: int | None = None) -> float | None:
    """`value` as JSON can hold it: rounded, and None where it is none (NaN, infinite)."""
    value = float(value)
    if not math.isfinite(value):
        return None
    return value if digits is None else round(value, digits)
