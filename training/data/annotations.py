"""Annotations in memory: YTVIS / OVIS video JSON and COCO image JSON become the same `Clip`s of `Frame`s."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stc.annotations.masks import Rle, decode


@dataclass(frozen=True)
class Instance:
    """One object in one frame. `identity` is unique over all data sets; a track keeps it from frame to frame."""

    identity: int
    label: int  # index into the classes
    rle: Rle
    box: tuple[float, float, float, float]  # xyxy in pixels of the frame
    area: float
    crowd: bool
    boxed: bool = False  # only the box is annotated; the mask is all of it

    def mask(self) -> NDArray[np.bool_]:
        """(H, W) of the frame."""
        return decode(self.rle)


@dataclass(frozen=True)
class Frame:
    """`path` is a picture, or, where `number` is not None, a video of which that frame (from 0) is meant."""

    path: Path
    size: tuple[int, int]  # (H, W) of the annotations; the picture may be stored smaller
    instances: tuple[Instance, ...]
    number: int | None = None

    @property
    def objects(self) -> tuple[Instance, ...]:
        """The instances that are single objects, not crowd regions."""
        return tuple(instance for instance in self.instances if not instance.crowd)


@dataclass(frozen=True)
class Clip:
    """Annotated frames in order; a still picture is a clip of one frame.

    `partial`: objects may be left unannotated, so what carries no annotation is unknown rather than background.
    `incomplete`: the same of these classes only.
    """

    name: str
    frames: tuple[Frame, ...]
    partial: bool
    incomplete: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Dataset:
    """`fingerprint` changes with the annotation files and with what was chosen of them."""

    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    fingerprint: str = ""

    @property
    def num_frames(self) -> int:
        return sum(len(clip.frames) for clip in self.clips)


@dataclass(frozen=True)
class Source:
    """An annotation JSON, the folder (or one video) its file names refer to, and whether it leaves objects out."""

    annotations: Path
    frames: Path
    partial: bool = False
