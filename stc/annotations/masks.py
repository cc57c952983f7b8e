"""Masks of tracks and of single frames: run lengths and polygons, as annotation files store them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stc.boundary import foreign
from stc.errors import InputError, Problems
from stc.json_values import shown

Rle: TypeAlias = dict[str, Any]  # COCO, compressed: {"size": [H, W], "counts": str | bytes}

FARTHEST = 100_000  # pixels: the largest coordinate of a polygon, and not beyond ten times the picture
LONGEST = 1_000_000  # pixels: pycocotools needs about 100 bytes for each one along a polygon's outline
MOST_POINTS = 100_000  # of one polygon
GROUPS = 7  # of 5 bits: they hold any run of a picture below 2**31 pixels
FIX = "mend or leave out what describes this mask"

Masks: TypeAlias = tuple[Rle | None, ...]  # one per frame; None where there is no pixel


@contextmanager
def _pycocotools(subject: str = "a mask") -> Iterator[Any]:
    """Its functions; what they raise is an InputError."""
    with foreign("pycocotools", subject, FIX):
        from pycocotools import mask

        yield mask


def to_rle(segmentation: Any, size: tuple[int, int]) -> Rle:
    """Polygons, uncompressed or compressed RLE of a picture of `size` (H, W), below 2^31 pixels -> compressed COCO RLE.

    Raises ValueError, with what is wrong, for anything else and for a segmentation of another size; InputError where
    pycocotools cannot do it.
    """
    if isinstance(segmentation, list):
        _check_polygons(segmentation, min(FARTHEST, max(1000, 10 * max(size))))
        return _polygons_to_rle(segmentation, size)
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= segmentation.keys():
        raise ValueError(f"neither polygons nor an RLE with `size` and `counts`: {shown(segmentation)}")
    if segmentation["size"] not in (list(size), size):
        raise ValueError(f"segmentation of size {shown(segmentation['size'])} in a picture of {list(size)}")
    counts = segmentation["counts"]
    if not isinstance(counts, (list, str, bytes)):
        raise ValueError(f"`counts` is neither text nor a list: {shown(counts)}")
    # Each bound before its runs take memory; how many are in a text is known only when it is read.
    if isinstance(counts, list):
        _check_number(len(counts), size)
        runs = _listed_runs(counts)
    else:
        _check_number(-(-len(counts) // GROUPS), size, " or more")
        runs = _decoded_runs(counts)
    _check_runs(runs, size)
    plain = _joined(runs)
    if isinstance(counts, list) or len(plain) < len(runs):
        return runs_to_rle(plain, size)
    return {"size": list(size), "counts": counts}


def runs_to_rle(runs: NDArray[np.int64], size: tuple[int, int]) -> Rle:
    """Lengths of alternating runs down the columns, background first, that fill a picture of `size` (H, W)."""
    with _pycocotools() as coco:
        rle: Rle = coco.frPyObjects({"size": list(size), "counts": runs}, *size)
        return rle


def encode(mask: NDArray[np.bool_]) -> Rle:
    """(H, W) -> compressed COCO RLE whose counts are text, as JSON holds it."""
    with _pycocotools() as coco:
        rle = coco.encode(np.asfortranarray(mask.view(np.uint8)))
        return {"size": list(mask.shape), "counts": rle["counts"].decode()}


def decode(rle: Rle) -> NDArray[np.bool_]:
    """Every pixel: bool (H, W)."""
    with _pycocotools() as coco:
        return np.asarray(coco.decode(rle), dtype=bool)


def areas(rles: Sequence[Rle]) -> NDArray[np.int64]:
    """Pixels of each: int64 (n,)."""
    if not rles:
        return np.zeros(0, np.int64)
    with _pycocotools() as coco:
        return np.asarray(coco.area(list(rles)), np.int64)


def box(rle: Rle) -> tuple[float, float, float, float]:
    """The smallest box around it: x, y, width, height in pixels; all 0 for a mask of no pixel."""
    with _pycocotools() as coco:
        x, y, width, height = (float(value) for value in coco.toBbox(rle))
        return x, y, width, height


def tight_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """xyxy of a mask (H, W) that is not empty: the first pixels and one past the last."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def iou(here: Sequence[Rle], there: Sequence[Rle]) -> NDArray[np.float64]:
    """Intersection over union of each with each, (len(here), len(there)), of masks of one size."""
    with _pycocotools() as coco:
        return np.asarray(coco.iou(list(here), list(there), [0] * len(there)), np.float64)


def _polygons_to_rle(polygons: list[list[float]], size: tuple[int, int]) -> Rle:
    with _pycocotools("a polygon") as coco:
        rle: Rle = coco.merge(coco.frPyObjects(polygons, *size))
        return rle


