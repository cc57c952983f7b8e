"""IDF1 (Ristani et al., 2016): in how many frames two sets of tracks agree under the best one-to-one renaming."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def most_shared(frames: NDArray[np.int64]) -> int:
    """The most frames, (g, d), that a one-to-one assignment can collect."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(frames, maximize=True)
    return int(frames[rows, columns].sum())


def idf1(id_hits: int, detections: int) -> float:
    """id_hits: see `most_shared`; detections: objects and tracks, each counted per frame."""
    return 2 * id_hits / max(1, detections)
