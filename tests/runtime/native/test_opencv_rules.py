"""The native "area" and "linear" against OpenCV, against exact averages, and against themselves: sizes, views, threads
and instruction sets.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime import Letterbox
from stc.runtime.frames.yuv import YuvFrame
from stc.runtime.native import filters
from stc.runtime.native.library import Library, find
from stc.runtime.native.resize import resize, resize_yuv

ROOT = Path(__file__).parents[3]
Picture = NDArray[np.uint8]
METHODS = {"area": cv2.INTER_AREA, "linear": cv2.INTER_LINEAR}
# OpenCV on x86-64; elsewhere its packages may use code of the vendors'.
LEVELS = {"area": 1, "linear": 0 if platform.machine() in ("x86_64", "AMD64") else 1}
VIDEOS = ((720, 1280), (1080, 1920), (361, 639), (480, 640))


@pytest.fixture(scope="module")
def library() -> Library:
    found = find()
    assert isinstance(found, Library), found
    return found.with_threads(2)


def noise(size: tuple[int, int], seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def resized(library: Library, picture: Picture, size: tuple[int, int], rule: str) -> Picture:
    target = np.full((*size, 3), 77, np.uint8)
    resize(library, picture, target, rule)
    return target


def by_opencv(picture: Picture, size: tuple[int, int], rule: str) -> Picture:
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size[::-1], interpolation=METHODS[rule]), np.uint8)


def difference(one: Picture, other: NDArray[Any]) -> float:
    return float(np.abs(one.astype(float) - other).max())


extents = st.one_of(st.integers(1, 8), st.integers(1, 60), st.integers(1, 500))
sizes = st.tuples(extents, extents)


@given(source=sizes, target=sizes, seed=st.integers(0, 2**32 - 1), rule=st.sampled_from(list(METHODS)))
@settings(max_examples=250, deadline=None)
@example((1, 1), (1, 1), 0, "area")
@example((1, 5000), (1, 448), 0, "area")
@example((25, 46), (28, 58), 0, "area")  # both grow: boundaries fall on pixels'
@example((1000, 3), (999, 3), 0, "area")  # shares below what OpenCV keeps
@example((400, 600), (200, 300), 0, "linear")  # where OpenCV averages instead
def test_linear_is_opencv_s_to_the_bit_and_area_within_one_grey_level(
    library: Library, source: tuple[int, int], target: tuple[int, int], seed: int, rule: str
) -> None:
    picture = noise(source, seed)
    assert difference(resized(library, picture, target, rule), by_opencv(picture, target, rule)) <= LEVELS[rule]


def overlaps(source: int, target: int) -> NDArray[np.int64]:
    """What each target pixel covers of each source pixel, (target, source), in 1 / target of a source pixel: exact."""
    o, s = np.arange(target)[:, None] * source, np.arange(source) * target
    return np.maximum(np.minimum(o + source, s + target) - np.maximum(o, s), 0)


@given(source=sizes, shrink=st.tuples(st.floats(0, 1), st.floats(0, 1)), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_area_is_the_exact_average_rounded(
    library: Library, source: tuple[int, int], shrink: tuple[float, float], seed: int
) -> None:
    target = tuple(max(1, int(side * share)) for side, share in zip(source, shrink, strict=True))
    picture = noise(source, seed)
    y, x = (overlaps(old, new) for old, new in zip(source, target, strict=True))
    sums = np.einsum("os,swc,pw->opc", y, picture.astype(np.int64), x, optimize=True)
    exact = sums / (source[0] * source[1])
    # 0.5 by rounding; 1/256 between the passes; weights of 14 bits or more: 0.01 for each axis.
    assert difference(resized(library, picture, (target[0], target[1]), "area"), exact) <= 0.53


@pytest.mark.parametrize("rule", METHODS)
@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_a_picture_of_one_level_stays_one(library: Library, rule: str, value: int) -> None:
    for size in ((252, 448), (7, 3), (600, 500)):
        assert (resized(library, np.full((97, 211, 3), value, np.uint8), size, rule) == value).all()


@pytest.mark.parametrize("rule", METHODS)
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (64, 96), (97, 211)])
def test_the_same_size_changes_nothing(library: Library, rule: str, size: tuple[int, int]) -> None:
    np.testing.assert_array_equal(resized(library, noise(size), size, rule), noise(size))


@pytest.mark.parametrize("rule", METHODS)
@pytest.mark.parametrize("source", VIDEOS)
def test_videos_to_the_model_s_input(library: Library, source: tuple[int, int], rule: str) -> None:
    """Noise and the ends of the range, where sums are greatest."""
    picture = noise(source)
    picture[:100] = 255
    picture[-100:] = 0
    assert difference(resized(library, picture, (252, 448), rule), by_opencv(picture, (252, 448), rule)) <= LEVELS[rule]


def test_differences_from_opencv_are_rare(library: Library) -> None:
    """Both are rounded, OpenCV from float32: they differ where the average lies within 0.02 of the middle."""
    found, expected = (form(noise((720, 1280))) for form in (
        lambda p: resized(library, p, (252, 448), "area"), lambda p: by_opencv(p, (252, 448), "area")
    ))  # fmt: skip
    assert (found != expected).mean() < 0.01


VIEWS: dict[str, Callable[[Picture], Picture]] = {
    "upside down": lambda p: p[::-1],
    "mirrored": lambda p: p[:, ::-1],
    "RGB": lambda p: p[..., ::-1],
    "RGB, mirrored, upside down": lambda p: p[::-1, ::-1, ::-1],
    "a part": lambda p: p[5:90:2, 3:80],
    "every second pixel": lambda p: p[:, ::2],
    "transposed": lambda p: p.transpose(1, 0, 2),
    "planes": lambda p: np.ascontiguousarray(p.transpose(2, 0, 1)).transpose(1, 2, 0),
    "BGRA": lambda p: np.concatenate((p, p[..., :1]), axis=2)[..., :3],
    "RGBA": lambda p: np.concatenate((p, p[..., :1]), axis=2)[..., 2::-1],
    "grey": lambda p: np.broadcast_to(p[..., 1:2], p.shape),
    "one row again and again": lambda p: np.broadcast_to(p[3], p.shape),
    "one pixel again and again": lambda p: np.broadcast_to(p[:, 5:6], p.shape),
    "Fortran order": np.asfortranarray,
    "a column of a wide picture": lambda p: p[:, 40:41],
}


@pytest.mark.parametrize("rule", ["area", "linear", "pil-bilinear"])
@pytest.mark.parametrize("view", VIEWS)
def test_the_picture_may_be_any_view_and_is_that_picture(library: Library, view: str, rule: str) -> None:
    picture = VIEWS[view](noise((100, 110)))
    for size in ((40, 50), (130, 5), (100, 110)):
        expected = resized(library, np.ascontiguousarray(picture), size, rule)
        np.testing.assert_array_equal(resized(library, picture, size, rule), expected)


@pytest.mark.parametrize("rule", ["area", "linear", "pil-bilinear"])
@pytest.mark.parametrize(
    "view", ["upside down", "mirrored", "RGB, mirrored, upside down", "RGBA", "every second pixel"]
)
def test_no_byte_outside_a_view_matters(library: Library, view: str, rule: str) -> None:
    """The view's own bytes are all that is read into the result, whatever lies around it."""
    whole = noise((60, 80))
    picture = VIEWS[view](whole[10:50, 7:70])
    first = resized(library, picture, (17, 23), rule)
    around = np.ones(whole.shape, bool)
    around[10:50, 7:70] = False
    whole[around] ^= 255
    np.testing.assert_array_equal(resized(library, picture, (17, 23), rule), first)


