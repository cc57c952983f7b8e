"""Segmentations as annotation and result files hold them, checked before pycocotools gets them.

pycocotools trusts what it is given: runs that do not fill the picture make it write beyond its buffers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FARTHEST = 100_000  # pixels; a polygon costs memory in proportion to its length


def to_rle(segmentation: Any, size: tuple[int, int]) -> dict[str, Any]:
    """Polygons, uncompressed or compressed RLE of a picture of `size` (H, W) -> compressed COCO RLE.

    Raises ValueError, with what is wrong, for anything else and for a segmentation of another size.
    """
    from pycocotools import mask as coco

    if isinstance(segmentation, list):
        _check_polygons(segmentation)
        rle: dict[str, Any] = coco.merge(coco.frPyObjects(segmentation, *size))
        return rle
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= segmentation.keys():
        raise ValueError(f"neither polygons nor an RLE with `size` and `counts`: {_shown(segmentation)}")
    if segmentation["size"] not in (list(size), size):
        raise ValueError(f"segmentation of size {_shown(segmentation['size'])} in a picture of {list(size)}")
    counts = segmentation["counts"]
    if isinstance(counts, list):
        _check_runs(_listed_runs(counts), size)
        rle = coco.frPyObjects({"size": list(size), "counts": counts}, *size)
        return rle
    if not isinstance(counts, (str, bytes)):
        raise ValueError(f"`counts` is neither text nor a list: {_shown(counts)}")
    _check_runs(_decoded_runs(counts), size)
    return {"size": list(size), "counts": counts}


def encode(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """(H, W) -> compressed COCO RLE whose counts are text, as JSON holds it."""
    from pycocotools import mask as coco

    rle = coco.encode(np.asfortranarray(mask.view(np.uint8)))
    return {"size": list(mask.shape), "counts": rle["counts"].decode()}


def _check_polygons(polygons: list[Any]) -> None:
    if not polygons:
        raise ValueError("an empty list of polygons; an object that is not there is null")
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"a polygon is a list of at least three x, y pairs; got {_shown(polygon)}")
        if not all(isinstance(v, (int, float)) and abs(v) <= FARTHEST for v in polygon):
            raise ValueError(f"polygon coordinates must be numbers within {FARTHEST} pixels; got {_shown(polygon)}")


def _listed_runs(counts: list[Any]) -> NDArray[np.int64]:
    if not all(type(count) is int and abs(count) < 2**31 for count in counts):
        raise ValueError(f"`counts` must hold whole numbers; got {_shown(counts)}")
    return np.array(counts, np.int64)


def _decoded_runs(counts: str | bytes) -> NDArray[np.int64]:
    """The runs of a compressed RLE: little-endian groups of 5 bits, from the fourth on relative to the last but one."""
    try:
        letters = np.frombuffer(counts.encode("ascii") if isinstance(counts, str) else counts, np.uint8)
    except UnicodeEncodeError:
        raise ValueError(f"`counts` is no compressed RLE: {_shown(counts)}") from None
    codes = letters.astype(np.int64) - 48
    ends = np.flatnonzero(codes & 0x20 == 0)
    if ((codes < 0) | (codes > 63)).any() or (len(codes) and (not len(ends) or ends[-1] != len(codes) - 1)):
        raise ValueError(f"`counts` is no compressed RLE: {_shown(counts)}")
    starts = np.concatenate(([0], ends[:-1] + 1))[: len(ends)]
    if len(ends) and (ends - starts).max() > 6:  # 7 groups hold any run of a picture below 2**31 pixels
        raise ValueError(f"`counts` holds a run that no picture has: {_shown(counts)}")
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, ends - starts + 1))
    runs: NDArray[np.int64] = np.add.reduceat((codes & 0x1F) << shifts, starts) if len(ends) else codes
    # The highest bit of the last group is the sign.
    runs[codes[ends] & 0x10 != 0] -= 1 << (shifts[ends[codes[ends] & 0x10 != 0]] + 5)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs


def _check_runs(runs: NDArray[np.int64], size: tuple[int, int]) -> None:
    pixels = size[0] * size[1]
    if (runs < 0).any():
        raise ValueError("an RLE with a negative run")
    if (total := int(runs.sum())) != pixels:
        raise ValueError(f"an RLE whose runs cover {total} of {pixels} pixels")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
