"""Decoding by PyAV: video files, and what a file and a live source have in common."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from stc.errors import InputError
from stc.runtime.video.frame import FileSource, Frame, Image
from stc.runtime.video.timeline import Clock

log = logging.getLogger(__name__)

FALLBACK_FPS = 30.0  # where the container states no usable rate


def open_file(path: Path, every: int) -> FileSource:
    """A video file. A decoding error in the middle ends it with a warning; what was decoded before counts.

    Raises InputError when it is no video, and while iterating when not one frame can be decoded.
    """
    with _open_path(path) as container:
        stream = _video_stream(container, str(path))
        fps, size, stated = nominal_fps(stream), frame_size(stream), stream.frames or None
    length = None if stated is None else math.ceil(stated / every)
    return FileSource(path.name, fps / every, size, length, partial(_read_file, path, every))


def _read_file(path: Path, every: int) -> Iterator[Frame]:
    with _open_path(path) as container:
        stream = _video_stream(container, str(path))
        fps = nominal_fps(stream)
        decoded, end = 0, 0.0
        problem = None
        try:
            for picture, time in _pictures(container, stream, fps):
                decoded, end = decoded + 1, time + 1 / fps
                if (decoded - 1) % every == 0:
                    yield Frame(to_image(picture), time, decoded - 1, path.name)
        except av.FFmpegError as error:
            problem = error.strerror or str(error)
        # A truncated file often just ends; only its header tells that more was meant.
        duration = (container.duration or 0) / av.time_base
        if problem is None and (decoded < stream.frames or (stream.frames == 0 and end < duration - 1)):
            problem = f"the header states {stream.frames or '?'} frames, {duration:.1f} s"
    if decoded == 0:
        raise InputError(
            f"{path}: not one frame could be decoded ({problem or 'no picture in it'}); check it with: ffprobe {path}"
        )
    if problem is not None:
        log.warning("%s: truncated or damaged, ends after %d frames, %.1f s (%s)", path, decoded, end, problem)


def _pictures(container: InputContainer, stream: VideoStream, fps: float) -> Iterator[tuple[av.VideoFrame, float]]:
    stream.thread_type = "AUTO"
    clock = Clock(1 / fps)
    for picture in container.decode(stream):
        yield picture, clock(stamp(picture))


def _open_path(path: Path) -> InputContainer:
    # `file:` keeps a colon in the name from being read as a protocol; the whitelist keeps a playlist off the network.
    try:
        return av.open(f"file:{path}", "r", options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be opened as video ({reason(error)}); check that it plays: ffplay {path}"
        ) from None


def _video_stream(container: InputContainer, shown: str) -> VideoStream:
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream):
        raise InputError(f"{shown}: no video in it, only {kinds(container)}; check it with: ffprobe {shown}")
    return stream


def kinds(container: InputContainer) -> str:
    """What streams there are: "audio, data"."""
    return ", ".join(sorted({s.type for s in container.streams})) or "nothing"


def reason(error: Exception) -> str:
    """Why PyAV failed, without the address that the text of its errors holds."""
    return getattr(error, "strerror", None) or "this build of PyAV cannot read it"


def nominal_fps(stream: VideoStream) -> float:
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return rate if 0 < rate <= 1000 else FALLBACK_FPS


def frame_size(stream: VideoStream) -> tuple[int, int] | None:
    return (stream.width, stream.height) if stream.width and stream.height else None


def stamp(picture: av.VideoFrame) -> float | None:
    """Presentation time in seconds, of any origin."""
    return None if picture.pts is None or picture.time_base is None else float(picture.pts * picture.time_base)


def to_image(picture: av.VideoFrame) -> Image:
    """Any pixel format to uint8 (H, W, 3) BGR: gray is repeated, alpha dropped, more than 8 bits reduced to 8."""
    return np.ascontiguousarray(picture.to_ndarray(format="bgr24"))
