"""FCOS targets against a loop over locations and instances."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stc.model.config import STC_LITE
from stc.training.config import RECIPES, TrainConfig
from stc.training.data.views import View
from stc.training.losses.targets import assign, collate, make_grid, mask_targets

CONFIG = TrainConfig()
MODEL = STC_LITE


def _view(masks: list[NDArray[np.bool_]], unknown: NDArray[np.bool_] | None = None) -> View:
    size = MODEL.input_size
    stack = np.stack(masks) if masks else np.zeros((0, *size), dtype=bool)
    return View(
        np.zeros((*size, 3), np.uint8),
        stack,
        np.arange(len(masks)) % 3,
        np.arange(len(masks)) + 100,
        stack.sum(axis=(1, 2)).astype(float),
        np.zeros(size, dtype=bool) if unknown is None else unknown,
    )


def _random_masks(seed: int) -> list[NDArray[np.bool_]]:
    """Ellipses and triangles of all sizes, overlapping: centroids differ from box centres."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: MODEL.input_size[0], : MODEL.input_size[1]]
    masks = []
    for _ in range(8):
        cx, cy = rng.uniform(20, 420), rng.uniform(20, 230)
        rx, ry = np.exp(rng.uniform(math.log(5), math.log(200), 2))
        mask = ((columns - cx) / rx) ** 2 + ((rows - cy) / ry) ** 2 < 1
        if rng.random() < 0.5:
            mask &= columns - cx < rows - cy
        if mask.sum() > 20:
            masks.append(mask)
    return masks


