"""Annotation JSON, read and checked whole: YouTube-VIS and OVIS videos, COCO pictures."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from stc.errors import InputError
from stc.problems import Problems
from stc.track_masks import Masks, mask_areas, mean_area, read_mask, read_masks
from stc.video_annotations import OCCLUSION_LEVELS, Track, Video, VideoAnnotations

Value = TypeVar("Value")

PIXELS = 2**31  # pycocotools counts pixels in 32 bits
FIX = "mend the file or leave these entries out of it"


def read_annotations(
    path: Path, *, exclude: Collection[str] = (), split: str | None = None, problems: Problems | None = None
) -> VideoAnnotations:
    """Read `path`.

    exclude: names of videos (see `Video.name`) that are left out. split: entries whose `split` field says something
    else are left out too; None: all are read. Masks of what is left out are not looked at. problems: receives what is
    wrong with single entries, in place of an error.

    Raises InputError when it is another file or has no annotations (hidden validation sets), and, unless `problems` is
    given, with the list of all malformed entries.
    """
    data = read_json(path)
    kind = next((kind for kind in ("videos", "images") if isinstance(data, dict) and kind in data), "videos")
    if not isinstance(data, dict) or not all(isinstance(data.get(key), list) for key in (kind, "categories")):
        raise InputError(
            f"{path}: neither YouTube-VIS nor COCO annotations: lists `videos` (or `images`) and `categories` are "
            "missing; give an annotation file"
        )
    if data.get("annotations") is None:
        raise InputError(
            f"{path}: holds no annotations: those of the published validation and test sets are hidden, and only their "
            "servers can score results; use a part of the training set"
        )
    if not isinstance(data["annotations"], list):
        raise InputError(f"{path}: `annotations` is not a list; give an annotation file")
    own = Problems(str(path)) if problems is None else problems
    found = (_Pictures if kind == "images" else _Videos)(data, frozenset(exclude), split, own).read()
    if problems is None:
        own.check(FIX)
    return found


def read_json(path: Path) -> Any:
    """Raises InputError for a file that cannot be read as JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); check it with: python -m json.tool") from error


def known(entry: dict[str, Any], key: str, table: dict[int, Value]) -> Value | None:
    """What `table` holds for the id that `entry` gives as `key`; None for no such id."""
    value = entry.get(key)
    return table.get(value) if type(value) is int else None


class _Videos:
    """One file whose annotations are tracks. Every check adds to `problems`."""

    kind = "videos"
    target = "video_id"

    def __init__(self, data: dict[str, Any], exclude: frozenset[str], split: str | None, problems: Problems) -> None:
        self.data, self.exclude, self.split, self.problems = data, exclude, split, problems
        self.categories: dict[int, str] = {}
        self.videos: dict[int, Video] = {}
        self.skipped: set[int] = set()
        self.tracks: dict[int, list[Track]] = defaultdict(list)

    def read(self) -> VideoAnnotations:
        self._each("categories", self._category)
        self._each(self.kind, self._entry)
        self._each("annotations", self._annotation)
        kept = [video for id, video in sorted(self.videos.items()) if id not in self.skipped]
        return VideoAnnotations(
            dict(sorted(self.categories.items())),
            tuple(replace(video, tracks=tuple(self.tracks[video.id])) for video in kept),
            frozenset(self.videos[id].name for id in self.skipped),
        )

    def _each(self, key: str, read: Callable[[dict[str, Any], str], None]) -> None:
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

    def _entry(self, entry: dict[str, Any], where: str) -> None:
        height, width = entry.get("height"), entry.get("width")
        if not (type(height) is type(width) is int and height > 0 < width and height * width < PIXELS):
            self.problems.add(where, f"`height` and `width` must be numbers of pixels; got {height!r} and {width!r}")
            return
        video = self._video(entry, (height, width), where)
        if video is None:
            return
        self.videos[video.id] = video
        other = self.split is not None and entry.get("split", self.split) != self.split
        if other or video.name in self.exclude:
            self.skipped.add(video.id)

    def _video(self, entry: dict[str, Any], size: tuple[int, int], where: str) -> Video | None:
        files = entry.get("file_names")
        if not isinstance(files, list) or not files or not all(isinstance(name, str) and name for name in files):
            self.problems.add(where, "`file_names` must list the frames")
            return None
        return Video(entry["id"], Path(files[0]).parent.name or str(entry["id"]), size, tuple(files), ())

    def _annotation(self, entry: dict[str, Any], where: str) -> None:
        crowd = entry.get("iscrowd", 0)
        if crowd not in (0, 1):
            self.problems.add(where, f"iscrowd must be 0 or 1; got {crowd!r}")
        if known(entry, "category_id", self.categories) is None:
            self.problems.add(where, f"category_id {entry.get('category_id')!r} is none of the categories")
        video = known(entry, self.target, self.videos)
        if video is None:
            self.problems.add(where, f"{self.target} {entry.get(self.target)!r} is none of the {self.kind}")
        elif video.id not in self.skipped and (seen := self._seen(entry, video, where)) is not None:
            self.tracks[video.id].append(Track(entry.get("category_id", 0), seen[0], seen[1], bool(crowd), seen[2]))

    def _seen(
        self, entry: dict[str, Any], video: Video, where: str
    ) -> tuple[Masks, float, tuple[str | None, ...] | None] | None:
        """Masks, mean area and occlusion of a track; None where they are malformed."""
        masks = read_masks(entry.get("segmentations"), video.size, len(video.files), where, self.problems)
        areas, occlusion = entry.get("areas"), entry.get("occlusion")
        if areas is not None and not _per_frame(areas, video, _is_area):
            self.problems.add(where, "`areas` must hold a number of pixels or null per frame")
            return None
        if occlusion is not None and not _per_frame(occlusion, video, lambda level: level in (None, *OCCLUSION_LEVELS)):
            self.problems.add(where, f"`occlusion` must hold null or one of {', '.join(OCCLUSION_LEVELS)} per frame")
            return None
        area = mean_area(mask_areas(masks) if areas is None else [item or 0 for item in areas])
        return masks, area, None if occlusion is None else tuple(occlusion)


class _Pictures(_Videos):
    """One COCO file: every picture is a video of one frame."""

    kind = "images"
    target = "image_id"

    def _video(self, entry: dict[str, Any], size: tuple[int, int], where: str) -> Video | None:
        file = entry.get("file_name")
        if not isinstance(file, str) or not file:
            self.problems.add(where, "`file_name` must name the picture")
            return None
        return Video(entry["id"], file, size, (file,), (), picture=True)

    def _seen(self, entry: dict[str, Any], video: Video, where: str) -> tuple[Masks, float, None] | None:
        area = entry.get("area")
        if area is not None and not _is_area(area):
            self.problems.add(where, f"`area` must be a number of pixels; got {area!r}")
            return None
        if not entry.get("segmentation"):
            self.problems.add(where, "no `segmentation`")
            return None
        masks = (read_mask(entry["segmentation"], video.size, where, self.problems),)
        return masks, mean_area(mask_areas(masks) if area is None else [area]), None


def _per_frame(values: Any, video: Video, accepts: Callable[[Any], bool]) -> bool:
    return isinstance(values, list) and len(values) == len(video.files) and all(accepts(value) for value in values)


def _is_area(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and 0 <= value < PIXELS)
