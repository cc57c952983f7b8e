"""Decoding by PyAV: what a video file and a live source have in common.

Frames come out as a viewer shows them: turned by the display matrix, and with square pixels (the side that grows is
stretched, so no pixel is thrown away).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import cast

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.video.stream import VideoStream

from stc.errors import InputError
from stc.runtime.processors import threads_to_ask_for
from stc.runtime.video.frame import MAX_PIXELS, Damaged, Image
from stc.runtime.video.orientation import UPRIGHT, Orientation, of_display_matrix

FALLBACK_FPS = 30.0  # where the container states no usable rate
MOST_ASPECT = 8  # width to height of a pixel or the other way round; beyond is a damaged header
AV1 = ("libdav1d", "libaom-av1", "av1")
ATTACHED_PICTURE = 0x400  # FFmpeg's AV_DISPOSITION_ATTACHED_PIC: the cover of a song or film


def video_streams(container: InputContainer) -> list[VideoStream]:
    """Those that are no attached pictures, in their order."""
    return [s for s in container.streams.video if not _is_attached_picture(s)]


def video_stream(container: InputContainer, shown: str, number: int | None = None) -> VideoStream:
    """The video stream to read, ready for decoding: the `number`-th from 0, or the one that FFmpeg thinks best.

    Raises InputError when there is none, and for one that cannot be decoded or is larger than MAX_PIXELS.
    """
    streams = video_streams(container)
    if not streams:
        raise InputError(f"{shown}: no video in it, only {kinds(container)}; check it with: ffprobe {shown}")
    if number is None:
        best = container.streams.best("video")
        stream = next((s for s in streams if s is best), streams[0])
    elif number < len(streams):
        stream = streams[number]
    else:
        raise InputError(
            f"{shown}: no video stream #{number} among {len(streams)}, counted from #0; see: ffprobe {shown}"
        )
    convert = f"convert it with: ffmpeg -i {shown}"
    if stream.codec_context is None:
        raise InputError(f"{shown}: its codec is unknown to this build of PyAV; {convert} out.mp4")
    if stream.width * stream.height > MAX_PIXELS:
        size = f"{stream.width}x{stream.height}"
        raise InputError(f"{shown}: {size} is more than {MAX_PIXELS:,} pixels; {convert} -vf scale=3840:-2 out.mp4")
    # The header may lie, and a frame may be larger than it says: the decoder has the same limit.
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    stream.codec_context.thread_count = threads_to_ask_for(None) or 0  # FFmpeg does not know of quotas; 0: it counts
    return stream


def _is_attached_picture(stream: VideoStream) -> bool:
    return bool(int(getattr(stream, "disposition", 0)) & ATTACHED_PICTURE)  # PyAV 13 does not tell


def kinds(container: InputContainer) -> str:
    """What streams there are that are no video: "audio, cover picture"."""
    found = {"cover picture" if s.type == "video" else s.type for s in container.streams}
    return ", ".join(sorted(found)) or "nothing"


def nominal_fps(stream: VideoStream) -> float:
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    return rate if 0 < rate <= 1000 else FALLBACK_FPS


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Width to height of a pixel as it is shown; 1 where nothing sensible is stated."""
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    return aspect if Fraction(1, MOST_ASPECT) <= aspect <= MOST_ASPECT else Fraction(1)


def squared(width: int, height: int, aspect: Fraction) -> tuple[int, int]:
    """(W, H) of the frame once its pixels, which are `aspect` times as wide as high, are square."""
    wide, high = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return (wide, high) if wide * high <= MAX_PIXELS else (width, height)


def frame_size(stream: VideoStream) -> tuple[int, int] | None:
    """(W, H) before a turn, which only frames tell of."""
    if not (stream.width and stream.height):
        return None
    return squared(stream.width, stream.height, pixel_aspect(stream))


def decoded(
    packets: Iterator[av.Packet[VideoStream]], flush: Callable[[None], list[av.VideoFrame]]
) -> Iterator[av.VideoFrame | Damaged]:
    """The frames of `packets`, and Damaged for one that cannot be decoded. What the decoder holds when the packets end
    by an error is given before the error goes on.

    A packet of AV1 (a temporal unit) shows one frame, and its decoders pass over what they do not know, such as zeros,
    without a word: those without a frame are Damaged at the end, too.
    """
    unanswered = 0  # packets of AV1 that gave neither a frame nor an error yet

    def attempt(decode: Callable[[], list[av.VideoFrame]]) -> Iterator[av.VideoFrame | Damaged]:
        nonlocal unanswered
        try:
            found = decode()
        except av.EOFError:  # flushed twice
            return
        except av.FFmpegError:
            unanswered -= 1
            yield Damaged()
        else:
            unanswered -= len(found)
            yield from found

    av1 = False
    try:
        for packet in packets:
            av1 = av1 or packet.stream.codec_context.name in AV1
            unanswered += packet.size > 0 and not packet.is_discard  # not shown: an edit list begins behind it
            yield from attempt(packet.decode)
    except av.FFmpegError:
        yield from attempt(lambda: flush(None))
        raise
    if av1:
        yield from [Damaged()] * unanswered


def stamp(picture: av.VideoFrame) -> float | None:
    """Presentation time in seconds, of any origin."""
    return None if picture.pts is None or picture.time_base is None else float(picture.pts * picture.time_base)


def shown_size(picture: av.VideoFrame, aspect: Fraction) -> tuple[int, int]:
    """(W, H) of `to_image`."""
    return _upright(picture).size(*squared(picture.width, picture.height, aspect))


def to_image(picture: av.VideoFrame, aspect: Fraction) -> Image:
    """Any pixel format to uint8 (H, W, 3) BGR: gray is repeated, alpha dropped, more than 8 bits reduced to 8.

    aspect: of the stream's pixels, see `pixel_aspect`.
    """
    width, height = squared(picture.width, picture.height, aspect)
    pixels = cast(Image, picture.to_ndarray(format="bgr24", width=width, height=height))
    return _upright(picture).apply(pixels)


def _upright(picture: av.VideoFrame) -> Orientation:
    matrix = picture.side_data.get("DISPLAYMATRIX")
    return UPRIGHT if matrix is None else of_display_matrix(bytes(cast(SideData, matrix)))
