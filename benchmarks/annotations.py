"""Ground truth of clips in YouTube-VIS format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.segmentation import to_rle


@dataclass(frozen=True)
class Clip:
    """One video: `files` relative to the frames folder, and per object one segmentation (or None) per file."""

    name: str
    size: tuple[int, int]  # (H, W)
    files: tuple[str, ...]
    objects: tuple[tuple[Any, ...], ...]


def read_clips(path: Path, only: Sequence[str] | None = None) -> list[Clip]:
    """Read an annotation file; `only` keeps the clips with these names (the folder of their first frame).

    Raises InputError for a file that is missing, no JSON, without annotations, or without one of the named clips.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        videos, annotations = data["videos"], data["annotations"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: no YouTube-VIS annotations ({error!r}); pass an annotation JSON with: --data"
        ) from error
    if not annotations:
        raise InputError(f"{path}: holds no annotations (hidden validation set?); pass a split that has them")
    try:
        clips = [_clip(video, annotations) for video in videos]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{path}: malformed annotation ({type(error).__name__}: {error})") from error
    if only is None:
        return clips
    if missing := set(only) - {clip.name for clip in clips}:
        known = ", ".join(clip.name for clip in clips)
        raise InputError(f"{path}: no clips named {', '.join(sorted(missing))}; there are {known}")
    return [clip for clip in clips if clip.name in only]


def _clip(video: dict[str, Any], annotations: list[dict[str, Any]]) -> Clip:
    files = tuple(video["file_names"])
    objects = tuple(tuple(a["segmentations"]) for a in annotations if a["video_id"] == video["id"])
    if any(len(segmentations) != len(files) for segmentations in objects):
        raise ValueError(f"video {video['id']} has not one segmentation per frame")
    return Clip(Path(files[0]).parent.name, (video["height"], video["width"]), files, objects)


def decode_mask(segmentation: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """bool (H, W) of a compressed or uncompressed RLE, of polygons, or of None (empty).

    Raises ValueError when the segmentation is for another size.
    """
    from pycocotools import mask as coco

    if segmentation is None:
        return np.zeros(size, bool)
    decoded: NDArray[np.bool_] = coco.decode(to_rle(segmentation, size)).astype(bool)
    return decoded
