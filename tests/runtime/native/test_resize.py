"""The native resize against Pillow: equal bytes, for all sizes, threads and memory layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from stc.errors import InputError
from stc.runtime import Letterbox
from stc.runtime.native import filters
from stc.runtime.native.library import Library, find
from stc.runtime.native.resize import resize

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module")
def library() -> Library:
    found = find()
    assert isinstance(found, Library), found
    return found.with_threads(2)


def resized(library: Library, picture: Picture, size: tuple[int, int]) -> Picture:
    target = np.empty((*size, 3), np.uint8)
    resize(library, picture, target, "pil-bilinear")
    return target


def by_pillow(picture: Picture, size: tuple[int, int]) -> Picture:
    """Columns first, then rows; in one call Pillow 13 takes the other order for some pictures that change shape."""
    image = Image.fromarray(picture)
    for step in ((size[1], image.height), (size[1], size[0])):
        image = image.resize(step, Image.Resampling.BILINEAR)
    return np.asarray(image)


extents = st.one_of(st.integers(1, 60), st.integers(1, 700))


@given(source=st.tuples(extents, extents), target=st.tuples(extents, extents), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_equals_pillow_to_the_bit(
    library: Library, source: tuple[int, int], target: tuple[int, int], seed: int
) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (*source, 3), np.uint8)
    found = resized(library, picture, target)
    np.testing.assert_array_equal(found, by_pillow(picture, target))
    at_once = np.asarray(Image.fromarray(picture).resize(target[::-1], Image.Resampling.BILINEAR))
    assert np.abs(found.astype(int) - at_once).max() <= 1


@pytest.mark.parametrize("source", [(720, 1280), (1080, 1920), (360, 640), (361, 639), (2160, 3840)])
@pytest.mark.parametrize("value", [None, 0, 255])
def test_equals_pillow_on_the_sizes_of_videos(library: Library, source: tuple[int, int], value: int | None) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*source, 3), np.uint8)
    if value is not None:
        picture[:] = value  # sums at the ends of the range
    np.testing.assert_array_equal(resized(library, picture, (360, 640)), by_pillow(picture, (360, 640)))


def test_the_same_bytes_with_any_number_of_threads(library: Library) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (97, 211, 3), np.uint8)
    first = resized(library.with_threads(1), picture, (64, 90))
    for threads in (2, 5, 64):
        np.testing.assert_array_equal(resized(library.with_threads(threads), picture, (64, 90)), first)


@pytest.mark.parametrize(
    "view", [lambda p: p[::-1], lambda p: p[:, ::-1], lambda p: p[..., ::-1], lambda p: p[5:90:2, 3:80], lambda p: p.T]
)
def test_the_picture_may_be_any_view(library: Library, view: Any) -> None:
    picture = view(np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8))
    if picture.shape[2] != 3:
        picture = picture.transpose(1, 2, 0)
    np.testing.assert_array_equal(
        resized(library, picture, (40, 50)), by_pillow(np.ascontiguousarray(picture), (40, 50))
    )


def test_only_the_target_is_written(library: Library) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    whole = np.full((40, 60, 3), 7, np.uint8)
    resize(library, picture, whole[5:25, 10:43], "pil-bilinear")
    np.testing.assert_array_equal(whole[5:25, 10:43], by_pillow(picture, (20, 33)))
    whole[5:25, 10:43] = 7
    assert (whole == 7).all()


@pytest.mark.parametrize("frame", [(720, 1280), (97, 211), (64, 96), (1, 1)])
def test_a_letterbox_is_within_one_grey_level_of_pillow_s(library: Library, frame: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*frame, 3), np.uint8)
    letterbox = Letterbox.fit(frame, (64, 96), "pil-bilinear", (1, 2, 3))
    found, expected = letterbox.apply(picture, library), letterbox.apply(picture)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_an_axis_that_reads_outside_is_an_error(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    first, weights = np.array([0, 3], np.int32), np.full((2, 2), 1 << 21, np.int32)
    monkeypatch.setattr(filters, "triangle", lambda source, target: (first, weights))
    with pytest.raises(InputError, match="out of range"):
        resized(library, np.zeros((4, 4, 3), np.uint8), (2, 2))
