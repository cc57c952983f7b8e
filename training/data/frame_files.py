"""Where the frames of a clip are: pictures in a folder, or a video beside where the folder would be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2

from stc.annotations.frames import frame_numbers, video_of
from stc.errors import InputError, Problems
from stc.files import write_bytes
from stc.runtime.drawing.encode import JPEG_QUALITY
from stc.training.data.annotations import Clip, Dataset, Frame


def locate_frames(clip: Clip, folder: Path, problems: Problems) -> Clip:
    """`clip` with the frames that are there. Missing, undecodable and misshapen ones become `problems`.

    Where they lie in a video, `stc.annotations.frames` says which frames of it they are.
    """
    paths = [frame.path for frame in clip.frames]
    try:
        if (video := video_of(clip.name, paths, folder)) is not None:
            return _frames_of_video(clip, video, frame_numbers([path.name for path in paths], video), problems)
    except InputError as error:
        problems.add(f"clip {clip.name}", str(error))
        return clip
    missing = [frame for frame in clip.frames if not frame.path.is_file()]
    if missing:
        problems.add(
            f"clip {clip.name}",
            f"{len(missing)} of {len(clip.frames)} frames are missing, the first is {missing[0].path}; "
            "point --frames at the folder that their file names start from",
        )
    for frame in clip.frames:
        if frame.path.is_file():
            _check_picture(frame, problems)
    return clip


def unpack_videos(dataset: Dataset, folder: Path) -> Dataset:
    """`dataset` with the frames that lie in videos as pictures under `folder`, where they are kept for the next time.

    Raises InputError that lists every video that ends, or is damaged, before an annotated frame.
    """
    problems = Problems("the videos")
    clips = tuple(
        clip if clip.frames[0].number is None else _unpack(clip, folder / f"{number:05d}", problems)
        for number, clip in enumerate(dataset.clips)
    )
    problems.check("replace them or leave their clips out with --exclude")
    return replace(dataset, clips=clips)


def _frames_of_video(clip: Clip, video: Path, numbers: Sequence[int], problems: Problems) -> Clip:
    """Raises InputError when `video` is none."""
    from stc.runtime.video.sources import open_source

    source = open_source(video)
    frames = tuple(replace(frame, path=video, number=n) for frame, n in zip(clip.frames, numbers, strict=True))
    if source.size is not None and not _same_shape(source.size, frames[0].size):
        problems.add(video, _misshapen(source.size, frames[0].size))
    if source.length is not None and numbers[-1] >= source.length:
        problems.add(video, f"has {source.length} frames, but frame {numbers[-1]} (from 0) is annotated")
    return replace(clip, frames=frames)


def _unpack(clip: Clip, folder: Path, problems: Problems) -> Clip:
    paths = {frame.number: folder / f"{frame.number:06d}.jpg" for frame in clip.frames if frame.number is not None}
    if not all(path.is_file() for path in paths.values()):
        from stc.runtime.video.frame import numbered
        from stc.runtime.video.sources import open_source

        try:
            for picture in numbered(open_source(clip.frames[0].path), list(paths)):
                encoded = cv2.imencode(".jpg", picture.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
                write_bytes(paths[picture.index], encoded.tobytes())  # cv2.imwrite is silent about a full disk
        except InputError as error:
            problems.add(f"clip {clip.name}", str(error))
    return replace(clip, frames=tuple(_taken_out(frame, paths) for frame in clip.frames))


def _taken_out(frame: Frame, paths: dict[int, Path]) -> Frame:
    assert frame.number is not None
    return replace(frame, path=paths[frame.number], number=None)


def _check_picture(frame: Frame, problems: Problems) -> None:
    """Only the header is read."""
    from stc.runtime.video.pictures import picture_size

    try:
        size = picture_size(frame.path)
    except InputError as error:
        problems.add(frame.path, str(error).removeprefix(f"{frame.path}: "))
        return
    if not _same_shape(size, frame.size):
        problems.add(frame.path, _misshapen(size, frame.size))


def _same_shape(found: Sequence[int], annotated: tuple[int, int]) -> bool:
    """found: (W, H), upright. Equal up to scale: frames are often stored smaller than they were annotated."""
    (width, height), (annotated_height, annotated_width) = found, annotated
    return abs(width * annotated_height - height * annotated_width) <= max(annotated)


def _misshapen(found: Sequence[int], annotated: tuple[int, int]) -> str:
    return f"is {found[0]}x{found[1]} (width x height), its annotations are for {annotated[1]}x{annotated[0]}"
