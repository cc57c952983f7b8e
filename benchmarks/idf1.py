"""IDF1 (Ristani et al., 2016): in how many frames two sets of tracks agree under the best one-to-one renaming."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stc.runtime.tracking.assignment import best_assignment


def most_shared(frames: NDArray[np.int64]) -> int:
    """The most frames, (g, d), that a one-to-one assignment can collect."""
    rows, columns = best_assignment(frames)
    return int(frames[rows, columns].sum())


def idf1(id_hits: int, detections: int) -> float:
    """id_hits: see `most_shared`; detections: objects and tracks, each counted per frame."""
    return 2 * id_hits / max(1, detections)
