"""Every published form of a mask is read, and what pycocotools would stumble over is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco

from stc.segmentation import to_rle

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
        ([[1, 1, 5, 1, 5, 1e9]], "within 100000 pixels"),
        ([[1, 1, 5, 1, 5, "5"]], "must be numbers"),
    ],
)
def test_what_is_wrong_is_said(segmentation: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_rle(segmentation, SIZE)


@given(st.binary(max_size=12))
def test_no_text_gets_through_that_does_not_fill_the_picture(counts: bytes) -> None:
    try:
        read = to_rle({"size": list(SIZE), "counts": counts}, SIZE)
    except ValueError:
        return
    assert coco.decode(read).shape == SIZE
