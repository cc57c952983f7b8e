"""Whether a run-length encoding describes the picture it claims to: pycocotools does not check before it writes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FIRST, BITS, MORE, SIGN = 48, 5, 0x20, 0x10  # COCO's text: six bits a character, of which five count


def check_rle(rle: dict[str, Any]) -> None:
    """Raise ValueError unless the runs of a compressed COCO RLE fill its `size` exactly."""
    counts = rle["counts"]
    height, width = rle["size"]
    runs = _runs(counts.encode() if isinstance(counts, str) else bytes(counts))
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f"its runs cover {int(runs.sum())} pixels of {height}x{width}: not an RLE of this picture")


def _runs(text: bytes) -> NDArray[np.int64]:
    """Lengths of the runs. From the third on a number is the difference to the run two before."""
    codes = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - FIRST
    if not len(codes):
        return np.zeros(0, dtype=np.int64)
    last = (codes & MORE) == 0
    if (codes < 0).any() or (codes > 63).any() or not last[-1]:
        raise ValueError("its counts are no text of COCO's RLE")
    starts = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])
    place = np.arange(len(codes)) - np.repeat(starts, np.diff(np.append(starts, len(codes))))
    if place.max() > 7:
        raise ValueError("its counts hold a number of more than 40 bits")
    values = np.add.reduceat((codes & 0x1F) << (BITS * place), starts)
    ends = np.flatnonzero(last)
    negative = (codes[ends] & SIGN) != 0
    values -= np.where(negative, np.int64(1) << (BITS * (place[ends] + 1)), 0)
    runs = values.copy()
    # counts[i] = value[i] + counts[i - 2] for i > 2: sums along every second number, from 1 and from 2 on.
    runs[1::2] = np.cumsum(values[1::2])
    runs[2::2] = np.cumsum(values[2::2])
    return runs
