"""Masks at frame size against the two resamplings they are composed of, and their encodings against pycocotools."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco

from stc.annotations.masks import MOST_POINTS, to_rle
from stc.errors import InputError
from stc.runtime import Letterbox, Masks
from stc.runtime.masks.axis import composed_axis
from stc.runtime.masks.outlines import outlines
from stc.runtime.masks.pixel_buffer import PixelBuffer
from stc.runtime.native.library import Library, find
from stc.runtime.serial_blas import LIMIT, inner_products

STRIDE = 4
MasksOf = Callable[..., Masks]


@pytest.fixture(scope="module", params=["numpy", "native"])
def masks_of(request: pytest.FixtureRequest) -> MasksOf:
    """`Masks` by NumPy, and by the native library."""
    if request.param == "numpy":
        return Masks
    library = find()
    assert isinstance(library, Library), library
    return partial(Masks, native=library.with_threads(2))


# (frame, input): enlarged, shrunk, odd, portrait in landscape, exact, one pixel, one line
GEOMETRIES = [
    ((720, 1280), (256, 448)),
    ((90, 160), (256, 448)),
    ((237, 419), (64, 96)),
    ((211, 97), (64, 96)),
    ((64, 96), (64, 96)),
    ((1, 1), (64, 96)),
    ((1, 300), (64, 96)),
]


def _aligned_line(line: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """AdelaiDet's aligned_bilinear on the last axis, step by step as defined: pad, align_corners=True, pad, crop."""
    size = line.shape[-1]
    padded = np.concatenate((line, line[..., -1:]), axis=-1)
    position = np.linspace(0, size, factor * size + 1)  # align_corners=True to factor * size + 1 samples
    low = np.minimum(position.astype(int), size - 1)
    share = position - low
    fine = padded[..., low] * (1 - share) + padded[..., low + 1] * share
    shifted = np.concatenate((np.repeat(fine[..., :1], factor // 2, axis=-1), fine), axis=-1)
    return shifted[..., : factor * size]


def _half_pixel_line(line: NDArray[np.float64], target: int) -> NDArray[np.float64]:
    """Bilinear, align_corners=False, on the last axis, one output at a time."""
    size = line.shape[-1]
    out = np.empty((*line.shape[:-1], target))
    for index in range(target):
        position = max((index + 0.5) * size / target - 0.5, 0.0)
        low = int(position)
        out[..., index] = line[..., low] * (1 - position + low) + line[..., min(low + 1, size - 1)] * (position - low)
    return out


def _two_steps(probabilities: NDArray[Any], letterbox: Letterbox, stride: int) -> NDArray[np.float64]:
    """Frame-size probabilities (n, H0, W0) in float64: enlarge, crop, resize."""
    picture = probabilities.astype(np.float64)
    for axis in (1, 2):
        picture = np.moveaxis(picture, axis, -1)
        picture = _aligned_line(picture, stride)[..., : letterbox.resized_size[axis - 1]]
        picture = _half_pixel_line(picture, letterbox.frame_size[axis - 1])
        picture = np.moveaxis(picture, -1, axis)
    return picture


def _letterbox(frame: tuple[int, int], room: tuple[int, int]) -> Letterbox:
    return Letterbox.fit(frame, room, "linear", (0, 0, 0))


def _blobs(count: int, rows: int, cols: int, seed: int = 0) -> NDArray[np.float32]:
    """Smooth objects of all sizes, some over the edges, one empty, one everywhere, one noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :cols]
    blobs = []
    for _ in range(count):
        centre_y, centre_x = rng.uniform(-0.1, 1.1, 2) * (rows, cols)
        radius_y, radius_x = rng.uniform(0.05, 0.6, 2) * (rows, cols)
        blobs.append(0.5 - 0.5 * np.tanh(3 * (((y - centre_y) / radius_y) ** 2 + ((x - centre_x) / radius_x) ** 2 - 1)))
    special = [np.full((rows, cols), 0.2), np.full((rows, cols), 0.8), rng.random((rows, cols))]
    return np.stack(blobs + special).astype(np.float32)


@pytest.mark.parametrize("stride", [4, 8])  # AdelaiDet's and that of mmdetection's pull request 5248
@pytest.mark.parametrize(("frame", "room"), GEOMETRIES)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_dense_equals_both_resamplings_in_float64(
    masks_of: MasksOf, frame: tuple[int, int], room: tuple[int, int], dtype: type[np.floating[Any]], stride: int
) -> None:
    letterbox = _letterbox(frame, room)
    probabilities = _blobs(3, room[0] // stride, room[1] // stride).astype(dtype)
    expected = _two_steps(probabilities, letterbox, stride)
    decided = np.abs(expected - 0.5) > 1e-6  # float32 rounding of a convex combination
    dense = masks_of(probabilities, letterbox, stride).dense()
    assert dense.dtype == np.bool_ and dense.shape == expected.shape
    np.testing.assert_array_equal(dense[decided], (expected > 0.5)[decided])
    assert decided.mean() > 0.99


@pytest.mark.parametrize("stride", [4, 8])  # AdelaiDet's and that of mmdetection's pull request 5248
@pytest.mark.parametrize(("frame", "room"), GEOMETRIES)
def test_dense_equals_torch(masks_of: MasksOf, frame: tuple[int, int], room: tuple[int, int], stride: int) -> None:
    letterbox = _letterbox(frame, room)
    probabilities = _blobs(3, room[0] // stride, room[1] // stride, seed=1)
    rows, cols = probabilities.shape[1:]
    picture = F.pad(torch.from_numpy(probabilities)[None], (0, 1, 0, 1), mode="replicate")
    picture = F.interpolate(picture, (rows * stride + 1, cols * stride + 1), mode="bilinear", align_corners=True)
    picture = F.pad(picture, (stride // 2, 0, stride // 2, 0), mode="replicate")
    picture = picture[:, :, : letterbox.resized_size[0], : letterbox.resized_size[1]]
    expected = F.interpolate(picture, frame, mode="bilinear", align_corners=False)[0].numpy()
    decided = np.abs(expected - 0.5) > 1e-4  # torch computes the positions in float32
    dense = masks_of(probabilities, letterbox, stride).dense()
    np.testing.assert_array_equal(dense[decided], (expected > 0.5)[decided])


@given(cells=st.integers(1, 40), stride=st.integers(1, 8), share=st.floats(0.01, 1), frame=st.integers(1, 500))
@settings(max_examples=300, deadline=None)
def test_an_axis_equals_both_resamplings_with_two_neighbours(cells: int, stride: int, share: float, frame: int) -> None:
    resized = max(1, int(cells * stride * share))
    axis = composed_axis(cells, stride, resized, frame)
    # Both steps on every unit vector: their composition as a matrix, in float64.
    both = _half_pixel_line(_aligned_line(np.eye(cells), stride)[:, :resized], frame).T
    assert (both > 1e-13).sum(1).max() <= 2  # positions of the two steps are rounded to 2e-15 cells
    np.testing.assert_allclose(axis.weights, both, atol=1e-7)  # shares are rounded to 2^-25
    assert axis.share.min() >= 0 and axis.share.max() <= 1
    assert axis.first.min() >= 0 and axis.last.max() < cells
    assert (np.diff(axis.first) >= 0).all() and (np.diff(axis.last) >= 0).all()
    # `reach` leaves out no pixel that reads one of the cells, `blocks` tiles it.
    start, stop = cells // 3, cells // 3 + 1
    reach = axis.reach(start, stop)
    readers = (axis.weights[:, start:stop] > 0).any(1).nonzero()[0]
    assert readers.size == 0 or (reach.start <= readers[0] and readers[-1] < reach.stop)
    whole = slice(0, frame)
    assert [pixel for block in axis.blocks(whole, 700) for pixel in range(block.start, block.stop)] == list(
        range(frame)
    )


def test_blocks_stay_below_the_limit_of_one_thread() -> None:
    axis = composed_axis(112, 4, 448, 1280)
    for width in (1, 50, 720, 2160):
        for block in axis.blocks(slice(0, 1280), width):
            cells = axis.read(block)
            assert (block.stop - block.start) * (cells.stop - cells.start) * width <= LIMIT


def test_inner_products_equal_one_product() -> None:
    rng = np.random.default_rng(0)
    for rows, columns, length in ((30, 200, 256), (1, 1, 1), (2000, 3, 256), (0, 5, 8), (5, 7, 0)):
        a, b = (rng.standard_normal((n, length)).astype(np.float32) for n in (rows, columns))
        expected = a.astype(np.float64) @ b.T.astype(np.float64)
        np.testing.assert_allclose(inner_products(a, b), expected, atol=1e-4)  # sums of 256 products of order 1


@given(
    rows=st.integers(1, 12),
    cols=st.integers(1, 12),
    frame=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    seed=st.integers(0, 2**32 - 1),
    density=st.floats(0, 1),
)
@settings(max_examples=150, deadline=None)
def test_rle_and_areas_are_those_of_the_dense_mask(
    masks_of: MasksOf, rows: int, cols: int, frame: tuple[int, int], seed: int, density: float
) -> None:
    rng = np.random.default_rng(seed)
    probabilities = np.where(rng.random((3, rows, cols)) < density, 0.9, 0.1).astype(np.float32)
    masks = masks_of(probabilities, _letterbox(frame, (rows * STRIDE, cols * STRIDE)), STRIDE)
    dense = masks.dense()
    peer = coco.encode(np.asfortranarray(dense.transpose(1, 2, 0).astype(np.uint8)))
    rle = masks.rle()
    assert [mask["counts"].encode() for mask in rle] == [mask["counts"] for mask in peer]
    assert all(mask["size"] == list(frame) for mask in rle)
    np.testing.assert_array_equal(masks.areas(), dense.sum((1, 2)))


@given(
    cells=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    frame=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_half_precision_stays_and_gives_what_its_floats_give(
    masks_of: MasksOf, cells: tuple[int, int], frame: tuple[int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    half = rng.uniform(0.3, 0.7, (3, *cells)).astype(np.float16)
    half[0] = rng.choice(np.array([0, 0.5, 0.50048828125, 1, 6e-8, np.nan, np.inf, -1], np.float16), cells)
    letterbox = _letterbox(frame, (cells[0] * STRIDE, cells[1] * STRIDE))
    masks = masks_of(half, letterbox, STRIDE)
    wide = masks_of(half.astype(np.float32), letterbox, STRIDE)
    assert masks.probabilities.dtype == np.float16 and masks[1:].probabilities.dtype == np.float16
    with np.errstate(invalid="ignore"):  # Inf less Inf, by NumPy
        np.testing.assert_array_equal(masks.dense(), wide.dense())
        np.testing.assert_array_equal(masks.bits(), wide.bits())
        assert masks.rle() == wide.rle() and masks.areas().tolist() == wide.areas().tolist()
        assert masks[[2, 0]].rle() == wide[[2, 0]].rle()


def test_a_buffer_used_again_and_again_gives_what_fresh_memory_gives(masks_of: MasksOf) -> None:
    """Of masks that come and go, of frames that change their size, and of copies."""
    rng = np.random.default_rng(3)
    buffer = PixelBuffer()
    for number in range(60):
        frame = ((50, 70), (90, 40))[number // 12 % 2]
        shown = rng.random((rng.integers(0, 6), 16, 24), np.float32) < rng.choice((0.02, 0.3))
        masks = masks_of(shown.astype(np.float32), _letterbox(frame, (64, 96)), STRIDE)
        masks = pickle.loads(pickle.dumps(masks)) if number % 7 == 3 else masks
        found = masks.dense(into=buffer)
        np.testing.assert_array_equal(found, masks.dense())
        assert found.dtype == masks.dense().dtype == np.bool_
        with pytest.raises(ValueError, match="read-only"):
            found[...] = True


def test_other_types_become_float32(masks_of: MasksOf) -> None:
    ones = np.ones((1, 16, 24))
    for numbers in (ones, ones.astype(">f4"), ones.astype(">f2"), ones.astype(int), ones.astype(bool), ones.tolist()):
        masks = masks_of(numbers, _letterbox((64, 96), (64, 96)), STRIDE)
        assert masks.probabilities.dtype == np.float32 and masks.dense().all()


def test_rle_survives_json_and_decodes(masks_of: MasksOf) -> None:
    masks = masks_of(_blobs(4, 16, 24), _letterbox((237, 419), (64, 96)), STRIDE)
    decoded = coco.decode(json.loads(json.dumps(masks.rle())))
    np.testing.assert_array_equal(decoded.transpose(2, 0, 1).astype(bool), masks.dense())


def _filled(polygons: list[NDArray[np.float32]], size: tuple[int, int]) -> NDArray[np.bool_]:
    """By pycocotools, whose polygons have pixel (0, 0) from 0 to 1."""
    if not polygons:
        return np.zeros(size, np.bool_)
    rles = coco.frPyObjects([polygon.ravel().tolist() for polygon in polygons], *size)
    return np.asarray(coco.decode(coco.merge(rles)), np.bool_)


@pytest.mark.parametrize("frame", [(720, 1280), (180, 320), (90, 160), (45, 80)])  # as large as filmed, and smaller
def test_filled_polygons_are_the_mask_to_the_pixel(masks_of: MasksOf, frame: tuple[int, int]) -> None:
    masks = masks_of(_blobs(4, 64, 112), _letterbox(frame, (256, 448)), STRIDE)  # the last one is noise, full of holes
    for polygons, dense in zip(masks.polygons(), masks.dense(), strict=True):
        np.testing.assert_array_equal(_filled(polygons, frame), dense)
        assert all(outline.dtype == np.float32 and outline.shape[1:] == (2,) for outline in polygons)
        assert all(len(outline) >= 4 for outline in polygons)


@given(
    rows=st.integers(1, 12), cols=st.integers(1, 12), frame=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 2**32 - 1), density=st.floats(0, 1),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_polygons_of_any_mask_fill_to_it_and_our_reader_takes_them(
    masks_of: MasksOf, rows: int, cols: int, frame: tuple[int, int], seed: int, density: float
) -> None:
    rng = np.random.default_rng(seed)
    probabilities = np.where(rng.random((1, rows, cols)) < density, 0.9, 0.1).astype(np.float32)
    masks = masks_of(probabilities, _letterbox(frame, (rows * STRIDE, cols * STRIDE)), STRIDE)
    (polygons,), (dense,) = masks.polygons(), masks.dense()
    np.testing.assert_array_equal(_filled(polygons, frame), dense)
    if polygons:
        read = to_rle(json.loads(json.dumps([polygon.ravel().tolist() for polygon in polygons])), frame)
        np.testing.assert_array_equal(coco.decode(read), dense)


def test_holes_can_be_left_out_of_polygons(masks_of: MasksOf) -> None:
    ring = np.zeros((1, 16, 24), np.float32)
    ring[0, 2:14, 4:20] = 1
    ring[0, 6:10, 8:16] = 0
    masks = masks_of(ring, _letterbox((64, 96), (64, 96)), STRIDE)
    (whole,) = masks.polygons(holes=False)[0]
    (cut,) = masks.polygons()[0]
    dense = masks.dense()[0]
    assert not dense[32, 48] and not _filled([cut], dense.shape)[32, 48]
    filled = _filled([whole], dense.shape)
    assert filled[32, 48] and filled[dense].all()
    filled[20:44, 28:68] &= dense[20:44, 28:68]  # the same but for the hole
    np.testing.assert_array_equal(filled, dense)


@pytest.mark.slow
def test_an_outline_of_too_many_points_comes_in_pieces() -> None:
    mask = np.random.default_rng(0).random((400, 600)) < 0.5
    polygons = outlines(mask)
    assert max(map(len, polygons)) <= MOST_POINTS
    np.testing.assert_array_equal(_filled(polygons, mask.shape), mask)


def test_an_empty_mask_has_an_rle_and_no_polygon(masks_of: MasksOf) -> None:
    masks = masks_of(np.full((1, 16, 24), 0.5, np.float32), _letterbox((60, 90), (64, 96)), STRIDE)
    assert not masks.dense().any() and masks.areas().tolist() == [0] and masks.polygons() == [[]]
    assert not coco.decode(masks.rle()).any()


def test_cells_of_the_border_alone_give_an_empty_mask(masks_of: MasksOf) -> None:
    probabilities = np.zeros((1, 16, 24), np.float32)
    probabilities[:, :, 12:] = 1  # a portrait frame of 64 x 32 fills the left third only
    masks = masks_of(probabilities, _letterbox((128, 64), (64, 96)), STRIDE)
    assert masks.areas().tolist() == [0] and not masks.dense().any()


def test_indexing_chooses_objects(masks_of: MasksOf) -> None:
    masks = masks_of(_blobs(4, 16, 24), _letterbox((60, 91), (64, 96)), STRIDE)
    dense = masks.dense()
    chosen = np.array([True, False, True, False, False, True, False])
    for index in (slice(1, 3), [2, 0], chosen, np.array([], np.int64)):
        np.testing.assert_array_equal(masks[index].dense(), dense[index])
    np.testing.assert_array_equal(masks[-1].dense(), dense[-1:])
    assert [len(mask) for mask in masks] == [1] * 7
    with pytest.raises(IndexError):
        masks[7]


def test_no_objects(masks_of: MasksOf) -> None:
    masks = masks_of(np.empty((0, 16, 24), np.float16), _letterbox((60, 91), (64, 96)), STRIDE)
    assert masks.dense().shape == (0, 60, 91) and masks.rle() == [] and masks.polygons() == []
    assert masks.areas().dtype == np.int64 and len(masks.areas()) == len(masks) == 0


def test_masks_that_do_not_cover_the_picture_are_input_errors(masks_of: MasksOf) -> None:
    with pytest.raises(InputError, match="do not cover"):
        masks_of(np.zeros((1, 15, 24), np.float32), _letterbox((64, 96), (64, 96)), STRIDE)
    with pytest.raises(InputError, match=r"\(n, Hm, Wm\)"):
        masks_of(np.zeros((16, 24), np.float32), _letterbox((64, 96), (64, 96)), STRIDE)


@pytest.mark.parametrize("probabilities", ["a", [["x"]], [[1], [1, 2]], object(), np.zeros((1, 0, 24), np.float32)])
def test_what_is_no_array_of_masks_is_an_input_error(masks_of: MasksOf, probabilities: Any) -> None:
    with pytest.raises(InputError, match="mask probabilities must be"):
        masks_of(probabilities, _letterbox((64, 96), (64, 96)), STRIDE)
