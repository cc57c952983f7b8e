"""The frames of annotated clips: pictures in a folder, or a video file per clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from stc.errors import InputError
from stc.problems import Problems
from stc.video_annotations import Video, VideoAnnotations

if TYPE_CHECKING:
    from stc.runtime.video.frame import Frame, Source

Frames: TypeAlias = "Callable[[], Iterator[Frame]]"

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm")


def find_frames(annotations: VideoAnnotations, place: Path, fps: float) -> dict[int, Frames]:
    """How to read the annotated frames of each video, by its id.

    `place` is the folder that the file names start from, where a clip may also be a video file (`goat.mp4` for
    `goat/…`), or one video file. Picture i comes at i / `fps` seconds, a video's frames at their own times: frame n is
    the picture whose name is the number n, or the n-th in order where names are no numbers.

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
    from stc.runtime.video.pictures import read_picture

    candidates = [place, *(place / f"{video.name}{suffix}" for suffix in VIDEO_SUFFIXES)]
    clip = next((path for path in candidates if path.is_file()), None)
    missing = [name for name in video.files if not (place / name).is_file()]
    try:
        if not missing:
            first = place / video.files[0]
            _check_size(read_picture(first).shape[:2], video, str(first))
            return partial(_pictures, video, place, fps)
        if clip is not None:
            source = open_source(clip)
            if source.size is not None:
                _check_size(source.size[::-1], video, str(clip))
            return partial(_video, video, source)
        problems.add(video.name, f"{len(missing)} of {len(video.files)} frames are missing, first {missing[0]}")
    except InputError as error:
        problems.add(video.name, error)
    return None


def _pictures(video: Video, folder: Path, fps: float) -> Iterator[Frame]:
    from stc.runtime.video.frame import Frame
    from stc.runtime.video.pictures import read_picture

    for index, name in enumerate(video.files):
        image = read_picture(folder / name)
        _check_size(image.shape[:2], video, str(folder / name))
        yield Frame(image, index / fps, index, video.name)


def _video(video: Video, source: Source) -> Iterator[Frame]:
    waiting = iter(_numbers(video.files))
    wanted = next(waiting, None)
    for frame in source:
        if frame.index == wanted:
            _check_size(frame.image.shape[:2], video, f"{source.name}, frame {frame.index}")
            yield frame
            if (wanted := next(waiting, None)) is None:
                return
    if wanted is not None:
        raise InputError(f"{source.name}: ends before frame {wanted}, which {video.name} has annotations for")


def _numbers(files: tuple[str, ...]) -> list[int]:
    """Which frames of a video file the annotated ones are."""
    stems = [Path(name).stem for name in files]
    numbers = [int(stem) for stem in stems if stem.isdecimal()]
    named = len(numbers) == len(files) and all(a < b for a, b in pairwise(numbers))
    return numbers if named else list(range(len(files)))


def _check_size(size: tuple[int, ...], video: Video, name: str) -> None:
    if tuple(size) != video.size:
        raise InputError(
            f"{name}: {size[1]}x{size[0]} pixels, but the annotations are for {video.size[1]}x{video.size[0]}; give "
            "the frames that were annotated"
        )
