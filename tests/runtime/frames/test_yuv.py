"""Frames in YUV: against FFmpeg's conversion, and against converting first and resizing then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stc.errors import InputError
from stc.runtime import Letterbox, Session, YuvFrame
from stc.runtime.letterbox import RESIZE_RULES, resize_frame
from stc.runtime.native.library import Library, find
from stc.runtime.native.resize import resize_yuv
from tests.runtime import tiny_model


@pytest.fixture(scope="module")
def library() -> Library:
    found = find()
    assert isinstance(found, Library), found
    return found.with_threads(2)


def noise(size: tuple[int, int], seed: int = 0, nv12: bool = True, **options: Any) -> YuvFrame:
    """Levels so far from the ends of the range that no colour is clipped."""
    rng, half = np.random.default_rng(seed), ((size[0] + 1) // 2, (size[1] + 1) // 2)
    y, uv = rng.integers(85, 170, size, np.uint8), rng.integers(100, 156, (*half, 2), np.uint8)
    u, v = (uv[..., 0], uv[..., 1]) if nv12 else (uv[..., 0].copy(), uv[..., 1].copy())
    return YuvFrame(y, u, v, **options)


def resized(library: Library, frame: YuvFrame, size: tuple[int, int], rule: str) -> Any:
    target = np.full((*size, 3), 7, np.uint8)
    resize_yuv(library, frame, target, rule)
    return target


sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


@given(
    source=sizes, target=sizes, seed=st.integers(0, 2**32 - 1), rule=st.sampled_from(RESIZE_RULES),
    nv12=st.booleans(), matrix=st.sampled_from(("bt601", "bt709")), full_range=st.booleans(),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_planes_first_is_within_two_levels_of_converting_first(
    library: Library, source: Any, target: Any, seed: int, rule: str, nv12: bool, matrix: str, full_range: bool
) -> None:
    """One level is that of the rules themselves, one the rounding of the conversion that comes first."""
    frame = noise(source, seed, nv12, matrix=matrix, full_range=full_range)
    expected = resize_frame(frame.bgr(), target, rule, library)
    assert np.abs(resized(library, frame, target, rule).astype(int) - expected).max() <= 2


@given(source=sizes, target=sizes, seed=st.integers(0, 2**32 - 1), swapped=st.booleans())
@settings(max_examples=60, deadline=None)
def test_colours_that_lie_between_each_other_give_the_bytes_of_planes(
    library: Library, source: Any, target: Any, seed: int, swapped: bool
) -> None:
    """NV12, and NV21, whose colours are the other way round."""
    half = (source[0] + 1) // 2, (source[1] + 1) // 2
    y, uv = (np.random.default_rng(seed).integers(0, 256, size, np.uint8) for size in (source, (*half, 2)))
    u, v = (uv[..., 1], uv[..., 0]) if swapped else (uv[..., 0], uv[..., 1])
    expected = resized(library, YuvFrame(y, u.copy(), v.copy()), target, "area")
    assert np.array_equal(resized(library, YuvFrame(y, u, v), target, "area"), expected)


@pytest.mark.parametrize("nv12", [True, False])
def test_the_conversion_is_ffmpeg_s_within_four_levels(library: Library, nv12: bool) -> None:
    """FFmpeg's of planes, which rounds each part to whole levels before it adds them: 3 levels are seen. (Of NV12 it
    interpolates the chroma first, so both are compared with its conversion of planes.)
    """
    frame = noise((120, 200), nv12=nv12)
    planes = np.concatenate([plane.reshape(-1, 200) for plane in (frame.y, np.stack((frame.u, frame.v)))])
    ffmpeg = av.VideoFrame.from_ndarray(planes, format="yuv420p").to_ndarray(format="bgr24").astype(int)
    for ours in (frame.bgr(), resized(library, frame, frame.size, "area")):
        assert np.abs(ours - ffmpeg).max() <= 4


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
def test_colours_without_chroma_are_grey_from_black_to_white(library: Library, matrix: str, full_range: bool) -> None:
    levels = (0, 128, 255) if full_range else (16, 126, 235)
    y = np.repeat(np.array(levels, np.uint8), 4)[None].repeat(4, 0)
    grey = np.full((2, 6), 128, np.uint8)
    frame = YuvFrame(y, grey, grey, matrix, full_range)
    for picture in (frame.bgr(), resized(library, frame, (4, 12), "area")):
        assert (picture == picture[..., :1]).all() and picture[0, ::4, 0].tolist() == [0, 128, 255]


def test_the_same_bytes_with_any_number_of_threads_and_any_strides(library: Library) -> None:
    frame = noise((97, 131))
    first = resized(library.with_threads(1), frame, (40, 50), "area")
    views = YuvFrame(frame.y.copy("F"), frame.u[::-1].copy()[::-1], frame.v.copy("F"))
    for threads in (1, 2, 7):
        for one in (frame, views):
            np.testing.assert_array_equal(resized(library.with_threads(threads), one, (40, 50), "area"), first)


def test_a_letterbox_takes_them_with_the_library_and_without(library: Library) -> None:
    frame = noise((90, 160))
    letterbox = Letterbox.fit(frame.size, (64, 96), "area", (1, 2, 3))
    one, other = letterbox.apply(frame, library), letterbox.apply(frame)
    assert np.abs(one.astype(int) - other).max() <= 2
    np.testing.assert_array_equal(one[54:], np.broadcast_to(np.array((1, 2, 3), np.uint8), (10, 96, 3)))


def test_a_stream_sees_in_them_what_it_sees_in_their_picture(tmp_path: Path) -> None:
    """To the two levels above; the tiny model itself looks for exact colours, which YUV cannot hold."""
    session = Session(tiny_model.write_bundle(tmp_path / "bundle"), threads=1)
    frame = noise((90, 144), 3)
    stream = session.stream("one")
    (box, seen), (other_box, other) = stream.prepare(frame), stream.prepare(frame.bgr())
    assert box == other_box and seen.shape == other.shape
    assert np.abs(seen.astype(int) - other).max() <= 2
    assert stream(frame).frame_size == frame.size == (90, 144)


@pytest.mark.parametrize(
    ("planes", "message"),
    [
        (((4, 6), (2, 3), (2, 2)), "plane v must be uint8"),
        (((4, 6), (4, 6), (4, 6)), "plane u must be uint8"),
        (((4, 6, 1), (2, 3), (2, 3)), "plane y must be uint8"),
        (((0, 6), (0, 3), (0, 3)), "plane y must be uint8"),
    ],
)
def test_planes_of_other_shapes_are_input_errors(planes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        YuvFrame(*(np.zeros(shape, np.uint8) for shape in planes))


def test_planes_of_other_kinds_are_input_errors() -> None:
    y, c = np.zeros((4, 6), np.uint8), np.zeros((2, 3), np.uint8)
    with pytest.raises(InputError, match="got uint16"):
        YuvFrame(y.astype(np.uint16), c, c)
    with pytest.raises(InputError, match="got list"):
        YuvFrame(y, c, c.tolist())  # type: ignore[arg-type]
    with pytest.raises(InputError, match="known: bt601, bt709"):
        YuvFrame(y, c, c, "bt2020")
