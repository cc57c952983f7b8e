"""YouTube-VIS and OVIS annotation JSON, read and checked whole.

One annotation is one object through one video: a segmentation per frame of the video, null where it is not seen.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

from stc.errors import InputError
from stc.problems import Problems
from stc.segmentation import to_rle

Rle: TypeAlias = dict[str, Any]  # COCO, compressed
Masks: TypeAlias = tuple[Rle | None, ...]  # one per frame; None where there is no pixel
Value = TypeVar("Value")

OCCLUSION_LEVELS = ("no_occlusion", "slight_occlusion", "severe_occlusion")
PIXELS = 2**31  # pycocotools counts pixels in 32 bits
FIX = "mend the file or leave these entries out of it"


@dataclass(frozen=True)
class Track:
    """One object. `area`: mean over the frames that show it, in pixels, as annotated (of the masks without `areas`)."""

    category: int
    masks: Masks
    area: float
    crowd: bool
    occlusion: tuple[str | None, ...] | None  # OVIS: one of OCCLUSION_LEVELS per frame; None: no such data


@dataclass(frozen=True)
class Video:
    """`files` relative to the frames folder, in order; `size` is (H, W) of all of them."""

    id: int
    name: str  # folder of the first frame
    size: tuple[int, int]
    files: tuple[str, ...]
    tracks: tuple[Track, ...]


@dataclass(frozen=True)
class VideoAnnotations:
    """`categories` name by id, in order of the ids; `videos` in order of theirs."""

    categories: dict[int, str]
    videos: tuple[Video, ...]

    @property
    def has_occlusion(self) -> bool:
        return any(track.occlusion is not None for video in self.videos for track in video.tracks)

    def only(self, names: Sequence[str]) -> VideoAnnotations:
        """The videos with these names. Raises InputError when there is none of a name."""
        known = [video.name for video in self.videos]
        if missing := sorted(set(names) - set(known)):
            raise InputError(f"no clips named {', '.join(missing)} in the annotations; there are {', '.join(known)}")
        return replace(self, videos=tuple(video for video in self.videos if video.name in names))


def read_video_annotations(path: Path) -> VideoAnnotations:
    """Read `path`.

    Raises InputError when it is no such file, has no annotations (hidden validation sets), or holds malformed entries:
    then all of them are listed.
    """
    data = read_json(path)
    if not isinstance(data, dict) or not all(isinstance(data.get(key), list) for key in ("videos", "categories")):
        raise InputError(f"{path}: no YouTube-VIS annotations: lists `videos` and `categories` are missing")
    if not data.get("annotations"):
        raise InputError(
            f"{path}: holds no annotations: those of the published validation and test sets are hidden, and only their "
            "servers can score results; use a part of the training set"
        )
    if not isinstance(data["annotations"], list):
        raise InputError(f"{path}: no YouTube-VIS annotations: `annotations` is not a list")
    return _Reader(path, data).read()


def read_json(path: Path) -> Any:
    """Raises InputError for a file that cannot be read as JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); check it with: python -m json.tool") from error


def read_masks(segmentations: Any, size: tuple[int, int], length: int, where: str, problems: Problems) -> Masks:
    """The masks of one track in a video of `length` frames of `size`; what is wrong with them goes to `problems`."""
    if not isinstance(segmentations, list) or len(segmentations) != length:
        found = f"{len(segmentations)} of them" if isinstance(segmentations, list) else repr(segmentations)[:60]
        problems.add(where, f"`segmentations` must hold one per frame of the video, {length}; got {found}")
        return ()
    return tuple(_mask(item, size, f"{where}, frame {i}", problems) for i, item in enumerate(segmentations))


def known(entry: dict[str, Any], key: str, table: dict[int, Value]) -> Value | None:
    """What `table` holds for the id that `entry` gives as `key`; None for no such id."""
    value = entry.get(key)
    return table.get(value) if type(value) is int else None


def mean_area(areas: Sequence[float]) -> float:
    """Mean of what is not zero; 0 where everything is."""
    seen = [area for area in areas if area]
    return float(np.mean(seen)) if seen else 0.0


def mask_areas(masks: Masks) -> list[float]:
    """Pixels per frame."""
    from pycocotools import mask as coco

    return [0.0 if rle is None else float(coco.area(rle)) for rle in masks]


