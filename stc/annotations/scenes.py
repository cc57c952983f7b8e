"""What all makers of scenes share: the piece of a picture around an object, and what others in front of it leave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stc.annotations.masks import tight_box

RIM = 2  # pixels kept around a cut-out, so that its edge is resampled from real neighbours


def piece(box: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the box (xyxy, pixels) and a rim around it, within a picture of `size` (H, W)."""
    (x1, y1, x2, y2), (height, width) = map(int, box), size
    return slice(max(0, y1 - RIM), min(height, y2 + RIM)), slice(max(0, x1 - RIM), min(width, x2 + RIM))


def in_sight(whole: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of the masks (n, H, W), the last in front of all others: what is seen of each."""
    nearer: NDArray[np.int64] = np.cumsum(whole[::-1], axis=0)[::-1] - whole
    return np.asarray(whole & (nearer == 0))


def tight_boxes(masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(n, 4) xyxy of non-empty masks (n, H, W): first and one past the last pixel."""
    return np.array([tight_box(mask) for mask in masks], dtype=np.float32).reshape(-1, 4)
