"""Pixels in memory that arrays had which nobody has any more: never in an array that somebody still has."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from stc.runtime.masks.box_bits import boxed
from stc.runtime.masks.pixel_buffer import PixelBuffer, Pool

SIZES = ((33, 100), (50, 41))


def masks(seed: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Boxes of noise, none to five."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((rng.integers(0, 6), *size), np.bool_)
    for mask in pixels:
        (y0, y1), (x0, x1) = (np.sort(rng.integers(0, side + 1, 2)) for side in size)
        mask[y0:y1, x0:x1] = rng.random((y1 - y0, x1 - x0)) > 0.4
    return pixels


def test_arrays_stay_what_they_were_as_long_as_anything_of_them_lives() -> None:
    """Of frames of two sizes; whole arrays, views and views of views are kept for a while, at random."""
    rng = np.random.default_rng(1)
    kept: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]] = []
    for seed in range(300):
        wanted = masks(seed, SIZES[seed // 10 % 2])
        found = boxed(wanted).dense()
        np.testing.assert_array_equal(found, wanted)
        kept.append([(found, wanted), (found[1:], wanted[1:]), (found[1:][:, ::2].T, wanted[1:][:, ::2].T)][seed % 3])
        del found
        if len(kept) > 6:
            kept.pop(rng.integers(len(kept)))
        for one, other in kept:
            np.testing.assert_array_equal(one, other)


def draw(buffer: PixelBuffer) -> NDArray[np.bool_]:
    return boxed(masks(3, SIZES[0])).dense(into=buffer)


def test_memory_serves_again_when_the_last_view_is_gone_and_not_before() -> None:
    pool = Pool(1 << 20)
    first = pool.drawn(draw, SIZES[0])
    where, view = first.ctypes.data, first[1, 3:]
    del first
    second = pool.drawn(draw, SIZES[0])
    assert second.ctypes.data != where
    del view
    third = pool.drawn(draw, SIZES[0])
    assert third.ctypes.data == where


def test_no_more_is_kept_than_was_said_and_the_last_ones_are() -> None:
    one = draw(PixelBuffer()).nbytes
    pool, small = Pool(2 * one), Pool(one - 1)
    arrays = [pool.drawn(draw, SIZES[0]) for _ in range(5)]
    addresses = [array.ctypes.data for array in arrays]
    assert pool.nbytes == 0
    while arrays:
        arrays.pop(0)
    assert pool.nbytes == 2 * one
    again = [pool.drawn(draw, SIZES[0]) for _ in range(2)]
    assert [array.ctypes.data for array in again] == addresses[:2:-1]
    small.drawn(draw, SIZES[0])
    assert small.nbytes == 0


def test_no_array_can_be_written_to_by_whoever_has_it() -> None:
    """Or the next one would have what was written there."""
    found = boxed(masks(3, SIZES[0])).dense()
    for array in (found, found[0], found.view(np.uint8), np.asarray(found)):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True
    for copy in (found.copy(), np.array(found), pickle.loads(pickle.dumps(found))):
        copy[...] = True
    assert not found.all()


def test_threads_share_the_memory_and_no_array() -> None:
    def serve(number: int) -> None:
        for seed in range(number, number + 60):
            wanted = masks(seed, SIZES[seed % 2])
            found = boxed(wanted).dense()
            other = boxed(~wanted).dense()
            np.testing.assert_array_equal(found, wanted)
            np.testing.assert_array_equal(other, ~wanted)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(serve, range(0, 240, 60)))


def test_a_buffer_of_ones_own_is_used_alone() -> None:
    wanted, buffer = masks(3, SIZES[0]), PixelBuffer()
    found = boxed(wanted).dense(into=buffer)
    for seed in range(10):
        boxed(masks(seed, SIZES[0])).dense()
    np.testing.assert_array_equal(found, wanted)
    assert np.shares_memory(found, boxed(wanted).dense(into=buffer))
