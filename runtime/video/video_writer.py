"""Annotated frames as a video that keeps the presentation times of its source."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from stc.errors import InputError
from stc.files import atomic_path
from stc.opencv import cv2
from stc.runtime.video.frame import Frame, Image
from stc.runtime.video.sinks import Writer

log = logging.getLogger(__name__)

# Exact for 24, 25, 30, 50 and 60 fps, and the largest round one that MPEG-4 part 2 can state.
TIME_BASE = Fraction(1, 60_000)
H264_OPTIONS = {"crf": "20", "preset": "superfast"}  # encoding shares the cores with the model
MPEG4_OPTIONS = {"qscale": "3"}


@contextmanager
def video_writer(path: Path, fps: float) -> Iterator[Writer]:
    """Write `path` (mp4, mov, mkv) as H.264, yuv420p BT.709; `fps` is only the nominal rate, frames keep their times.

    Odd sizes grow by one repeated row or column, as yuv420p needs even ones. Where PyAV was built without libx264 the
    codec is MPEG-4 part 2, with a warning. Frames of another size than the first are scaled to fit it, with a warning.
    Raises InputError when the file cannot be written.
    """
    with atomic_path(path) as temporary:
        try:
            with av.open(str(temporary), "w", options={"movflags": "+faststart"}) as container:
                encoder = _Encoder(container, path, fps)
                yield encoder.write
                encoder.finish()
        except av.FFmpegError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror}); check the disk with: df -h") from error


class _Encoder:
    """The stream is opened at the first frame, whose size it takes."""

    def __init__(self, container: OutputContainer, path: Path, fps: float) -> None:
        self._container = container
        self._path = path
        self._rate = Fraction(fps).limit_denominator(1001)
        self._stream: VideoStream | None = None
        self._size = (0, 0)
        self._warned = False
        self._last = -1

    def write(self, picture: Image, frame: Frame) -> None:
        height, width = picture.shape[:2]
        if self._stream is None:
            self._size = (width, height)
            self._stream = self._open_stream()
        if (width, height) != self._size:
            picture = self._fitted(picture, frame)
            width, height = self._size
        even = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        converted = av.VideoFrame.from_ndarray(np.asarray(even, np.uint8), format="bgr24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        self._last = max(round(frame.time / TIME_BASE), self._last + 1)
        converted.pts, converted.time_base = self._last, TIME_BASE
        self._container.mux(self._stream.encode(converted))

    def finish(self) -> None:
        if self._stream is None:
            raise InputError(f"{self._path}: no frame to write")
        self._container.mux(self._stream.encode(None))

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
        size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        bottom, right = height - size[1], width - size[0]
        return np.asarray(cv2.copyMakeBorder(scaled, 0, bottom, 0, right, cv2.BORDER_CONSTANT), np.uint8)

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
        stream.codec_context.colorspace = Colorspace.ITU709
        stream.codec_context.color_range = ColorRange.MPEG
        return stream
