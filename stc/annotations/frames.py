"""Which picture a file name in annotations means, where the frames of a clip lie in a video file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from stc.errors import InputError

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm")  # of a file that may stand for a clip's folder


def video_of(clip: str, pictures: Sequence[Path], place: Path) -> Path | None:
    """The video that holds the frames of `clip`; None where they are pictures.

    It is `place` itself where that is a file, else the file `clip.mp4` (or .mov, .mkv, .avi, .webm) in it, where
    none of the clip's `pictures` exists. Raises InputError when there are two such videos.
    """
    if place.is_file():
        return place
    if any(picture.exists() for picture in pictures):
        return None
    found = [path for suffix in VIDEO_SUFFIXES if (path := place / f"{clip}{suffix}").is_file()]
    if len(found) > 1:
        raise InputError(f"{found[0]} and {found[1].name}: either may be the clip {clip}; move one away")
    return found[0] if found else None


def frame_numbers(files: Sequence[str], video: Path) -> list[int]:
    """Which frames of `video`, from 0, the annotated `files` of a clip are.

    The number at the end of a name counts (`clip/frame_00003.jpg` is frame 3), and such numbers must increase. Where no
    name ends in a number, the n-th name is the n-th frame. Raises InputError for anything between.
    """
    numbers = [int(number[0]) if (number := re.search(r"[0-9]+$", Path(file).stem)) else None for file in files]
    named = [number for number in numbers if number is not None]
    if not named:
        return list(range(len(files)))
    if len(named) < len(files):
        odd = files[numbers.index(None)]
        raise InputError(
            f"{odd} names no frame of {video}: it ends in no number, though others do; name all by their frames, from 0"
        )
    for (first, second), file in zip(pairwise(named), files[1:], strict=True):
        if second <= first:
            raise InputError(
                f"{file} names no frame of {video}: its number, {second}, does not come after {first}; name all by "
                "their frames, from 0"
            )
    return named
