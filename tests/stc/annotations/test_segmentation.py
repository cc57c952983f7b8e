"""Every published form of a mask is read, and what pycocotools would stumble over is refused."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco

from stc.annotations.masks import decode, to_rle
from stc.errors import InputError
from tests.run_lengths import compressed, wrapping

SIZE = (6, 9)
MASK = np.zeros(SIZE, np.uint8, order="F")
MASK[1:4, 2:7] = 1
COMPRESSED = coco.encode(MASK)["counts"].decode()


@pytest.mark.parametrize(
    "segmentation",
    [
        [[2, 1, 7, 1, 7, 4, 2, 4]],
        {"size": list(SIZE), "counts": [13, 3, 3, 3, 3, 3, 3, 3, 3, 3, 14]},
        {"size": list(SIZE), "counts": COMPRESSED},
        {"size": list(SIZE), "counts": COMPRESSED.encode()},
    ],
)
def test_every_published_form_is_read(segmentation: Any) -> None:
    assert (coco.decode(to_rle(segmentation, SIZE)) == MASK).all()


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 1)))
def test_every_mask_of_pycocotools_passes(mask: np.ndarray[Any, Any]) -> None:
    counts = coco.encode(np.asfortranarray(mask))["counts"]
    read = to_rle({"size": list(mask.shape), "counts": counts.decode()}, mask.shape)
    assert (coco.decode(read) == mask).all()


def test_a_large_picture_passes() -> None:
    size = (20_000, 30_000)
    counts = coco.frPyObjects({"size": size, "counts": [1, 599_999_998, 1]}, *size)["counts"]
    assert coco.area(to_rle({"size": list(size), "counts": counts.decode()}, size)) == 599_999_998


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (7, "neither polygons nor an RLE"),
        ({"counts": [54]}, "neither polygons nor an RLE"),
        ({"size": [9, 6], "counts": [54]}, r"size \[9, 6\] in a picture of \[6, 9\]"),
        ({"size": [6, 9], "counts": 54}, "neither text nor a list"),
        ({"size": [6, 9], "counts": [53]}, "cover 53 of 54 pixels"),
        ({"size": [6, 9], "counts": [50, -1, 5]}, "negative run"),
        ({"size": [6, 9], "counts": [54.0]}, "whole numbers"),
        ({"size": [6, 9], "counts": [2**70]}, "whole numbers"),
        ({"size": [6, 9], "counts": ""}, "cover 0 of 54 pixels"),
        ({"size": [6, 9], "counts": COMPRESSED + "1"}, "cover 58 of 54 pixels"),  # relative to the last run but one, 3
        ({"size": [6, 9], "counts": COMPRESSED[:-1] + "o"}, "no compressed RLE"),  # the last run goes on
        ({"size": [6, 9], "counts": "!!"}, "no compressed RLE"),
        ({"size": [6, 9], "counts": "\u20ac"}, "no compressed RLE"),
        ({"size": [6, 9], "counts": "o" * 30 + "0"}, "a run that no picture has"),
        ({"size": [6, 9], "counts": "O"}, "negative run"),
        ([], "empty list"),
        ([[1, 1, 5, 1]], "three x, y pairs"),  # pycocotools takes four numbers for a box
        ([[1, 1, 5, 1, 5]], "three x, y pairs"),
        ([[1, 1, 5, 1, 5, float("nan")]], "must be numbers"),
        ([[1, 1, 5, 1, 5, 1e9]], "within 1000 pixels"),
        ([[1, 1, 5, 1, 5, "5"]], "must be numbers"),
        ([[0, 0, 1, 1] * 50_001], "of 100002 points; at most 100000"),
        ([[-1000, 0, 1000, 0] * 300], "outline is 1200000 pixels long; at most 1000000"),
        ({"size": [6, 9], "counts": [0] * 110}, "110 runs for 54 pixels"),
        ({"size": [6, 9], "counts": [2**31 - 1] * 3}, "a run of 2147483647 of 54 pixels"),
    ],
)
def test_what_is_wrong_is_said(segmentation: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_rle(segmentation, SIZE)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((6, 9), "74900 or more runs for 54 pixels"),
        ((500, 500), "a run of 562949953388544 of 250000 pixels"),  # so many pixels may have so many runs
    ],
)
def test_runs_whose_sum_wraps_around_to_the_picture_are_refused(size: tuple[int, int], message: str) -> None:
    runs = wrapping(size[0] * size[1])
    assert np.array(runs, np.int64).sum() == size[0] * size[1]
    with pytest.raises(ValueError, match=message):
        to_rle({"size": list(size), "counts": compressed(runs)}, size)


@pytest.mark.parametrize("counts", ["0" * (20 << 20), [0] * (5 << 20)], ids=["text", "list"])
def test_a_mask_of_too_many_runs_is_refused_before_memory_is_asked_for(counts: str | list[int]) -> None:
    """Reading them takes 8 bytes and more for each."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="runs for 54 pixels"):
            to_rle({"size": [6, 9], "counts": counts}, (6, 9))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_runs_of_no_pixel_say_the_same_as_without_them(runs: list[int]) -> None:
    runs = [*runs, len(runs)]
    size = (1, sum(runs))
    pixels = np.repeat(np.arange(len(runs)) % 2, runs)[None].astype(np.uint8)
    for counts in (runs, compressed(runs), compressed(runs).encode()):
        read = to_rle({"size": list(size), "counts": counts}, size)
        expected = coco.encode(np.asfortranarray(pixels))["counts"]
        found = read["counts"]
        assert (found.encode() if isinstance(found, str) else found) == expected
        assert coco.iou([read], [read], [0])[0, 0] == (1.0 if pixels.any() else 0.0)


def test_what_pycocotools_raises_is_one_of_our_errors() -> None:
    with pytest.raises(InputError, match="a mask: pycocotools cannot use it"):
        decode({"size": [3], "counts": 7})


@given(st.binary(max_size=12))
def test_no_text_gets_through_that_does_not_fill_the_picture(counts: bytes) -> None:
    try:
        read = to_rle({"size": list(SIZE), "counts": counts}, SIZE)
    except ValueError:
        return
    assert coco.decode(read).shape == SIZE