@pytest.mark.parametrize("seed", range(4))
def test_assignment_equals_a_loop_over_locations(seed: int) -> None:
    masks = _random_masks(seed)
    grid = make_grid(MODEL, CONFIG.range_factor)
    targets = assign(_view(masks), grid, CONFIG.centre_radius)
    objects = []
    for mask in masks:
        ys, xs = np.nonzero(mask)
        objects.append((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1, xs.mean(), ys.mean()))
    index = 0
    positives = 0
    height, width = MODEL.padded_size
    for level, stride in enumerate(MODEL.strides):
        low = -1 if level == 0 else CONFIG.range_factor * MODEL.strides[level - 1]
        high = 1e8 if level == len(MODEL.strides) - 1 else CONFIG.range_factor * stride
        for row in range(-(-height // stride)):
            for column in range(-(-width // stride)):
                x, y = column * stride + stride // 2, row * stride + stride // 2
                best, best_area = -1, math.inf
                for number, (x1, y1, x2, y2, cx, cy) in enumerate(objects):
                    sides = (x - x1, y - y1, x2 - x, y2 - y)
                    near = max(abs(x - cx), abs(y - cy)) < CONFIG.centre_radius * stride
                    area = (x2 - x1) * (y2 - y1)
                    if min(sides) > 0 and near and low <= max(sides) <= high and area < best_area:
                        best, best_area = number, area
                assert targets.instance[index] == best
                if best >= 0:
                    positives += 1
                    x1, y1, x2, y2 = objects[best][:4]
                    l, t, r, b = x - x1, y - y1, x2 - x, y2 - y  # noqa: E741
                    assert np.allclose(targets.ltrb[index] * stride, (l, t, r, b))  # sums below 500: float32 is exact
                    centerness = math.sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b))
                    assert abs(targets.centerness[index] - centerness) < 1e-6
                inside = any(x1 < x < x2 and y1 < y < y2 for x1, y1, x2, y2, *_ in objects)
                assert targets.clear[index] == (not inside)
                index += 1
    assert index == len(grid.points)
    assert positives > 20


def test_unknown_area_is_left_out_unless_an_object_is_assigned_there() -> None:
    mask = np.zeros(MODEL.input_size, dtype=bool)
    mask[100:160, 200:260] = True
    unknown = np.zeros(MODEL.input_size, dtype=bool)
    unknown[:, 224:] = True
    grid = make_grid(MODEL, CONFIG.range_factor)
    targets = assign(_view([mask], unknown), grid, CONFIG.centre_radius)
    right = (grid.points[:, 0] >= 224) & (grid.points[:, 0] < 448) & (grid.points[:, 1] < 256)
    assert targets.known[~right].all()  # among them the points of the coarsest level that lie beyond the input
    assert (targets.known[right] == (targets.instance[right] == 0)).all()
    assert targets.known[right].any()


def test_background_for_embeddings_is_known_and_outside_of_every_box() -> None:
    """Unknown area may hold the very object that the other frame shows: it is no negative."""
    mask = np.zeros(MODEL.input_size, dtype=bool)
    mask[100:160, 200:260] = True
    unknown = np.zeros(MODEL.input_size, dtype=bool)
    unknown[:, :100] = True
    grid = make_grid(MODEL, CONFIG.range_factor)
    for masks in ([mask], []):
        targets = assign(_view(masks, unknown), grid, CONFIG.centre_radius)
        left = grid.points[:, 0] < 100
        left &= grid.points[:, 1] < MODEL.input_size[0]
        assert not targets.clear[left].any()
        assert (targets.clear[~left] == ~_in_box(grid.points[~left], masks)).all()


def _in_box(points: NDArray[np.float32], masks: list[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    x, y = points.T
    return (x > 200) & (x < 260) & (y > 100) & (y < 160) & bool(masks)


def test_published_ranges_are_those_of_fcos() -> None:
    grid = make_grid(MODEL, RECIPES["r50"].range_factor)
    ranges = sorted(set(zip(grid.low.tolist(), grid.high.tolist(), strict=True)))
    assert ranges == [(-1, 64), (64, 128), (128, 256), (256, 512), (512, np.float32(1e8))]


def test_mask_targets_sample_the_padded_mask() -> None:
    model = MODEL.with_(input_size=(250, 440))
    mask = np.random.default_rng(0).random((2, 250, 440)) < 0.5
    found = mask_targets(mask, model)
    assert found.shape == (2, 64, 112)
    for row in range(64):
        for column in range(112):
            y, x = 4 * row + 2, 4 * column + 2
            expected = mask[:, y, x] if y < 250 and x < 440 else np.zeros(2)
            assert (found[:, row, column].numpy() == expected).all()


def test_collate_looks_up_labels_and_identities_and_keeps_empty_views() -> None:
    mask = np.zeros(MODEL.input_size, dtype=bool)
    mask[100:160, 200:260] = True
    batch = collate([(_view([mask]), _view([]))], MODEL, CONFIG)
    positive = batch.instance >= 0
    assert positive[0].any()
    assert not positive[1].any()
    assert (batch.labels[positive] == 0).all()
    assert (batch.labels[~positive] == MODEL.num_classes).all()
    assert (batch.identities[positive] == 100).all()
    assert (batch.identities[~positive] == -1).all()
    assert [tuple(m.shape) for m in batch.masks] == [(1, 64, 112), (0, 64, 112)]
    assert batch.frames.dtype == torch.uint8


def test_every_object_has_a_location_or_is_unknown() -> None:
    """Objects of 3 to 12 pixels anywhere: many lie between the locations, 8 pixels apart."""
    rng = np.random.default_rng(0)
    grid = make_grid(MODEL, CONFIG.range_factor)
    placed = unknown = 0
    for _ in range(40):
        mask = np.zeros(MODEL.input_size, dtype=bool)
        (height, width), (y, x) = rng.integers(3, 13, 2), rng.integers(0, 240, 2)
        mask[y : y + height, x : x + width] = True
        before = assign(_view([mask]), grid, CONFIG.centre_radius)
        after = assign(_view([mask]), grid, CONFIG.centre_radius, every_object=True)
        if (before.instance >= 0).any():
            assert (after.instance == before.instance).all()
            assert (after.known == before.known).all()
            continue
        left, top = grid.points[:, 0] - x, grid.points[:, 1] - y
        inside = (left > 0) & (left < width) & (top > 0) & (top < height) & (grid.strides == 8)
        if inside.any():
            (location,) = np.flatnonzero(after.instance >= 0)
            assert inside[location]
            assert np.allclose(
                after.ltrb[location] * 8,
                [left[location], top[location], width - left[location], height - top[location]],
            )
            placed += 1
        else:
            half = grid.strides / 2
            around = (left > -half) & (left < width + half) & (top > -half) & (top < height + half)
            assert (after.instance < 0).all()
            assert (after.known == ~around).all()
            unknown += 1
    assert unknown > 3


def test_classes_that_are_annotated_in_part_are_marked_and_give_no_background() -> None:
    masks = _random_masks(0)
    whole, part = _view(masks), replace(_view(masks), incomplete=frozenset({1}))
    batch = collate([(whole, part)], MODEL, CONFIG)
    assert batch.complete.tolist() == [[True, True, True], [True, False, True]]
    assert batch.clear[0].any()
    assert not batch.clear[1].any()  # anything there may be an object of class 1
    assert (batch.known[0] == batch.known[1]).all()
