"""How far the masks of a frame lie inside each other, counted where somebody asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.masks.masks import Masks


@dataclass(frozen=True, eq=False)
class Containment:
    """Of n detections, of which detection i has the mask `rows[i]` of `masks`.

    What is counted are the pixels of `Masks.bits`, of which a frame on a GPU and one in the CPU's memory have the same.
    """

    masks: Masks
    rows: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: NDArray[Any]) -> Containment:
        return Containment(self.masks, self.rows[index])

    def of(self, index: int, others: NDArray[np.intp]) -> NDArray[np.float64]:
        """Of detection `index` and each of `others` (m,): the pixels that both have over those of the smaller one,
        float64 (m,) in 0..1; 0 where one has none.
        """
        words = self.masks[self.rows[np.concatenate(([index], others))]].bits()
        areas, shared = _pixels(words), _pixels(words[1:] & words[0])
        share: NDArray[np.float64] = shared / np.maximum(np.minimum(areas[1:], areas[0]), 1)
        return share


def _pixels(words: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Bits that are set, of each of (n, H, W): int64 (n,)."""
    # NumPy 1 counts no bits.
    counts = np.bitwise_count(words) if hasattr(np, "bitwise_count") else np.unpackbits(words.view(np.uint8), axis=-1)
    pixels: NDArray[np.int64] = counts.sum(axis=(1, 2), dtype=np.int64)
    return pixels
