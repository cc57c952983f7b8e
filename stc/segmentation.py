"""Segmentations as annotation files hold them."""

from __future__ import annotations

from typing import Any


def to_rle(segmentation: Any, size: tuple[int, int]) -> dict[str, Any]:
    """Polygons, uncompressed or compressed RLE of a picture of `size` (H, W) -> compressed COCO RLE.

    Raises ValueError when the segmentation is for another size.
    """
    from pycocotools import mask as coco

    if isinstance(segmentation, list):
        rle: dict[str, Any] = coco.merge(coco.frPyObjects(segmentation, *size))
    elif isinstance(segmentation["counts"], list):
        rle = coco.frPyObjects(segmentation, *size)
    else:
        rle = {"size": list(segmentation["size"]), "counts": segmentation["counts"]}
    if tuple(rle["size"]) != size:
        raise ValueError(f"segmentation of size {tuple(rle['size'])} in a picture of {size}")
    return rle
