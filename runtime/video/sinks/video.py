"""Annotated frames as a video that keeps the presentation times of its source."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from stc.errors import InputError
from stc.files import atomic_path
from stc.runtime.letterbox import resize_frame
from stc.runtime.processors import threads_to_ask_for
from stc.runtime.video.frame import Frame, Image, Writer
from stc.runtime.video.sinks.lines import is_regular, set_aside
from stc.runtime.video.sinks.made import MARK

log = logging.getLogger(__name__)

# Exact for 24, 25, 30, 50 and 60 fps, and the largest round one that MPEG-4 part 2 can state.
TIME_BASE = Fraction(1, 60_000)
H264_OPTIONS = {"crf": "20", "preset": "superfast"}  # encoding shares the cores with the model
MPEG4_OPTIONS = {"qscale": "3"}
INDEXED = (".mp4", ".mov")  # an index at the end of the file, which the muxer moves to the front

# mp4 and mov count in 31 bits, 9.94 h, how long a picture is shown and how long before it is decoded. That is up to two
# pictures, and to six where some refer to later ones, which is forbidden to pictures that are far apart.
FAR = 3600 * 60_000
BRIDGE = 3 * FAR
LONGEST = 10_000 * BRIDGE  # 3.4 years; a longer gap is a broken clock

# What an index, and the pictures that the encoder still holds, need at the end: a part of the disk, at most so much.
RESERVE_PART, RESERVE = 0.05, 64 << 20
INDEX_ENTRY = 64  # bytes per frame


@contextmanager
def video_writer(path: Path, fps: float, *, keep: bool = False) -> Iterator[Writer]:
    """Write `path` (mp4, mov, mkv) as H.264, yuv420p BT.709; `fps` is only the nominal rate, frames keep their times.

    Odd sizes grow by one repeated row or column, as yuv420p needs even ones. Where PyAV was built without libx264 the
    codec is MPEG-4 part 2, with a warning. Frames of another size than the first are scaled to fit it, with a warning.
    An mp4 or mov repeats the last picture every 3 h through a longer gap, since it can state none above 9.94 h; a gap
    above 3.4 years is written as 3.4 years, with a warning. keep: an earlier video at `path` gets another name.

    Raises InputError when the file cannot be written any further, as on a full disk: it is complete with the frames
    that it took before.
    """
    indexed = path.suffix.lower() in INDEXED
    with atomic_path(path) as temporary:
        try:
            with av.open(str(temporary), "w", options={"movflags": "+faststart"} if indexed else {}) as container:
                container.metadata["comment"] = MARK
                encoder = _Encoder(container, path, temporary.parent, fps, bridges=indexed)
                try:
                    yield encoder.write
                except InputError as error:
                    if error is not encoder.failure:
                        raise
                encoder.finish()
        except av.FFmpegError as error:
            raise _unwritable(path, error, "nothing is kept") from error
        if keep and is_regular(path) and (earlier := set_aside(path)) is not None:
            log.warning("%s: the earlier video is kept as %s (--overwrite replaces it)", path, earlier.name)
    if encoder.failure is not None:
        raise encoder.failure


def _unwritable(path: Path, error: av.FFmpegError, kept: str) -> InputError:
    return InputError(f"{path}: cannot be written ({error.strerror}); {kept}; check the disk with: df -h {path.parent}")


class _Encoder:
    """The stream is opened at the first frame, whose size it takes."""

    def __init__(self, container: OutputContainer, path: Path, folder: Path, fps: float, *, bridges: bool) -> None:
        """folder: on the disk that is written to."""
        self.failure: InputError | None = None  # why no further frame is taken
        self._container = container
        self._path = path
        self._folder = folder
        self._rate = Fraction(fps).limit_denominator(1001)
        self._bridges = bridges
        self._stream: VideoStream | None = None
        self._size = (0, 0)
        self._warned = False
        self._frames = 0
        self._shown: av.VideoFrame | None = None  # the last one, and its time in ticks
        self._last = -1
        self._shift = 0  # that was taken from the times since a gap above the longest

    def write(self, picture: Image, frame: Frame) -> None:
        if self.failure is not None:
            raise self.failure
        try:
            self._check_room()
            self._write(picture, frame)
        except av.FFmpegError as error:
            self.failure = _unwritable(self._path, error, f"it ends after {self._frames} frames")
            raise self.failure from error
        except InputError as error:
            self.failure = error
            raise

    def finish(self) -> None:
        if self._stream is None:
            raise self.failure or InputError(f"{self._path}: no frame to write")
        try:
            self._container.mux(self._stream.encode(None))
        except av.FFmpegError as error:
            self.failure = self.failure or _unwritable(self._path, error, f"it ends before frame {self._frames}")

    def _check_room(self) -> None:
        """The file must be completed before the disk is full: afterwards an mp4 has no room for its index."""
        total, _, free = shutil.disk_usage(self._folder)
        if free < min(RESERVE_PART * total, RESERVE) + self._frames * INDEX_ENTRY:
            raise InputError(
                f"{self._path}: the disk is nearly full ({free / 1e6:.1f} MB free); it ends after {self._frames} "
                f"frames; check the disk with: df -h {self._path.parent}"
            )

    def _write(self, picture: Image, frame: Frame) -> None:
        height, width = picture.shape[:2]
        if self._stream is None:
            self._size = (width, height)
            self._stream = self._open_stream()
        if (width, height) != self._size:
            picture = self._fitted(picture, frame)
            width, height = self._size
        if height % 2 or width % 2:
            picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        converted = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        time = self._time(frame)
        while self._bridges and self._shown is not None and time - self._last > BRIDGE:
            self._encode(self._shown, self._last + BRIDGE)
        self._encode(converted, time)
        self._frames += 1

    def _encode(self, picture: av.VideoFrame, time: int) -> None:
        """Show `picture` from `time` (ticks) on."""
        assert self._stream is not None
        if time - self._last > FAR:
            picture.pict_type = PictureType.P
        picture.pts, picture.time_base = time, TIME_BASE
        self._container.mux(self._stream.encode(picture))
        self._shown, self._last = picture, time

    def _time(self, frame: Frame) -> int:
        """The time of `frame` in ticks, after the last one."""
        time = round(frame.time / TIME_BASE) - self._shift
        if self._shown is not None and time - self._last > LONGEST:
            log.warning(
                "%s: %.0f h without video before frame %d are written as %.0f h",
                self._path, (time - self._last) * TIME_BASE / 3600, frame.index, LONGEST * TIME_BASE / 3600,
            )  # fmt: skip
            self._shift += time - self._last - LONGEST
            time = self._last + LONGEST
        return max(time, self._last + 1)

    def _fitted(self, picture: Image, frame: Frame) -> Image:
        """A live source may change its size, and a video cannot: the picture as large as it fits, on black."""
        width, height = self._size
        if not self._warned:
            self._warned = True
            log.warning(
                "%s: a video has one size, here %dx%d, but frame %d is %dx%d; such frames are scaled to fit (pictures "
                "of any size are written with: -o FOLDER)",
                self._path, width, height, frame.index, picture.shape[1], picture.shape[0],
            )  # fmt: skip
        scale = min(width / picture.shape[1], height / picture.shape[0])
        size = (max(1, round(picture.shape[0] * scale)), max(1, round(picture.shape[1] * scale)))
        fitted = np.zeros((height, width, 3), np.uint8)
        resize_frame(picture, size, "pil-bilinear", into=fitted[: size[0], : size[1]])
        return fitted

    def _open_stream(self) -> VideoStream:
        if "libx264" in av.codecs_available:
            stream = self._container.add_stream("libx264", rate=self._rate, options=H264_OPTIONS)
        else:
            log.warning(
                "%s: this PyAV has no H.264 encoder; writing MPEG-4 part 2, which browsers do not play", self._path
            )
            stream = self._container.add_stream("mpeg4", rate=self._rate, options=MPEG4_OPTIONS)
        stream.width, stream.height = (side + side % 2 for side in self._size)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = TIME_BASE
        stream.codec_context.thread_count = threads_to_ask_for(None) or 0  # as for decoding
        stream.codec_context.colorspace = Colorspace.ITU709
        stream.codec_context.color_range = ColorRange.MPEG
        return stream
