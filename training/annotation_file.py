"""One annotation file, YTVIS / OVIS or COCO, read to the end however much of it is wrong."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stc.segmentation import to_rle
from stc.training.annotations import Clip, Frame, Instance, Problems, Source, clip_name

MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)


@dataclass(frozen=True)
class _Entry:
    """A video, or an image as a video of one frame. `skip`: excluded, or of another split."""

    files: tuple[str, ...]
    size: tuple[int, int]  # (H, W)
    skip: bool


class AnnotationFile:
    """`classes`, `clips` and the names in `excluded` that were found; what is wrong goes to `problems`.

    first_identity: number of the first object; `next_identity` is one past the last.
    """

    def __init__(
        self, source: Source, exclude: frozenset[str], split: str, first_identity: int, problems: Problems
    ) -> None:
        self.source, self.exclude, self.split, self.problems = source, exclude, split, problems
        self.next_identity = first_identity
        self.excluded: set[str] = set()
        self.classes: tuple[str, ...] = ()
        self.clips: list[Clip] = []
        data = self._load()
        if data is None:
            return
        self.labels = self._read_categories(data["categories"])
        if "videos" in data:
            self._read_videos(_list(data, "videos"), data["annotations"])
        else:
            self._read_images(_list(data, "images"), data["annotations"])

    def _load(self) -> dict[str, Any] | None:
        path = self.source.annotations
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            self.problems.add(path, f"cannot be read as JSON ({error}); give --data an annotation file")
            return None
        if not isinstance(data, dict) or not {"images", "videos"} & set(data) or "categories" not in data:
            self.problems.add(path, "has no `images` or `videos` with `categories`: neither COCO nor YTVIS annotations")
            return None
        if not isinstance(data.get("annotations"), list):
            self.problems.add(path, "has no annotations (hidden validation sets have none); train on the training set")
            return None
        return data

    def _read_categories(self, categories: Any) -> dict[Any, int]:
        """Category id -> class index. Classes are in the order of their ids, whatever their order in the file."""
        try:
            ordered = sorted(categories, key=lambda category: int(category["id"]))
            self.classes = tuple(str(category["name"]) for category in ordered)
            labels = {category["id"]: label for label, category in enumerate(ordered)}
        except MALFORMED as error:
            self._problem("categories", f"must be a list of objects with `id` and `name` ({_reason(error)})")
            return {}
        if len(labels) < len(ordered) or len(set(self.classes)) < len(ordered):
            self._problem("categories", "an id or a name is there twice")
        return labels

    def _read_videos(self, videos: Sequence[Any], annotations: Sequence[Any]) -> None:
        known = self._known("video", videos, lambda video: video["file_names"])
        by_frame: dict[tuple[Any, int], list[Instance]] = defaultdict(list)
        for number, annotation in enumerate(annotations):
            where = f"annotation {_id(annotation, number)}"
            try:
                video, label, segmentations = *self._target(annotation, "video_id", known), annotation["segmentations"]
                length = len(video.files)
                if len(segmentations) != length:
                    raise ValueError(f"{len(segmentations)} segmentations for the {length} frames of its video")
            except MALFORMED as error:
                self._problem(where, _reason(error))
                continue
            identity = self._new_identity()
            for index, segmentation in enumerate(() if video.skip else segmentations):
                if segmentation:  # null: the object is not in this frame
                    place = f"{where}, frame {index}"
                    instance = self._instance(place, annotation, segmentation, video.size, label, identity)
                    by_frame[annotation["video_id"], index] += [instance] if instance else []
        for key, video in known.items():
            self._add_clip(video, clip_name(video.files[0]), [by_frame[key, i] for i in range(len(video.files))])

    def _read_images(self, images: Sequence[Any], annotations: Sequence[Any]) -> None:
        known = self._known("image", images, lambda image: [image["file_name"]])
        by_image: dict[Any, list[Instance]] = defaultdict(list)
        for number, annotation in enumerate(annotations):
            where = f"annotation {_id(annotation, number)}"
            try:
                image, label, segmentation = *self._target(annotation, "image_id", known), annotation["segmentation"]
            except MALFORMED as error:
                self._problem(where, _reason(error))
                continue
            if not image.skip:
                instance = self._instance(where, annotation, segmentation, image.size, label, self._new_identity())
                by_image[annotation["image_id"]] += [instance] if instance else []
        for key, image in known.items():
            self._add_clip(image, image.files[0], [by_image[key]])

    def _known(self, kind: str, entries: Sequence[Any], files_of: Callable[[Any], Any]) -> dict[Any, _Entry]:
        """The videos or images that can be read, by id."""
        known: dict[Any, _Entry] = {}
        for number, entry in enumerate(entries):
            try:
                files, size = files_of(entry), (int(entry["height"]), int(entry["width"]))
                if not isinstance(files, list) or not files or not all(isinstance(f, str) and f for f in files):
                    raise ValueError("its file names must be strings, one or more")
                if min(size) < 1:
                    raise ValueError(f"height {size[0]}, width {size[1]}")
                if entry["id"] in known:
                    raise ValueError("its id is there twice")
                skip = self._is_excluded(files[0]) or entry.get("split", self.split) != self.split
                known[entry["id"]] = _Entry(tuple(files), size, skip)
            except MALFORMED as error:  # noqa: PERF203
                self._problem(f"{kind} {_id(entry, number)}", _reason(error))
        return known

    def _target(self, annotation: Any, field: str, known: dict[Any, _Entry]) -> tuple[_Entry, int]:
        """What an annotation belongs to, and its class index."""
        if annotation[field] not in known:
            raise ValueError(f"{field} {annotation[field]!r} is none of the file's, or of one that cannot be read")
        if annotation["category_id"] not in self.labels:
            raise ValueError(f"category_id {annotation['category_id']!r} is in no category")
        return known[annotation[field]], self.labels[annotation["category_id"]]

    def _add_clip(self, entry: _Entry, name: str, instances: Sequence[list[Instance]]) -> None:
        if entry.skip:
            return
        frames = (
            Frame(self.source.frames / file, entry.size, tuple(found))
            for file, found in zip(entry.files, instances, strict=True)
        )
        self.clips.append(Clip(name, tuple(frames), self.source.partial))

    def _instance(
        self,
        where: str,
        annotation: dict[str, Any],
        segmentation: Any,
        size: tuple[int, int],
        label: int,
        identity: int,
    ) -> Instance | None:
        """None for an empty mask, and for a malformed one, which is a problem."""
        from pycocotools import mask as coco

        try:
            if not segmentation:
                raise ValueError("empty")
            rle = to_rle(segmentation, size)
        except ValueError as error:
            self._problem(where, f"malformed segmentation ({error})")
            return None
        area = float(coco.area(rle))
        if area == 0:
            return None
        x, y, width, height = (float(value) for value in coco.toBbox(rle))
        crowd = bool(annotation.get("iscrowd", 0))
        return Instance(identity, label, rle, (x, y, x + width, y + height), area, crowd)

    def _new_identity(self) -> int:
        self.next_identity += 1
        return self.next_identity - 1

    def _is_excluded(self, file_name: str) -> bool:
        name = clip_name(file_name)
        if name in self.exclude:
            self.excluded.add(name)
        return name in self.exclude

    def _problem(self, where: str, what: str) -> None:
        self.problems.add(f"{self.source.annotations}: {where}", what)


def _list(data: dict[str, Any], name: str) -> Sequence[Any]:
    return data[name] if isinstance(data[name], list) else [data[name]]


def _id(entry: Any, number: int) -> str:
    return repr(entry["id"]) if isinstance(entry, dict) and "id" in entry else f"number {number}"


def _reason(error: Exception) -> str:
    return f"no field {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
