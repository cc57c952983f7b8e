"""The frames of annotated clips: pictures in a folder, or a video file per clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from stc.annotations.frames import frame_numbers, video_of
from stc.annotations.videos import Video, VideoAnnotations
from stc.errors import InputError, Problems

if TYPE_CHECKING:
    from stc.runtime.video.frame import Frame, Source

Frames: TypeAlias = "Callable[[], Iterator[Frame]]"


def find_frames(annotations: VideoAnnotations, place: Path, fps: float) -> dict[int, Frames]:
    """How to read the annotated frames of each video, by its id.

    `place` is the folder that the file names start from, where a clip may also be a video file (`goat.mp4` for
    `goat/…`), or one video file. Picture i comes at i / `fps` seconds, a video's frames at their own times; which of
    them a name means, `stc.annotations.frames` says.

    Raises InputError with everything that is missing, and with the clips whose first frame has another size than the
    annotations; while reading, for a later frame of another size and for a video that ends too soon.
    """
    problems = Problems(str(place))
    if place.is_file() and len(annotations.videos) > 1:
        raise InputError(
            f"{place}: one video, but the annotations are of {len(annotations.videos)} clips; give a folder that holds "
            "them, or choose one with: --clips NAME"
        )
    found = {video.id: _find(video, place, fps, problems) for video in annotations.videos}
    problems.check("point --frames at the folder that the file names start from")
    return {id: frames for id, frames in found.items() if frames is not None}


def _find(video: Video, place: Path, fps: float, problems: Problems) -> Frames | None:
    from stc.runtime.video import open_source
    from stc.runtime.video.pictures import picture_size

    try:
        if (clip := video_of(video.name, [place / name for name in video.files], place)) is not None:
            numbers = frame_numbers(video.files, clip)
            source = open_source(clip)
            if source.size is not None:
                _check_size(source.size, video, str(clip))
            return partial(_video, video, source, numbers)
        if missing := [name for name in video.files if not (place / name).is_file()]:
            problems.add(video.name, f"{len(missing)} of {len(video.files)} frames are missing, first {missing[0]}")
            return None
        first = place / video.files[0]
        _check_size(picture_size(first), video, str(first))
        return partial(_pictures, video, place, fps)
    except InputError as error:
        problems.add(video.name, error)
    return None


def _pictures(video: Video, folder: Path, fps: float) -> Iterator[Frame]:
    from stc.runtime.video.frame import Frame
    from stc.runtime.video.pictures import read_picture

    for index, name in enumerate(video.files):
        frame = Frame(read_picture(folder / name), index / fps, index, video.name)
        _check_size(_size(frame), video, str(folder / name))
        yield frame


def _video(video: Video, source: Source, numbers: Sequence[int]) -> Iterator[Frame]:
    from stc.runtime.video.frame import numbered

    for frame in numbered(source, numbers):
        _check_size(_size(frame), video, f"{source.name}, frame {frame.index}")
        yield frame


def _size(frame: Frame) -> tuple[int, int]:
    return frame.image.shape[1], frame.image.shape[0]


def _check_size(size: tuple[int, int], video: Video, name: str) -> None:
    """size: (W, H) of the upright frame."""
    if size != video.size[::-1]:
        raise InputError(
            f"{name}: {size[0]}x{size[1]} pixels, but the annotations are for {video.size[1]}x{video.size[0]}; give "
            "the frames that were annotated"
        )
