"""Masks as bits within boxes give what all their pixels give."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stc.annotations.masks import decode
from stc.runtime.masks.box_bits import BoxBits, boxed, tight_boxes
from stc.runtime.masks.pixel_buffer import PixelBuffer
from stc.runtime.masks.plain import packed


def masks(size: tuple[int, int], seed: int) -> NDArray[np.bool_]:
    """Noise inside random boxes, a whole frame, and nothing."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((6, *size), np.bool_)
    for mask in pixels[:4]:
        (y0, y1), (x0, x1) = (np.sort(rng.integers(0, side + 1, 2)) for side in size)
        mask[y0:y1, x0:x1] = rng.random((y1 - y0, x1 - x0)) > 0.4
    pixels[4] = True
    return pixels


@pytest.mark.parametrize("size", [(1, 1), (7, 31), (9, 32), (20, 33), (33, 100)])
@pytest.mark.parametrize("seed", range(4))
def test_every_form_has_the_pixels(size: tuple[int, int], seed: int) -> None:
    pixels = masks(size, seed)
    found = boxed(pixels)
    np.testing.assert_array_equal(found.dense(), pixels)
    np.testing.assert_array_equal(found.bits(), packed(pixels))
    texts, areas = found.rle()
    np.testing.assert_array_equal(areas, pixels.sum(axis=(1, 2)))
    np.testing.assert_array_equal(found.areas, areas)
    for text, mask in zip(texts, pixels, strict=True):
        np.testing.assert_array_equal(decode({"size": list(size), "counts": text}), mask)


def test_boxes_may_be_larger_than_their_masks() -> None:
    """As those of a GPU are, where an interpolation only may reach above the threshold."""
    pixels = masks((40, 70), 0)[:1]
    words = packed(pixels)[:, 3:, 1:]
    wide = BoxBits(
        (40, 70), np.array([[32, 3, 70, 40]], np.int32), np.zeros(1, np.int64), words.ravel(), *facts(pixels)
    )
    pixels[:, :3] = pixels[:, :, :32] = False
    np.testing.assert_array_equal(wide.dense(), pixels)
    np.testing.assert_array_equal(wide.bits(), packed(pixels))
    assert decode({"size": [40, 70], "counts": wide.rle()[0][0]}).tolist() == pixels[0].tolist()


def facts(pixels: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    return pixels.sum(axis=(1, 2), dtype=np.int64), tight_boxes(pixels)


def test_objects_are_taken_in_any_order_and_none_too() -> None:
    pixels = masks((20, 50), 3)
    for rows in (np.array([4, 0, 0]), np.array([], np.intp)):
        found = boxed(pixels).take(rows)
        np.testing.assert_array_equal(found.dense(), pixels[rows])
        np.testing.assert_array_equal(found.tight, tight_boxes(pixels[rows]))
        assert len(found.rle()[0]) == len(rows) and found.bits().shape == (len(rows), 20, 2)


def test_memory_that_is_used_again_holds_the_last_masks_alone() -> None:
    buffer = PixelBuffer()
    for seed in range(4):
        pixels = masks((33, 100), seed)[: 6 - seed]
        found = boxed(pixels).dense(into=buffer)
        np.testing.assert_array_equal(found, pixels)
        assert not found.flags.writeable