def _check_polygons(polygons: list[Any], farthest: int) -> None:
    """`farthest`: pycocotools walks along every edge, so three points far outside would cost as much as thousands."""
    if not polygons:
        raise ValueError("an empty list of polygons; an object that is not there is null")
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"a polygon is a list of at least three x, y pairs; got {shown(polygon)}")
        if len(polygon) > 2 * MOST_POINTS:
            raise ValueError(f"a polygon of {len(polygon) // 2} points; at most {MOST_POINTS} are read")
        if not all(isinstance(v, (int, float)) and abs(v) <= farthest for v in polygon):
            raise ValueError(f"polygon coordinates must be numbers within {farthest} pixels; got {shown(polygon)}")
        corners = np.array(polygon, np.float64).reshape(-1, 2)
        length = np.abs(corners - np.roll(corners, 1, axis=0)).max(axis=1).sum()
        if length > LONGEST:
            raise ValueError(f"a polygon whose outline is {length:.0f} pixels long; at most {LONGEST} are read")


def _listed_runs(counts: list[Any]) -> NDArray[np.int64]:
    if not all(type(count) is int and abs(count) < 2**31 for count in counts):
        raise ValueError(f"`counts` must hold whole numbers; got {shown(counts)}")
    return np.array(counts, np.int64)


def _decoded_runs(counts: str | bytes) -> NDArray[np.int64]:
    """The runs of a compressed RLE: little-endian groups of 5 bits, from the fourth on relative to the last but one."""
    try:
        letters = np.frombuffer(counts.encode("ascii") if isinstance(counts, str) else counts, np.uint8)
    except UnicodeEncodeError:
        raise ValueError(f"`counts` is no compressed RLE: {shown(counts)}") from None
    codes = letters.astype(np.int64) - 48
    ends = np.flatnonzero(codes & 0x20 == 0)
    if ((codes < 0) | (codes > 63)).any() or (len(codes) and (not len(ends) or ends[-1] != len(codes) - 1)):
        raise ValueError(f"`counts` is no compressed RLE: {shown(counts)}")
    starts = np.concatenate(([0], ends[:-1] + 1))[: len(ends)]
    if len(ends) and (ends - starts).max() >= GROUPS:
        raise ValueError(f"`counts` holds a run that no picture has: {shown(counts)}")
    shifts = 5 * (np.arange(len(codes)) - np.repeat(starts, ends - starts + 1))
    runs: NDArray[np.int64] = np.add.reduceat((codes & 0x1F) << shifts, starts) if len(ends) else codes
    # The highest bit of the last group is the sign.
    runs[codes[ends] & 0x10 != 0] -= 1 << (shifts[ends[codes[ends] & 0x10 != 0]] + 5)
    # A step is below 2**35, so a sum that wraps has first been far above any picture, which `_check_runs` sees.
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs


def _check_number(runs: int, size: tuple[int, int], more: str = "") -> None:
    pixels = size[0] * size[1]
    if runs > 2 * pixels + 1:
        raise ValueError(f"an RLE of {runs}{more} runs for {pixels} pixels")


def _check_runs(runs: NDArray[np.int64], size: tuple[int, int]) -> None:
    pixels = size[0] * size[1]
    if (runs < 0).any():
        raise ValueError("an RLE with a negative run")
    # Both bounds together keep the sum below 2**63.
    _check_number(len(runs), size)
    if len(runs) and (longest := int(runs.max())) > pixels:
        raise ValueError(f"an RLE with a run of {longest} of {pixels} pixels")
    if (total := int(runs.sum())) != pixels:
        raise ValueError(f"an RLE whose runs cover {total} of {pixels} pixels")


def _joined(runs: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same pixels without runs of no pixel but the first: the neighbours of each one become one run."""
    if (runs[1:] > 0).all():
        return runs
    ends = np.cumsum(runs)
    foreground = np.arange(len(runs)) % 2 == 1
    there = runs > 0
    ends, foreground = ends[there], foreground[there]
    last = np.append(foreground[1:] != foreground[:-1], True)  # the colour changes behind this run
    joined = np.diff(ends[last], prepend=0)
    return np.concatenate(([0], joined)) if foreground[0] else joined


def read_masks(segmentations: Any, size: tuple[int, int], length: int, where: str, problems: Problems) -> Masks:
    """The masks of one track in a video of `length` frames of `size`; what is wrong with them goes to `problems`."""
    if not isinstance(segmentations, list) or len(segmentations) != length:
        found = f"{len(segmentations)} of them" if isinstance(segmentations, list) else shown(segmentations)
        problems.add(where, f"`segmentations` must hold one per frame of the video, {length}; got {found}")
        return ()
    return tuple(read_mask(item, size, f"{where}, frame {i}", problems) for i, item in enumerate(segmentations))


def read_mask(segmentation: Any, size: tuple[int, int], where: str, problems: Problems) -> Rle | None:
    """None for null, an empty list and a mask without a pixel, and for a malformed one, which is a problem."""
    if segmentation is None or segmentation == []:
        return None
    try:
        rle = to_rle(segmentation, size)
        return rle if areas([rle])[0] else None
    except (ValueError, InputError) as error:
        problems.add(where, error)
        return None


def mean_area(pixels: Sequence[float]) -> float:
    """Mean of what is not zero; 0 where everything is."""
    seen = [area for area in pixels if area]
    return float(np.mean(seen)) if seen else 0.0


def mask_areas(masks: Masks) -> list[float]:
    """Pixels per frame."""
    present = iter(areas([rle for rle in masks if rle is not None]).tolist())
    return [0.0 if rle is None else float(next(present)) for rle in masks]
