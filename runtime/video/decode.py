"""Video files, cameras and URLs through PyAV, one decoder for all of them.

Cameras too go through PyAV (FFmpeg's v4l2) and not OpenCV: errors are exceptions with a reason, and frames carry the
driver's time stamps.
"""

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
from stc.runtime.video.frame import Frame, Source

log = logging.getLogger(__name__)

TIMEOUT = (10.0, 10.0)  # seconds to open a URL, and to wait for its next packet
FALLBACK_FPS = 30.0  # where the container states no usable rate


def open_file(path: Path, every: int) -> Source:
    """A video file. A decoding error in the middle ends it with a warning; what was decoded before counts.

    Raises InputError when it is no video, and while iterating when not one frame can be decoded.
    """
    with _open_path(path) as container:
        stream = _video_stream(container, str(path))
        fps, size, stated = _fps(stream), _size(stream), stream.frames or None
    length = None if stated is None else math.ceil(stated / every)
    return Source(path.name, fps / every, size, length, live=False, read=partial(_read_file, path, every))


def open_url(url: str, shown: str, every: int) -> Source:
    """A network stream; `shown` stands for `url` in messages. Live unless the server states a duration."""
    options = {"rtsp_transport": "tcp"} if url.lower().startswith("rtsp") else {}
    container = _open(url, shown, None, options)
    return _open_stream(container, shown, every, live=container.duration is None)


def open_camera(device: str, every: int) -> Source:
    """A Video4Linux camera such as `/dev/video0`."""
    if not Path(device).exists():
        found = ", ".join(sorted(str(p) for p in Path("/dev").glob("video*"))) or "none"
        raise InputError(f"{device}: no such camera; found: {found}; list them with: ls /dev/video*")
    return _open_stream(_open(device, device, "v4l2", {}), device, every, live=True)


class Clock:
    """Time stamps to seconds since the first frame, strictly increasing.

    A missing stamp, or one not after its predecessor, becomes the previous time + `step` (1/fps).
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._start: float | None = None
        self._last = -step

    def __call__(self, stamp: float | None) -> float:
        time = self._last + self._step
        if stamp is not None:
            if self._start is None:
                self._start = stamp - time
            if stamp - self._start > self._last:
                time = stamp - self._start
        self._last = time
        return time


def _read_file(path: Path, every: int) -> Iterator[Frame]:
    with _open_path(path) as container:
        stream = _video_stream(container, str(path))
        fps = _fps(stream)
        decoded, end = 0, 0.0
        problem = None
        try:
            for picture, time in _pictures(container, stream, fps):
                decoded, end = decoded + 1, time + 1 / fps
                if (decoded - 1) % every == 0:
                    yield _frame(picture, time, decoded - 1, path.name)
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


def _open_stream(container: InputContainer, shown: str, every: int, *, live: bool) -> Source:
    stream = _video_stream(container, shown)
    fps = _fps(stream)
    read = partial(_read_stream, container, stream, shown, fps, every)
    return Source(shown, fps / every, _size(stream), None, live=live, read=read)


def _read_stream(container: InputContainer, stream: VideoStream, shown: str, fps: float, every: int) -> Iterator[Frame]:
    index = -1
    with container:
        try:
            for index, (picture, time) in enumerate(_pictures(container, stream, fps)):
                if index % every == 0:
                    yield _frame(picture, time, index, shown)
        except av.FFmpegError as error:
            raise InputError(
                f"{shown}: lost after {index + 1} frames ({error.strerror}); "
                "lost streams are not reconnected, start the command again"
            ) from None
    if index < 0:
        raise InputError(f"{shown}: ended before its first frame; check that it sends video")


def _pictures(container: InputContainer, stream: VideoStream, fps: float) -> Iterator[tuple[av.VideoFrame, float]]:
    stream.thread_type = "AUTO"
    clock = Clock(1 / fps)
    for picture in container.decode(stream):
        stamp = None if picture.pts is None or picture.time_base is None else float(picture.pts * picture.time_base)
        yield picture, clock(stamp)


def _frame(picture: av.VideoFrame, time: float, index: int, name: str) -> Frame:
    """Any pixel format to uint8 (H, W, 3) BGR: gray is repeated, alpha dropped, more than 8 bits reduced to 8."""
    return Frame(np.ascontiguousarray(picture.to_ndarray(format="bgr24")), time, index, name)


def _open_path(path: Path) -> InputContainer:
    # `file:` keeps a colon in the name from being read as a protocol; the whitelist keeps a playlist off the network.
    return _open(f"file:{path}", str(path), None, {"protocol_whitelist": "file"})


def _open(target: str, shown: str, container_format: str | None, options: dict[str, str]) -> InputContainer:
    try:
        return av.open(target, "r", format=container_format, options=options, timeout=TIMEOUT)
    except (av.FFmpegError, OSError, ValueError) as error:
        # Neither the text of the error nor its chain may show: both hold the full URL.
        reason = getattr(error, "strerror", None) or "this build of PyAV cannot read it"
        raise InputError(
            f"{shown}: cannot be opened as video ({reason}); check that it plays: ffplay {shown}"
        ) from None


def _video_stream(container: InputContainer, shown: str) -> VideoStream:
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream):
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise InputError(f"{shown}: no video in it, only {kinds}; check it with: ffprobe {shown}")
    return stream


def _fps(stream: VideoStream) -> float:
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return rate if 0 < rate <= 1000 else FALLBACK_FPS


def _size(stream: VideoStream) -> tuple[int, int] | None:
    return (stream.width, stream.height) if stream.width and stream.height else None
