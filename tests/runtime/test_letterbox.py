"""Letterbox: sizes, the three resize rules, the border, the way back, and what is no frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stc.errors import InputError
from stc.runtime import Letterbox
from stc.runtime.letterbox import check_frame

BORDER = (104, 116, 124)


def _noise(height: int, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(height * 10007 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("frame", "room", "resized"),
    [
        ((720, 1280), (360, 640), (360, 640)),
        ((720, 1280), (256, 448), (252, 448)),
        ((1280, 720), (256, 448), (256, 144)),
        ((480, 640), (360, 640), (360, 480)),
        ((101, 203), (256, 448), (223, 448)),  # 222.86 rounds up
        ((1, 1), (256, 448), (256, 256)),
        ((1, 5000), (256, 448), (1, 448)),  # 0.09 would round to nothing
    ],
)
def test_the_picture_is_the_largest_that_fits(
    frame: tuple[int, int], room: tuple[int, int], resized: tuple[int, int]
) -> None:
    assert Letterbox.fit(frame, room, "linear", BORDER).resized_size == resized


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 700), st.integers(1, 700))
def test_the_picture_never_exceeds_the_room(height: int, width: int, room_h: int, room_w: int) -> None:
    resized_h, resized_w = Letterbox.fit((height, width), (room_h, room_w), "area", BORDER).resized_size
    assert 1 <= resized_h <= room_h and 1 <= resized_w <= room_w
    assert resized_h == room_h or resized_w == room_w


@pytest.mark.parametrize("size", [(90, 160), (97, 211), (31, 17), (1, 1)])
@pytest.mark.parametrize("rule", ["pil-bilinear", "linear", "area"])
def test_resizing_is_the_library_s_on_the_bgr_array(rule: str, size: tuple[int, int]) -> None:
    frame = _noise(*size)
    letterbox = Letterbox.fit(size, (64, 96), rule, BORDER)
    height, width = letterbox.resized_size
    if rule == "pil-bilinear":
        # Channel by channel through Pillow's grey mode, so a swap of channels or a wrong mode would show.
        planes = [
            Image.fromarray(np.ascontiguousarray(frame[..., channel])).resize(
                (width, height), Image.Resampling.BILINEAR
            )
            for channel in range(3)
        ]
        expected = np.stack([np.asarray(plane) for plane in planes], axis=-1)
    else:
        expected = cv2.resize(frame, (width, height), interpolation={"linear": 1, "area": 3}[rule])
    picture = letterbox.apply(frame)
    np.testing.assert_array_equal(picture[:height, :width], expected)
    assert picture.shape == (64, 96, 3) and picture.dtype == np.uint8 and picture.flags.c_contiguous


@pytest.mark.parametrize("size", [(40, 40), (20, 90), (64, 96)])
def test_the_border_fills_exactly_the_rest(size: tuple[int, int]) -> None:
    letterbox = Letterbox.fit(size, (64, 96), "linear", BORDER)
    height, width = letterbox.resized_size
    picture = letterbox.apply(np.zeros((*size, 3), np.uint8))
    outside = np.ones((64, 96), bool)
    outside[:height, :width] = False
    assert (picture[outside] == BORDER).all() and not picture[~outside].any()


def test_a_frame_of_the_right_size_is_copied_not_shared() -> None:
    frame = _noise(64, 96)
    picture = Letterbox.fit((64, 96), (64, 96), "area", BORDER).apply(frame)
    np.testing.assert_array_equal(picture, frame)
    assert not np.shares_memory(picture, frame)


@pytest.mark.parametrize("rule", ["pil-bilinear", "linear", "area"])
def test_a_frame_may_be_any_view(rule: str) -> None:
    frame = _noise(80, 120)
    letterbox = Letterbox.fit((40, 120), (64, 96), rule, BORDER)
    view = frame[::-2, :, ::-1]
    np.testing.assert_array_equal(letterbox.apply(view), letterbox.apply(view.copy()))


@given(st.integers(1, 2000), st.integers(1, 2000))
@settings(max_examples=50)
def test_boxes_of_the_whole_picture_are_boxes_of_the_whole_frame(height: int, width: int) -> None:
    letterbox = Letterbox.fit((height, width), (256, 448), "linear", BORDER)
    resized_h, resized_w = letterbox.resized_size
    boxes = np.array([[0, 0, resized_w, resized_h], [-9, -9, resized_w + 9, resized_h + 9]], np.float32)
    frame = letterbox.to_frame(boxes)
    np.testing.assert_array_equal(frame, [[0, 0, width, height]] * 2)
    assert frame.dtype == np.float32


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 1), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((3, 8, 8), np.uint8),
        np.zeros((1, 8, 8, 3), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.uint16),
        np.zeros((0, 8, 3), np.uint8),
        [[[0, 0, 0]]],
        None,
    ],
)
def test_what_is_no_bgr_frame_is_an_input_error(frame: Any) -> None:
    with pytest.raises(InputError, match="uint8"):
        Letterbox.fit((8, 8), (64, 96), "linear", BORDER).apply(frame)


@pytest.mark.parametrize(
    ("frame", "advice"),
    [
        (np.zeros((8, 8), np.uint8), r"COLOR_GRAY2BGR\)"),
        (np.zeros((8, 8, 1), np.uint8), r"COLOR_GRAY2BGR\)"),
        (np.zeros((8, 8, 4), np.uint8), r"COLOR_BGRA2BGR\)"),
        (np.zeros((8, 8, 3), np.float32), r"0..255: \(255 \* frame\).astype\(numpy.uint8\) where they are 0..1"),
        (np.zeros((8, 8, 4), np.float64), "0..255"),  # the numbers first: cvtColor takes no float64
        (np.zeros((8, 8, 3), np.uint16), r"frame >> 8"),
        (np.zeros((8, 8, 3), bool), "0..255"),
        (np.zeros((3, 8, 8), np.uint8), r"transpose\(1, 2, 0\)"),
        (np.zeros((2, 8, 8, 3), np.uint8), "one frame at a time"),
        (np.zeros((0, 8, 3), np.uint8), "no pixels"),
        ("clip.mp4", r"open_source\(path\)"),
        (Path("clip.mp4"), r"open_source\(path\)"),
        ([np.zeros((8, 8, 3), np.uint8)], "one frame at a time"),
        (Image.new("RGB", (8, 8)), r"numpy.asarray\(picture.convert\('RGB'\)\)"),
    ],
)
def test_what_to_do_is_said_for_each_kind_of_frame(frame: Any, advice: str) -> None:
    with pytest.raises(InputError, match=advice) as error:
        check_frame(frame)
    if "GRAY" not in advice:
        assert "GRAY" not in str(error.value)


def test_wrong_sizes_and_rules_are_input_errors() -> None:
    with pytest.raises(InputError, match="9x8"):
        Letterbox.fit((8, 8), (64, 96), "linear", BORDER).apply(np.zeros((9, 8, 3), np.uint8))
    with pytest.raises(InputError, match="known: pil-bilinear, linear, area"):
        Letterbox.fit((8, 8), (64, 96), "cubic", BORDER)
    with pytest.raises(InputError, match="at least one pixel"):
        Letterbox.fit((0, 8), (64, 96), "linear", BORDER)
