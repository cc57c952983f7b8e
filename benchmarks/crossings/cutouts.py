"""Objects cut out of annotated clips and pictures, and pictures that hold none to put them on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from stc.annotations import masks as segmentation
from stc.annotations.masks import Rle
from stc.annotations.scenes import RIM, piece
from stc.annotations.videos import Track, Video
from stc.benchmarks.evaluation.frames import Frames

MIN_SHARE = 0.015  # of its picture: a smaller object has no detail to show
MAX_FRAMES = 120  # of a clip that are looked at


@dataclass(frozen=True)
class Material:
    """Videos of one annotation file with the way to their frames."""

    videos: Sequence[Video]
    frames: dict[int, Frames]


@dataclass(frozen=True)
class Cutout:
    """One object. `name` is of its class; poses as many as its clip has frames that show it, one of a picture."""

    name: str
    video: Video
    track: Track
    frames: Frames

    def poses(self, count: int) -> list[Pose]:
        """The first `count` poses, to and fro where there are fewer."""
        masks = self.track.masks[:MAX_FRAMES]
        pictures = islice(self.frames(), len(masks))
        seen = [_pose(frame.image, rle) for frame, rle in zip(pictures, masks, strict=True) if rle is not None]
        there_and_back = [*seen, *seen[-2:0:-1]]
        return [there_and_back[i % len(there_and_back)] for i in range(count)]


@dataclass(frozen=True)
class Pose:
    """picture: uint8 (h, w, 3) BGR around the object. mask: bool (h, w)."""

    picture: NDArray[np.uint8]
    mask: NDArray[np.bool_]


def find_cutouts(material: Sequence[Material], categories: dict[int, str]) -> list[Cutout]:
    """Single objects that are large enough where they first appear and, in a picture, do not touch its edge."""
    return [
        Cutout(categories[track.category], video, track, part.frames[video.id])
        for part in material
        for video in part.videos
        for track in video.tracks
        if not track.crowd and _is_usable(video, track)
    ]


def find_backgrounds(material: Sequence[Material]) -> list[Frames]:
    """Pictures without any annotated object. Clips are left out: they may leave objects unannotated."""
    return [part.frames[video.id] for part in material for video in part.videos if video.picture and not video.tracks]


def _is_usable(video: Video, track: Track) -> bool:
    rle = next((rle for rle in track.masks[:MAX_FRAMES] if rle is not None), None)
    height, width = video.size
    if rle is None or segmentation.areas([rle])[0] < MIN_SHARE * height * width:
        return False
    x, y, w, h = segmentation.box(rle)
    return not video.picture or (x >= RIM and y >= RIM and x + w <= width - RIM and y + h <= height - RIM)


def _pose(image: NDArray[np.uint8], rle: Rle) -> Pose:
    x, y, w, h = segmentation.box(rle)
    mask = segmentation.decode(rle)
    place = piece((x, y, x + w, y + h), mask.shape)
    return Pose(image[place], mask[place])
