"""Video files as sources: every frame once, at its own time, around what is damaged."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from stc.boundary import foreign, reason
from stc.errors import InputError
from stc.runtime.video import decode, hardware
from stc.runtime.video.frame import Concealed, CutShort, Damaged, FileSource, Frame, Loss, Stats
from stc.runtime.video.timeline import Clock

log = logging.getLogger(__name__)

PROBED = 300  # packets that are decoded to learn the size of the first frame
SLACK = 1.0  # seconds by which a header may state too much, or, where it counts frames, …
SLACK_COUNTED, SLACK_FRAMES = 0.1, 2  # … seconds, or so many of them


def open_file(path: Path, every: int, number: int | None = None, hwaccel: str | None = None) -> FileSource:
    """A video file, or the video stream `number` (from 0) of it. What is damaged is skipped, counted and warned of.

    hwaccel: the device that decodes (`hardware.py`); where it does not, a warning says why.

    Raises InputError when it is no video, and while iterating when not one frame can be decoded.
    """
    with _border(path), _open(path, hwaccel) as (container, software):
        if hwaccel is not None and software:
            log.warning("%s", hardware.told(str(path), hwaccel, software))
            hwaccel = None
        stream = decode.video_stream(container, str(path), number)
        fps, stated = decode.nominal_fps(stream), stream.frames or None
        size = _first_size(container, stream)
        streams = decode.video_streams(container)
        if number is None and len(streams) > 1:
            log.warning(
                "%s: has %d video streams; #%d is read, choose another with: %s#NUMBER",
                path, len(streams), streams.index(stream), path,
            )  # fmt: skip
    length = None if stated is None else math.ceil(stated / every)
    return FileSource(path.name, fps / every, size, length, partial(_read, path, every, number, hwaccel))


def _read(path: Path, every: int, number: int | None, hwaccel: str | None) -> Iterator[Frame | Loss]:
    index, end, lost = 0, 0.0, Stats()
    with _border(path), _open(path, hwaccel) as (container, _):
        stream = decode.video_stream(container, str(path), number)
        stream.thread_type = "AUTO"
        aspect, step = decode.pixel_aspect(stream), 1 / decode.nominal_fps(stream)
        extent = _Extent(container, stream, step)
        for found in _pictures(container, stream, step, extent):
            if isinstance(found, Damaged | Concealed):
                lost = lost.and_lost(found)
                yield found
                continue
            time, picture = found
            if index % every == 0:
                yield Frame(decode.to_image(picture, aspect), time, index, path.name)
            index, end = index + 1, time + step
        missing = extent.missing()
    problem = (lost if missing is None else lost.and_lost(CutShort())).damage + (f": {missing}" if missing else "")
    if index == 0:
        raise InputError(
            f"{path}: not one frame could be decoded ({problem or 'no picture in it'}); check it with: ffprobe {path}"
        )
    if problem:
        log.warning("%s: truncated or damaged (%s), ends after %d frames, %.1f s", path, problem, index, end)
    if missing is not None:
        yield CutShort()


def _pictures(
    container: InputContainer, stream: VideoStream, step: float, extent: _Extent
) -> Iterator[tuple[float, av.VideoFrame] | Damaged | Concealed]:
    clock: Clock[av.VideoFrame] = Clock(step)
    try:
        for found in decode.decoded(extent.watch(container.demux(stream)), stream.codec_context.decode):
            if isinstance(found, Damaged):
                yield found
            else:
                if found.is_corrupt:
                    yield Concealed()
                yield from clock.place(decode.stamp(found), found)
    except av.FFmpegError as error:
        extent.broken = reason(error)
    yield from clock.rest()


class _Extent:
    """How far the packets reached, and how far the header says that they do."""

    def __init__(self, container: InputContainer, stream: VideoStream, step: float) -> None:
        self.broken: str | None = None  # why reading went no further
        self._reached = -math.inf
        self._stated = _stated_end(container, stream)
        self._slack = max(SLACK_COUNTED, SLACK_FRAMES * step) if stream.frames else SLACK
        self._header = (
            f"the header states {stream.frames or '?'} frames, {(container.duration or 0) / av.time_base:.1f} s"
        )

    def watch(self, packets: Iterator[av.Packet[VideoStream]]) -> Iterator[av.Packet[VideoStream]]:
        for packet in packets:
            start = packet.pts if packet.pts is not None else packet.dts
            if start is not None and packet.time_base is not None:
                self._reached = max(self._reached, float((start + (packet.duration or 0)) * packet.time_base))
            yield packet

    def missing(self) -> str | None:
        """What was not reached. Frames that are stored but not shown, before or after the part that an edit list
        chooses, are not missing."""
        if self.broken is not None:
            return self.broken
        short = self._stated is not None and self._reached < self._stated - self._slack
        return self._header if short else None


def _stated_end(container: InputContainer, stream: VideoStream) -> float | None:
    """In seconds, as the stamps of packets have them. The length of the whole says nothing where there is sound too."""
    if stream.duration and stream.time_base:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    try:
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")  # Matroska
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except (KeyError, ValueError):
        pass
    if container.duration and len(container.streams) == 1:
        return ((container.start_time or 0) + container.duration) / av.time_base
    return None


def _first_size(container: InputContainer, stream: VideoStream) -> tuple[int, int] | None:
    """(W, H) of the first frame, which alone tells how it is turned."""
    try:
        for found in islice(decode.decoded(container.demux(stream), stream.codec_context.decode), PROBED):
            if not isinstance(found, Damaged):
                return decode.shown_size(found, decode.pixel_aspect(stream))
    except av.FFmpegError:
        pass
    return None


@contextmanager
def _open(path: Path, hwaccel: str | None) -> Iterator[tuple[InputContainer, str]]:
    """And why the device is not used, or nothing."""
    # `file:` keeps a colon in the name from being read as a protocol; the whitelist keeps a playlist off the network.
    open_ = partial(av.open, f"file:{path}", "r", options={"protocol_whitelist": "file"})
    try:
        container, software = hardware.opened(open_, hwaccel)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be opened as video ({reason(error)}); check that it plays: ffplay {path}"
        ) from None
    with container:
        yield container, software


def _border(path: Path) -> AbstractContextManager[None]:
    return foreign("PyAV", path, f"check that it plays: ffplay {path}")
