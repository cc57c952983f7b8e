"""Annotation JSON, read and checked whole: YouTube-VIS and OVIS videos, COCO pictures."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from stc.annotations.masks import Masks, mask_areas, mean_area, read_mask, read_masks
from stc.annotations.videos import OCCLUSION_LEVELS, Track, Video, VideoAnnotations
from stc.boundary import reason
from stc.errors import InputError, Problems
from stc.json_values import number, shown, text, whole
from stc.texts import read_text

Value = TypeVar("Value")

PIXELS = 2**31  # pycocotools counts pixels in 32 bits
FIX = "mend the file or leave these entries out of it"


def read_annotations(
    path: Path,
    *,
    exclude: Collection[str] = (),
    split: str | None = None,
    problems: Problems | None = None,
    hidden: bool = False,
    boxes: bool = False,
) -> VideoAnnotations:
    """Read `path`.

    exclude: names of videos (see `Video.name`) that are left out. split: entries whose `split` field says something
    else are left out too; None: all are read. Masks of what is left out are not looked at. problems: receives what is
    wrong with single entries, in place of an error. hidden: a file without annotations is taken, as one of no tracks.
    boxes: objects of pictures that have a `bbox` and no mask are taken, too (`Track.boxed`).

    Raises InputError when it is another file or has no annotations (hidden validation sets), and, unless `problems` is
    given, with the list of all malformed entries.
    """
    data = read_json(path)
    if not isinstance(data, dict):
        raise InputError(f"{path}: neither YouTube-VIS nor COCO annotations but {shown(data)}; give an annotation file")
    kind = next((kind for kind in ("videos", "images") if kind in data), "videos")
    if missing := [key for key in (kind, "categories") if not isinstance(data.get(key), list)]:
        names = " and ".join("`videos` (or `images`)" if key == kind else f"`{key}`" for key in missing)
        raise InputError(f"{path}: neither YouTube-VIS nor COCO annotations: no list {names}; give an annotation file")
    if hidden and data.get("annotations") is None:
        data = {**data, "annotations": []}
    if data.get("annotations") is None:
        raise InputError(
            f"{path}: holds no annotations: those of the published validation and test sets are hidden, and only their "
            "servers can score results; use a part of the training set"
        )
    if not isinstance(data["annotations"], list):
        raise InputError(f"{path}: `annotations` is not a list; give an annotation file")
    own = Problems(str(path)) if problems is None else problems
    reader = (_Pictures if kind == "images" else _Videos)(data, frozenset(exclude), split, own)
    reader.boxes = boxes
    found = reader.read()
    if problems is None:
        own.check(FIX)
    return found


def read_json(path: Path) -> Any:
    """Raises InputError for a file that cannot be read, or not as JSON."""
    try:
        return json.loads(read_text(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)}); check it with: ls -l {path}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(
            f"{path}: cannot be read as JSON ({reason(error)}); check it with: python -m json.tool {path}"
        ) from error


def known(entry: dict[str, Any], key: str, table: dict[int, Value]) -> Value | None:
    """What `table` holds for the id that `entry` gives as `key`; None for no such id."""
    value = whole(entry.get(key))
    return None if value is None else table.get(value)


class _Videos:
    """One file whose annotations are tracks. Every check adds to `problems`."""

    kind = "videos"
    target = "video_id"
    boxes = False  # take objects that have a box and no mask

    def __init__(self, data: dict[str, Any], exclude: frozenset[str], split: str | None, problems: Problems) -> None:
        self.data, self.exclude, self.split, self.problems = data, exclude, split, problems
        self.categories: dict[int, str] = {}
        self.names: set[str] = set()  # of the categories
        self.videos: dict[int, Video] = {}
        self.skipped: set[int] = set()
        self.listed: dict[str, set[int]] = {}  # ids per list, those of malformed entries too
        self.nameless: set[str] = set()  # lists with entries whose id nobody can tell
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
        seen = self.listed[key] = set()
        for index, entry in enumerate(self.data[key]):
            where = f"{key}[{index}]"
            id = whole(entry.get("id")) if isinstance(entry, dict) else None
            if id is None:
                self.nameless.add(key)
                self.problems.add(where, "no object with a whole number as `id`")
            elif id in seen:
                self.problems.add(where, f"id {shown(id)} is taken by an earlier one")
            else:
                seen.add(id)
                read(entry | {"id": id}, f"{where} (id {shown(id)})")

    def _refers(self, entry: dict[str, Any], key: str, table: dict[int, Value], kind: str, where: str) -> Value | None:
        """What `entry` refers to; None where it is unknown, or is known to be malformed and so no second problem."""
        found, id = known(entry, key, table), whole(entry.get(key))
        malformed = id is not None and (id in self.listed[kind] or kind in self.nameless)
        if found is None and not malformed:
            self.problems.add(where, f"{key} {shown(entry.get(key))} is none of the {kind}")
        return found

    def _category(self, entry: dict[str, Any], where: str) -> None:
        name = text(entry.get("name"))
        if name is None:
            found = entry.get("name")
            self.problems.add(where, f"`name` cannot be printed: {shown(found)}" if found else "no `name`")
        elif name in self.names:
            self.problems.add(where, f"name {shown(name)} is taken by an earlier one")
        else:
            self.names.add(name)
            self.categories[entry["id"]] = name

    def _entry(self, entry: dict[str, Any], where: str) -> None:
        height, width = whole(entry.get("height")), whole(entry.get("width"))
        if height is None or width is None or height < 1 or width < 1 or height * width >= PIXELS:
            got = f"{shown(entry.get('height'))} and {shown(entry.get('width'))}"
            self.problems.add(where, f"`height` and `width` must be numbers of pixels; got {got}")
            return
        video = self._video(entry, (height, width), where)
        incomplete = self._incomplete(entry, where)
        if video is None or incomplete is None:
            return
        self.videos[video.id] = replace(video, incomplete=incomplete)
        other = self.split is not None and entry.get("split", self.split) != self.split
        if other or video.name in self.exclude:
            self.skipped.add(video.id)

    def _incomplete(self, entry: dict[str, Any], where: str) -> frozenset[int] | None:
        """Categories that are not annotated everywhere; None where the lists that say so are malformed."""
        found = frozenset[int]()
        for key, negate in (("complete_categories", True), ("not_exhaustive_category_ids", False)):
            named = entry.get(key)
            if named is None:
                continue
            if not isinstance(named, list) or not all(whole(id) in self.categories for id in named):
                self.problems.add(where, f"`{key}` must list ids of the categories; got {shown(named)}")
                return None
            found |= (self.categories.keys() - set(named)) if negate else set(named)
        return found

    def _video(self, entry: dict[str, Any], size: tuple[int, int], where: str) -> Video | None:
        files = entry.get("file_names")
        if not isinstance(files, list) or not files or not all(_file_name(name) for name in files):
            self.problems.add(where, "`file_names` must list the frames")
            return None
        return Video(entry["id"], Path(files[0]).parent.name or str(entry["id"]), size, tuple(files), ())

    def _annotation(self, entry: dict[str, Any], where: str) -> None:
        crowd = entry.get("iscrowd", 0)
        if crowd not in (0, 1):
            self.problems.add(where, f"iscrowd must be 0 or 1; got {shown(crowd)}")
        self._refers(entry, "category_id", self.categories, "categories", where)
        video = self._refers(entry, self.target, self.videos, self.kind, where)
        if video is not None and video.id not in self.skipped and (seen := self._seen(entry, video, where)) is not None:
            category = whole(entry.get("category_id")) or 0
            boxed = self.boxes and self.kind == "images" and not entry.get("segmentation")
            self.tracks[video.id].append(Track(category, seen[0], seen[1], bool(crowd), seen[2], boxed))

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
        file = _file_name(entry.get("file_name"))
        if file is None:
            self.problems.add(where, "`file_name` must name the picture")
            return None
        return Video(entry["id"], file, size, (file,), (), picture=True)

    def _seen(self, entry: dict[str, Any], video: Video, where: str) -> tuple[Masks, float, None] | None:
        area = entry.get("area")
        if area is not None and not _is_area(area):
            self.problems.add(where, f"`area` must be a number of pixels; got {shown(area)}")
            return None
        outline = entry.get("segmentation")
        if self.boxes and not outline:
            outline = _box_outline(entry.get("bbox"))
        if not outline:
            self.problems.add(
                where, "no `segmentation`" + (" and no `bbox` [x, y, width, height]" if self.boxes else "")
            )
            return None
        masks = (read_mask(outline, video.size, where, self.problems),)
        return masks, mean_area(mask_areas(masks) if area is None else [area]), None


def _file_name(value: Any) -> str | None:
    """`value` where a file can have this name: file systems take 255 bytes for each part of a path."""
    name = text(value)
    return None if name is None or any(len(part.encode()) > 255 for part in name.split("/")) else name


def _box_outline(box: Any) -> list[list[float]] | None:
    """The box [x, y, width, height] as a polygon; None for anything else."""
    numbers = [number(value) for value in box] if isinstance(box, list) and len(box) == 4 else []
    if len(numbers) != 4 or None in numbers:
        return None
    x, y, width, height = (float(value) for value in numbers if value is not None)
    return [[x, y, x + width, y, x + width, y + height, x, y + height]] if width > 0 and height > 0 else None


def _per_frame(values: Any, video: Video, accepts: Callable[[Any], bool]) -> bool:
    return isinstance(values, list) and len(values) == len(video.files) and all(accepts(value) for value in values)


def _is_area(value: Any) -> bool:
    area = number(value)
    return value is None or (area is not None and 0 <= area < PIXELS)