def _mask(segmentation: Any, size: tuple[int, int], where: str, problems: Problems) -> Rle | None:
    from pycocotools import mask as coco

    if segmentation is None or segmentation == []:
        return None
    try:
        rle = to_rle(segmentation, size)
    except ValueError as error:
        problems.add(where, error)
        return None
    return rle if coco.area(rle) else None


class _Reader:
    """One annotation file; every check adds to `problems`, and `read` raises them together."""

    def __init__(self, path: Path, data: dict[str, Any]) -> None:
        self.data = data
        self.problems = Problems(str(path))
        self.categories: dict[int, str] = {}
        self.videos: dict[int, Video] = {}
        self.tracks: dict[int, list[Track]] = defaultdict(list)

    def read(self) -> VideoAnnotations:
        self._each("categories", self._category)
        self._each("videos", self._video)
        self._each("annotations", self._annotation)
        graded = sum(isinstance(a, dict) and a.get("occlusion") is not None for a in self.data["annotations"])
        if graded not in (0, len(self.data["annotations"])):
            self.problems.add("annotations", f"`occlusion` in {graded} of {len(self.data['annotations'])}: all or none")
        self.problems.check(FIX)
        videos = (replace(video, tracks=tuple(self.tracks[id])) for id, video in sorted(self.videos.items()))
        return VideoAnnotations(dict(sorted(self.categories.items())), tuple(videos))

    def _each(self, key: str, read: Any) -> None:
        seen: set[int] = set()
        for index, entry in enumerate(self.data[key]):
            where = f"{key}[{index}]"
            if not isinstance(entry, dict) or type(entry.get("id")) is not int:
                self.problems.add(where, "no object with a whole number as `id`")
            elif entry["id"] in seen:
                self.problems.add(where, f"id {entry['id']} is taken by an earlier one")
            else:
                seen.add(entry["id"])
                read(entry, f"{where} (id {entry['id']})")

    def _category(self, entry: dict[str, Any], where: str) -> None:
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            self.problems.add(where, "no `name`")
        elif name in self.categories.values():
            self.problems.add(where, f"name {name!r} is taken by an earlier one")
        else:
            self.categories[entry["id"]] = name

    def _video(self, entry: dict[str, Any], where: str) -> None:
        height, width, files = (entry.get(key) for key in ("height", "width", "file_names"))
        if not (type(height) is type(width) is int and height > 0 < width and height * width < PIXELS):
            self.problems.add(where, f"`height` and `width` must be numbers of pixels; got {height!r} and {width!r}")
        elif not isinstance(files, list) or not files or not all(isinstance(name, str) and name for name in files):
            self.problems.add(where, "`file_names` must list the frames")
        else:
            name = Path(files[0]).parent.name or str(entry["id"])
            self.videos[entry["id"]] = Video(entry["id"], name, (height, width), tuple(files), ())

    def _annotation(self, entry: dict[str, Any], where: str) -> None:
        crowd = entry.get("iscrowd", 0)
        if crowd not in (0, 1):
            self.problems.add(where, f"iscrowd must be 0 or 1; got {crowd!r}")
        if known(entry, "category_id", self.categories) is None:
            self.problems.add(where, f"category_id {entry.get('category_id')!r} is none of the categories")
        video = known(entry, "video_id", self.videos)
        if video is None:
            self.problems.add(where, f"video_id {entry.get('video_id')!r} is none of the videos")
            return
        masks = read_masks(entry.get("segmentations"), video.size, len(video.files), where, self.problems)
        areas = entry.get("areas")
        if areas is not None and not _per_frame(areas, video, _is_area):
            self.problems.add(where, "`areas` must hold a number of pixels or null per frame")
            return
        occlusion = entry.get("occlusion")
        if occlusion is not None and not _per_frame(occlusion, video, lambda level: level in (None, *OCCLUSION_LEVELS)):
            self.problems.add(where, f"`occlusion` must hold null or one of {', '.join(OCCLUSION_LEVELS)} per frame")
            return
        area = mean_area(mask_areas(masks) if areas is None else [item or 0 for item in areas])
        levels = None if occlusion is None else tuple(occlusion)
        self.tracks[video.id].append(Track(entry.get("category_id", 0), masks, area, bool(crowd), levels))


def _per_frame(values: Any, video: Video, accepts: Any) -> bool:
    return isinstance(values, list) and len(values) == len(video.files) and all(accepts(value) for value in values)


def _is_area(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and 0 <= value < PIXELS)