@pytest.mark.parametrize("rule", METHODS)
def test_only_the_target_is_written(library: Library, rule: str) -> None:
    whole = np.full((40, 60, 3), 7, np.uint8)
    resize(library, noise((50, 70)), whole[5:25, 10:43], rule)
    np.testing.assert_array_equal(whole[5:25, 10:43], resized(library, noise((50, 70)), (20, 33), rule))
    whole[5:25, 10:43] = 7
    assert (whole == 7).all()


@pytest.mark.parametrize("rule", METHODS)
def test_the_same_bytes_with_any_number_of_threads(library: Library, rule: str) -> None:
    first = resized(library.with_threads(1), noise((97, 211)), (64, 90), rule)
    for threads in (2, 5, 64):
        np.testing.assert_array_equal(resized(library.with_threads(threads), noise((97, 211)), (64, 90), rule), first)


def digest() -> str:
    """Of many resized pictures, by the library of this process."""
    library = find()
    assert isinstance(library, Library)
    rng = np.random.default_rng(7)
    found = hashlib.sha256(b"")
    for number in range(120):
        sides = rng.integers(1, (8, 40, 300)[number % 3], 4).tolist()
        view = VIEWS[("RGB", "mirrored", "BGRA", "planes", "grey")[number % 5]]
        picture = view(noise((sides[0], sides[1]), number))
        for rule in METHODS:
            found.update(resized(library.with_threads(1), picture, (sides[2], sides[3]), rule).tobytes())
    found.update(resized(library, noise((720, 1280)), (252, 448), "area").tobytes())
    rng = np.random.default_rng(8)
    frame = YuvFrame(*(rng.integers(0, 256, size, np.uint8) for size in ((181, 319), (91, 160), (91, 160))))
    target = np.empty((64, 113, 3), np.uint8)
    resize_yuv(library, frame, target, "area")
    found.update(target.tobytes())
    return f"{library.kernels} {found.hexdigest()}"


@pytest.mark.slow
def test_all_instruction_sets_give_the_same_bytes() -> None:
    code = "from tests.runtime.native.test_opencv_rules import digest; print(digest())"
    found = {}
    for asked in ("", "avx2", "portable"):
        environment = os.environ | {"STC_CPU": asked}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        kernels, value = done.stdout.split()
        found[kernels] = value
    assert "portable" in found and len(set(found.values())) == 1, found


@pytest.mark.parametrize("rule", METHODS)
@pytest.mark.parametrize("frame", [(720, 1280), (97, 211), (40, 30), (64, 96), (1, 1), (3, 500)])
def test_a_letterbox_is_opencv_s(library: Library, frame: tuple[int, int], rule: str) -> None:
    letterbox = Letterbox.fit(frame, (64, 96), rule, (1, 2, 3))
    assert difference(letterbox.apply(noise(frame), library), letterbox.apply(noise(frame))) <= LEVELS[rule]


@pytest.mark.parametrize("first", [[0, 3], [-1, 0], [1, 0], [0, 4]])
def test_an_axis_that_reads_outside_is_an_error(
    library: Library, monkeypatch: pytest.MonkeyPatch, first: list[int]
) -> None:
    axis = np.array(first, np.int32), np.full((2, 2), 1 << 21, np.int32)
    monkeypatch.setattr(filters, "area", lambda source, target: axis)
    with pytest.raises(InputError, match="out of range"):
        resized(library, np.zeros((4, 4, 3), np.uint8), (2, 2), "area")


def test_weights_of_more_than_one_are_an_error(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    axis = np.array([0, 2], np.int32), np.full((2, 2), (1 << 21) + 1, np.int32)
    monkeypatch.setattr(filters, "area", lambda source, target: axis)
    with pytest.raises(InputError, match="out of range"):
        resized(library, np.zeros((4, 4, 3), np.uint8), (2, 2), "area")
