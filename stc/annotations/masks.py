"""The masks of one track, as annotation and result files list them: one per frame of the video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from stc.errors import InputError, Problems
from stc.json_values import shown
from stc.segmentation import Rle, areas, to_rle

Masks: TypeAlias = tuple[Rle | None, ...]  # one per frame; None where there is no pixel


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
