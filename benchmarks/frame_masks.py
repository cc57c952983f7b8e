"""Masks at frame size, as a user gets them, beside those of the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.masks import Masks
from stc.runtime.native import Library
from stc.runtime.preprocess import Letterbox

Array = NDArray[Any]


@dataclass(frozen=True)
class FrameMasks:
    """Where masks end up: a frame of `letterbox.frame_size`, by the candidate's own route (`native`) or NumPy's."""

    letterbox: Letterbox
    stride: int
    native: Library | None

    def differences(self, expected: Array, found: Array) -> tuple[int, int]:
        """Pixels of masks that differ, and pixels on the outline of the expected ones.

        expected, found: probabilities (n, Hm, Wm). The expected ones take NumPy's route. Their ratio does not depend on
        how large an object is: a shift by one pixel gives more than 0.3, rounding 0.00002 (float32) to 0.04 (float16).
        """
        different = outline = 0
        for a, b in zip(expected, found, strict=True):  # one by one: dense masks of a large frame are large
            mask = Masks(a[None], self.letterbox, self.stride, None).dense()[0]
            other = Masks(b[None], self.letterbox, self.stride, self.native).dense()[0]
            different += int((mask != other).sum())
            outline += int((mask & ~_inner(mask)).sum())
        return different, outline


def _inner(mask: Array) -> Array:
    """Pixels whose four neighbours are all in the mask; beyond the frame there is no mask."""
    padded = np.pad(mask, 1)
    inner: Array = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inner
