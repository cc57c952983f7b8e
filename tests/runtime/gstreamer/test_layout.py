"""Frames in the bytes of a buffer: every format, with rows and planes that lie apart, and buffers too short."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime import YuvFrame
from stc.runtime.gstreamer.layout import FORMATS, Format, Layout


def planes_of(format: Format, size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Random planes as rows of bytes, in the order that they have in memory."""
    random, (height, width) = np.random.default_rng(3), size
    half = (height + 1) // 2, (width + 1) // 2
    shapes = {
        "BGR": [(height, 3 * width)],
        "RGB": [(height, 3 * width)],
        "NV12": [size, (half[0], 2 * half[1])],
        "I420": [size, half, half],
    }[format]
    return [random.integers(0, 256, shape, np.uint8) for shape in shapes]


def laid_out(planes: list[NDArray[np.uint8]], spare: int) -> tuple[bytes, tuple[int, ...], tuple[int, ...]]:
    """Bytes of planes, `spare` bytes before each and at the end of each row; strides and offsets."""
    content, offsets = b"", []
    for plane in planes:
        content += b"\xaa" * spare
        offsets.append(len(content))
        content += np.pad(plane, ((0, 0), (0, spare)), constant_values=0xBB).tobytes()
    return content, tuple(plane.shape[1] + spare for plane in planes), tuple(offsets)


@pytest.mark.parametrize("spare", [0, 5])
@pytest.mark.parametrize("size", [(4, 6), (5, 7)], ids=["even", "odd"])
@pytest.mark.parametrize("format", FORMATS)
def test_the_frame_is_read_where_the_layout_says(format: Format, size: tuple[int, int], spare: int) -> None:
    planes = planes_of(format, size)
    content, strides, offsets = laid_out(planes, spare)
    frame = Layout(format, size, strides, offsets).frame(content)
    if isinstance(frame, YuvFrame):
        chroma = [planes[1][:, 0::2], planes[1][:, 1::2]] if format == "NV12" else planes[1:]
        for found, expected in zip((frame.y, frame.u, frame.v), [planes[0], *chroma], strict=True):
            np.testing.assert_array_equal(found, expected)
    else:
        pixels = planes[0].reshape(*size, 3)
        np.testing.assert_array_equal(frame, pixels if format == "BGR" else pixels[:, :, ::-1])


def test_the_last_row_needs_no_padding_behind_it() -> None:
    """As a camera's buffer ends with its last pixel."""
    planes = planes_of("BGR", (4, 6))
    content, strides, offsets = laid_out(planes, 5)
    layout = Layout("BGR", (4, 6), strides, offsets)
    np.testing.assert_array_equal(layout.frame(content[:-5]), planes[0].reshape(4, 6, 3))
    with pytest.raises(InputError, match="too short for BGR of 6x4"):
        layout.frame(content[:-6])


@pytest.mark.parametrize("format", FORMATS)
def test_a_short_buffer_is_refused_and_not_read_beyond(format: Format) -> None:
    content, strides, offsets = laid_out(planes_of(format, (4, 6)), 0)
    with pytest.raises(InputError, match=f"too short for {format}"):
        Layout(format, (4, 6), strides, offsets).frame(content[:-1])
    with pytest.raises(InputError, match=f"too short for {format}"):
        Layout(format, (4, 6), tuple(stride - 1 for stride in strides), offsets).frame(content)


@pytest.mark.parametrize("format", ["BGR", "RGB"])
def test_what_is_drawn_lands_in_the_buffer(format: Format) -> None:
    content, strides, offsets = laid_out(planes_of(format, (4, 6)), 5)
    memory = bytearray(content)
    Layout(format, (4, 6), strides, offsets).picture(memoryview(memory))[1, 2] = (1, 2, 3)  # BGR
    at = offsets[0] + strides[0] + 3 * 2
    assert memory[at : at + 3] == bytes((1, 2, 3) if format == "BGR" else (3, 2, 1))
    assert memory[:at] + memory[at + 3 :] == content[:at] + content[at + 3 :]


def test_colours_of_yuv_are_those_of_the_layout() -> None:
    content, strides, offsets = laid_out(planes_of("NV12", (4, 6)), 0)
    frames = [
        Layout("NV12", (4, 6), strides, offsets, matrix, full).frame(content)
        for matrix in ("bt601", "bt709")
        for full in (False, True)
    ]
    pictures = [frame.bgr() for frame in frames if isinstance(frame, YuvFrame)]
    assert len(pictures) == 4 and all((one != other).any() for one, other in pairwise(pictures))
