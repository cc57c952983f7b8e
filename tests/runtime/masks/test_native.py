"""The native masks' forms against each other and against float64, over threads, processes and bad arguments.

What they share with NumPy's is in test_masks.py.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime import Letterbox, Masks
from stc.runtime.masks.axis import Axis, composed_axis
from stc.runtime.masks.native import NativeComposer
from stc.runtime.native.library import Library, find
from stc.runtime.native.mask_head import MaskHead


@pytest.fixture(scope="module")
def library() -> Library:
    found = find()
    assert isinstance(found, Library), found
    return found.with_threads(2)


def unpacked(words: NDArray[np.uint32], width: int) -> NDArray[np.bool_]:
    pixels = np.unpackbits(words.view(np.uint8), axis=-1, bitorder="little")
    assert not pixels[..., width:].any()  # bits beyond the frame are 0
    return pixels[..., :width].astype(bool)


@given(
    n=st.integers(0, 5), cells=st.tuples(st.integers(1, 40), st.integers(1, 40)), stride=st.integers(1, 8),
    frame=st.tuples(st.integers(1, 80), st.integers(1, 200)), low=st.floats(0, 0.5), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_dense_and_bits_equal_the_matrices_in_float64(
    library: Library, n: int, cells: tuple[int, int], stride: int, frame: tuple[int, int], low: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    y, x = (composed_axis(c, stride, max(1, c * stride - c % 3), f) for c, f in zip(cells, frame, strict=True))
    probabilities = rng.uniform(low, 1, (n, *cells)).astype(np.float32)
    probabilities[:, : cells[0] // 3] = 0.1  # an edge of the window
    composer = NativeComposer(library, y, x)
    dense = composer.dense(probabilities)
    exact = y.weights.astype(np.float64) @ probabilities.astype(np.float64) @ x.weights.T.astype(np.float64)
    decided = np.abs(exact - 0.5) > 1e-6  # float32 rounding of a convex combination
    np.testing.assert_array_equal(dense[decided], (exact > 0.5)[decided])
    np.testing.assert_array_equal(unpacked(composer.bits(probabilities), frame[1]), dense)


@given(size=st.tuples(st.integers(1, 40), st.integers(1, 150)), density=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_rings_go_around_the_parts_and_holes_that_opencv_counts(
    library: Library, size: tuple[int, int], density: float, seed: int
) -> None:
    """Parts of 8 neighbours, holes of 4; with the mask to the right, so that the rings' areas add up to the mask's."""
    pixels = (np.random.default_rng(seed).random((2, *size)) < density).astype(np.float32)
    composer = NativeComposer(library, *(composed_axis(side, 1, side, side) for side in size))
    for mask, parts in zip(pixels > 0.5, composer.parts(pixels), strict=True):
        components, _ = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        background, _ = cv2.connectedComponents(np.pad(~mask, 1, constant_values=True).astype(np.uint8), connectivity=4)
        assert len(parts) == components - 1  # less the background
        assert sum(len(holes) for _, holes in parts) == background - 2  # less what is no background, and the outside
        area = 0.0
        for outer, holes in parts:
            signed = [_signed_area(ring) for ring in (outer, *holes)]
            assert signed[0] > 0 and max(signed[1:], default=-1) < 0
            area += sum(signed)
        assert area == mask.sum()


def _signed_area(ring: NDArray[np.int64]) -> float:
    """Positive with the inside to the right, y down. Edges run along rows and columns in turn."""
    steps = np.roll(ring, -1, axis=0) - ring
    assert ((steps == 0).sum(1) == 1).all() and (steps[:, 0] == 0).sum() * 2 == len(ring)
    return float((ring[:, 0] * steps[:, 1]).sum())


def test_more_rings_than_the_first_guess(library: Library) -> None:
    """A mask of single pixels, none of which touches another: a ring of four corners each."""
    pixels = np.zeros((2, 200, 200), np.float32)
    pixels[:, ::2, ::2] = 1
    axis = composed_axis(200, 1, 200, 200)
    for parts in NativeComposer(library, axis, axis).parts(pixels):
        assert len(parts) == 100 * 100 and all(len(outer) == 4 and not holes for outer, holes in parts)


def test_cells_at_the_threshold_are_outside_after_any_rounding(library: Library) -> None:
    """The box of cells above the threshold bounds the mask only if resampling never rounds 0.5 up."""
    axes = [composed_axis(40, 4, 160, frame) for frame in (97, 160, 333)]
    rng = np.random.default_rng(0)
    probabilities = np.where(rng.random((20, 40, 40)) < 0.5, np.float32(0.5), rng.random((20, 40, 40), np.float32) / 2)
    probabilities[:, 0, 0] = probabilities[:, -1, -1] = 1  # the window is the whole frame
    for axis in axes:
        dense = NativeComposer(library, axis, axis).dense(probabilities)
        inner = axis.reach(2, 38)  # they read cells 1 to 38
        assert not dense[:, inner, inner].any()


@pytest.mark.parametrize("n", [1, 3, 7])
def test_the_same_bytes_with_any_number_of_threads_and_again(library: Library, n: int) -> None:
    probabilities = np.random.default_rng(0).random((n, 24, 40), np.float32)
    letterbox = Letterbox.fit((211, 397), (96, 160), "linear", (0, 0, 0))

    def forms(threads: int) -> tuple[Any, ...]:
        masks = Masks(probabilities, letterbox, 4, library.with_threads(threads))
        polygons = [[outline.tolist() for outline in outlines] for outlines in masks.polygons()]
        return masks.dense().tobytes(), masks.bits().tobytes(), masks.rle(), masks.areas().tolist(), polygons

    first = forms(1)
    for threads in (2, 5, 1, 2):
        assert forms(threads) == first


def test_runs_longer_than_the_first_guess_of_their_text(library: Library) -> None:
    """Noise without resampling: a run per pixel or two, more text than any mask of an object takes."""
    probabilities = np.random.default_rng(0).random((3, 300, 300), np.float32)
    axis = composed_axis(300, 1, 300, 300)
    texts, areas = NativeComposer(library, axis, axis).rle(probabilities)
    assert min(len(text) for text in texts) > 300 * 300 // 8
    np.testing.assert_array_equal(areas, (probabilities > 0.5).sum((1, 2)))


def test_nan_is_outside_and_leaves_other_pixels_alone(library: Library) -> None:
    probabilities = np.full((1, 24, 40), 0.9, np.float32)
    probabilities[0, 12, 20] = np.nan
    axes = composed_axis(24, 4, 96, 192), composed_axis(40, 4, 160, 320)
    outside = ~NativeComposer(library, *axes).dense(probabilities)[0]
    assert outside.any()
    rows, cols = outside.any(1).nonzero()[0], outside.any(0).nonzero()[0]
    for axis, cell, found in zip(axes, (12, 20), (rows, cols), strict=True):
        reach = axis.reach(cell - 1, cell + 1)  # pixels that read it, and those that lie on the cell before
        assert reach.start <= found[0] and found[-1] < reach.stop


def test_probabilities_need_not_be_aligned(library: Library) -> None:
    probabilities = np.random.default_rng(0).random((2, 7, 11), np.float32)
    moved = np.frombuffer(b"\1" + probabilities.tobytes(), np.float32, offset=1).reshape(probabilities.shape)
    assert not moved.flags.aligned
    composer = NativeComposer(library, composed_axis(7, 4, 27, 60), composed_axis(11, 4, 41, 90))
    np.testing.assert_array_equal(composer.dense(moved), composer.dense(probabilities))
    assert composer.rle(moved)[0] == composer.rle(probabilities)[0]


@pytest.mark.parametrize(
    ("first", "share"),
    [([0, 2, 1], [0, 0, 0]), ([-1, 0, 0], [0, 0, 0]), ([0, 1, 3], [0, 0, 0.5]), ([0, 0, 0], [0, 1.5, 0]),
     ([0, 0, 0], [0, np.nan, 0]), ([0, 1, 4], [0, 0, 0])],
)  # fmt: skip
def test_an_axis_that_reads_outside_is_an_error(library: Library, first: list[int], share: list[float]) -> None:
    good = composed_axis(4, 1, 4, 3)
    bad = Axis(4, np.array(first, np.int32), np.array(share, np.float32))
    for axes in ((good, bad), (bad, good)):
        with pytest.raises(InputError, match="out of range"):
            NativeComposer(library, *axes).dense(np.zeros((1, 4, 4), np.float32))


def _work(library: Library, seed: int) -> tuple[bytes, list[str]]:
    rng = np.random.default_rng(seed)
    head = MaskHead()
    feats, params = rng.standard_normal((1, 8, 12, 20), np.float32), rng.standard_normal((1, 4, 169), np.float32)
    locations, size = rng.uniform(0, 160, (1, 4, 2)).astype(np.float32), np.full((1, 4), 64, np.float32)
    masks = head(library, feats, params, locations, size, np.array([4], np.int32))
    composer = NativeComposer(library, composed_axis(24, 4, 96, 191), composed_axis(40, 4, 160, 320))
    return composer.dense(masks[0]).tobytes(), composer.rle(masks[0])[0]


def test_many_python_threads_at_once_get_their_own_results(library: Library) -> None:
    expected = [_work(library.with_threads(1), seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:  # ctypes releases the lock: calls do overlap
        found = list(pool.map(lambda index: _work(library, index % 8), range(400)))
    assert all(result == expected[index % 8] for index, result in enumerate(found))


def _in_child(queue: Any, library: Library) -> None:
    queue.put(_work(library, 0))


def test_a_forked_child_has_threads_of_its_own(library: Library) -> None:
    expected = _work(library, 0)  # the parent's workers are running
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue, library))
    child.start()
    try:
        assert queue.get(timeout=30) == expected
    finally:
        child.join(10)
        child.kill()
    assert _work(library, 0) == expected
