"""Annotations in memory: YTVIS / OVIS video JSON and COCO image JSON become the same `Clip`s of `Frame`s."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.segmentation import to_rle


@dataclass(frozen=True)
class Instance:
    """One object in one frame. `identity` is unique over all data sets; a track keeps it from frame to frame."""

    identity: int
    label: int  # index into the classes
    rle: dict[str, Any]  # compressed COCO RLE
    box: tuple[float, float, float, float]  # xyxy in pixels of the frame
    area: float
    crowd: bool

    def mask(self) -> NDArray[np.bool_]:
        """(H, W) of the frame."""
        from pycocotools import mask as coco

        return np.asarray(coco.decode(self.rle), dtype=bool)


@dataclass(frozen=True)
class Frame:
    path: Path
    size: tuple[int, int]  # (H, W)
    instances: tuple[Instance, ...]

    @property
    def objects(self) -> tuple[Instance, ...]:
        """The instances that are single objects, not crowd regions."""
        return tuple(instance for instance in self.instances if not instance.crowd)


@dataclass(frozen=True)
class Clip:
    """Annotated frames in order; a still picture is a clip of one frame.

    `partial`: objects may be left unannotated, so what carries no annotation is unknown rather than background.
    """

    name: str
    frames: tuple[Frame, ...]
    partial: bool


@dataclass(frozen=True)
class Dataset:
    classes: tuple[str, ...]
    clips: tuple[Clip, ...]

    @property
    def num_frames(self) -> int:
        return sum(len(clip.frames) for clip in self.clips)


def read_all(sources: Iterable[tuple[Path, Path]], *, exclude: frozenset[str] = frozenset(), split: str) -> Dataset:
    """One data set of all (annotation JSON, frame folder) pairs.

    exclude: names of clips (first folder of their file names) that are never read. split: pictures whose `split`
    field says something else are left out. Raises InputError for unreadable or inconsistent annotations, missing
    frames, sources with different classes, an excluded name that no source has, and when nothing is left.
    """
    classes: tuple[str, ...] = ()
    clips: list[Clip] = []
    absent = set(exclude)
    identity = 0
    for path, folder in sources:
        reader = _Reader(path, folder, exclude, split, identity)
        if classes and reader.classes != classes:
            raise InputError(
                f"{path}: classes {list(reader.classes)} differ from {list(classes)} of the data before; "
                "give all sources the same `categories`"
            )
        classes = reader.classes
        clips += reader.clips()
        absent -= reader.excluded
        identity = reader.next_identity
    if absent:
        raise InputError(f"--exclude: no clip named {', '.join(sorted(absent))}; nothing would have been left out")
    if not any(frame.objects for clip in clips for frame in clip.frames):
        raise InputError(f"no annotated object left to train on (split {split!r}); check --data, --split and --exclude")
    return Dataset(classes, tuple(clips))


class _Reader:
    """One annotation file. `excluded` and `next_identity` are final after `clips()`."""

    def __init__(self, path: Path, folder: Path, exclude: frozenset[str], split: str, identity: int) -> None:
        self.path, self.folder, self.exclude, self.split = path, folder, exclude, split
        self.next_identity = identity
        self.excluded: set[str] = set()
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read as JSON ({error}); give --data an annotation file") from error
        if not isinstance(data, dict) or not {"images", "videos"} & set(data) or "categories" not in data:
            raise InputError(
                f"{path}: has no `images` or `videos` with `categories`: neither COCO nor YTVIS annotations"
            )
        if not isinstance(data.get("annotations"), list):
            raise InputError(
                f"{path}: has no annotations (hidden validation sets have none); train on the training set"
            )
        self.data = data
        categories = sorted(data["categories"], key=lambda category: int(category["id"]))
        self.classes = tuple(str(category["name"]) for category in categories)
        self.labels = {category["id"]: label for label, category in enumerate(categories)}

    def clips(self) -> list[Clip]:
        try:
            clips = self._videos() if "videos" in self.data else self._images()
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"{self.path}: malformed annotation ({type(error).__name__}: {error})") from error
        missing = [frame.path for clip in clips for frame in clip.frames if not frame.path.is_file()]
        if missing:
            raise InputError(
                f"{len(missing)} frames of {self.path} are missing, the first is {missing[0]}; "
                "point --frames at the folder that their file names start from"
            )
        return clips

    def _images(self) -> list[Clip]:
        by_image: dict[Any, list[Instance]] = defaultdict(list)
        kept = {i["id"]: i for i in self.data["images"] if i.get("split", self.split) == self.split}
        for annotation in self.data["annotations"]:
            image = kept.get(annotation["image_id"])
            if image is not None:
                identity = self._new_identity()
                size = int(image["height"]), int(image["width"])
                instance = self._instance(annotation, annotation["segmentation"], size, identity)
                if instance:
                    by_image[image["id"]].append(instance)
        clips = []
        for image in kept.values():
            if not self._is_excluded(image["file_name"]):
                frame = self._frame(image["file_name"], image, by_image[image["id"]])
                clips.append(Clip(image["file_name"], (frame,), partial=False))
        return clips

    def _videos(self) -> list[Clip]:
        """Video annotations name the objects of interest, not every object: clips are partial."""
        by_frame: dict[tuple[Any, int], list[Instance]] = defaultdict(list)
        videos = {v["id"]: v for v in self.data["videos"] if not self._is_excluded(v["file_names"][0])}
        for annotation in self.data["annotations"]:
            video = videos.get(annotation["video_id"])
            if video is None:
                continue
            identity = self._new_identity()
            if len(annotation["segmentations"]) != len(video["file_names"]):
                raise ValueError(f"annotation {annotation['id']} has not one segmentation per frame")
            size = int(video["height"]), int(video["width"])
            for index, segmentation in enumerate(annotation["segmentations"]):
                instance = self._instance(annotation, segmentation, size, identity) if segmentation else None
                if instance:
                    by_frame[video["id"], index].append(instance)
        clips = []
        for key, video in videos.items():
            names = video["file_names"]
            frames = (self._frame(name, video, by_frame[key, index]) for index, name in enumerate(names))
            clips.append(Clip(_clip_name(names[0]), tuple(frames), partial=True))
        return clips

    def _frame(self, name: str, entry: dict[str, Any], instances: list[Instance]) -> Frame:
        return Frame(self.folder / name, (int(entry["height"]), int(entry["width"])), tuple(instances))

    def _instance(
        self, annotation: dict[str, Any], segmentation: Any, size: tuple[int, int], identity: int
    ) -> Instance | None:
        """None for an empty mask."""
        from pycocotools import mask as coco

        rle = to_rle(segmentation, size)
        area = float(coco.area(rle))
        if area == 0:
            return None
        x, y, width, height = (float(value) for value in coco.toBbox(rle))
        label = self.labels[annotation["category_id"]]
        crowd = bool(annotation.get("iscrowd", 0))
        return Instance(identity, label, rle, (x, y, x + width, y + height), area, crowd)

    def _new_identity(self) -> int:
        self.next_identity += 1
        return self.next_identity - 1

    def _is_excluded(self, file_name: str) -> bool:
        name = _clip_name(file_name)
        if name in self.exclude:
            self.excluded.add(name)
        return name in self.exclude


def _clip_name(file_name: str) -> str:
    return Path(file_name).parts[0]
