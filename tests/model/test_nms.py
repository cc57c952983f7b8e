"""Cluster NMS against greedy NMS in exact integer arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stc.model.nms import cluster_nms
from tests.reference.condinst import greedy_nms

THRESHOLD = Fraction(3, 5)
STEPS = 16
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def exceeds(boxes: Ints, labels: Ints, valid: Bools) -> Bools:
    """(B, N, N): does box i, better than j and of its label, overlap it by more than 3/5? No rounding anywhere."""
    x0, y0, x1, y1 = np.moveaxis(boxes, -1, 0)
    width = np.minimum(x1[:, :, None], x1[:, None]) - np.maximum(x0[:, :, None], x0[:, None])
    height = np.minimum(y1[:, :, None], y1[:, None]) - np.maximum(y0[:, :, None], y0[:, None])
    intersection = np.maximum(width, 0) * np.maximum(height, 0)
    area = (x1 - x0) * (y1 - y0)
    union = area[:, :, None] + area[:, None] - intersection
    over = intersection * THRESHOLD.denominator > union * THRESHOLD.numerator
    over &= labels[:, :, None] == labels[:, None]
    over &= valid[:, :, None] & valid[:, None]
    return over & np.triu(np.ones(over.shape[1:], dtype=bool), 1)


def greedy(over: Bools, valid: Bools) -> Bools:
    """Visit boxes from best to worst; keep one unless a kept one suppresses it."""
    kept = np.zeros_like(valid)
    for j in range(valid.shape[1]):
        kept[:, j] = valid[:, j] & ~(kept[:, :j] & over[:, :j, j]).any(axis=1)
    return kept


def longest_chain(over: Bools) -> Ints:
    """(B,) number of suppressions in the longest chain a over b over c ..."""
    depth = np.zeros(over.shape[:2], dtype=np.int64)
    for j in range(1, over.shape[1]):
        depth[:, j] = np.where(over[:, :j, j], depth[:, :j] + 1, 0).max(axis=1)
    return depth.max(axis=1)


def under_test(boxes: Ints, labels: Ints, valid: Bools, steps: int = STEPS) -> Bools:
    tensors = torch.from_numpy(boxes).float(), torch.from_numpy(labels), torch.from_numpy(valid)
    return np.asarray(cluster_nms(*tensors, float(THRESHOLD), steps))


def check(boxes: Ints, labels: Ints, valid: Bools, steps: int = STEPS) -> int:
    """Equal where no chain is longer than `steps`, a superset elsewhere. Returns how many cases had to be equal."""
    over = exceeds(boxes, labels, valid)
    expected, found = greedy(over, valid), under_test(boxes, labels, valid, steps)
    exact = longest_chain(over) <= steps
    assert np.array_equal(found[exact], expected[exact])
    assert not (expected & ~found).any(), "a box that greedy NMS keeps was lost"
    assert not (found & ~valid).any()
    return int(exact.sum())


def random_boxes(rng: np.random.Generator, cases: int, count: int, span: int, side: int) -> Ints:
    corner = rng.integers(-span, span + 1, (cases, count, 2))
    return np.concatenate([corner, corner + rng.integers(0, side + 1, (cases, count, 2))], axis=2)


def test_the_small_integer_boxes_meet_the_threshold_exactly() -> None:
    """The cases below contain overlaps of exactly 3/5, which must not suppress."""
    boxes = np.array([[[0, 0, 5, 1], [0, 0, 3, 1]]])
    same, valid = np.zeros((1, 2), dtype=np.int64), np.ones((1, 2), dtype=bool)
    assert under_test(boxes, same, valid).tolist() == [[True, True]]
    larger = np.array([[[0, 0, 5, 1], [0, 0, 4, 1]]])
    assert under_test(larger, same, valid).tolist() == [[True, False]]


@pytest.mark.parametrize("classes", [1, 3, 80])
@pytest.mark.parametrize(("span", "side"), [(2, 5), (3, 12), (40, 60), (300, 640)])
def test_equal_to_greedy_on_random_integer_boxes(classes: int, span: int, side: int) -> None:
    rng = np.random.default_rng(classes * 1000 + span)
    cases, count = 1000, 24
    boxes = random_boxes(rng, cases, count, span, side)  # side 0 occurs: boxes without area
    labels = rng.integers(0, classes, (cases, count))
    valid = rng.random((cases, count)) < rng.choice([0.5, 1.0], (cases, 1))
    assert check(boxes, labels, valid) >= 990


def test_equal_to_greedy_on_crowded_duplicates() -> None:
    """Many boxes drawn from few: ties in place and size, and whole clusters that suppress each other."""
    rng = np.random.default_rng(7)
    cases, count = 2000, 32
    few = random_boxes(rng, cases, 6, 3, 10)
    boxes = np.take_along_axis(few, rng.integers(0, 6, (cases, count))[:, :, None], axis=1)
    labels = rng.integers(0, 2, (cases, count))
    exact = check(boxes, labels, np.ones((cases, count), dtype=bool))
    assert exact > 0  # copies of one box make chains as long as their number, so some cases are supersets only


def test_all_boxes_of_one_place_leave_one_per_class() -> None:
    boxes = np.tile(np.array([[[3, 4, 9, 11]]]), (1, 100, 1))
    labels = np.arange(100)[None] % 5
    found = under_test(boxes, labels, np.ones((1, 100), dtype=bool))
    # A hundred copies: every copy but the first is suppressed by the first, whatever the length of the chain.
    assert np.flatnonzero(found).tolist() == [0, 1, 2, 3, 4]


def test_boxes_without_area_suppress_nothing() -> None:
    boxes = np.array([[[5, 5, 5, 5], [5, 5, 5, 5], [0, 0, 9, 0], [0, 0, 9, 9]]])
    labels, valid = np.zeros((1, 4), dtype=np.int64), np.ones((1, 4), dtype=bool)
    assert under_test(boxes, labels, valid).all()


def chain(length: int) -> tuple[Ints, Ints, Bools]:
    """Each box overlaps the next by 2/3 and no other by more than 3/7."""
    start = 2 * np.arange(length)
    boxes = np.stack([start, 0 * start, start + 10, 0 * start + 10], axis=1)[None]
    return boxes, np.zeros((1, length), dtype=np.int64), np.ones((1, length), dtype=bool)


@pytest.mark.parametrize("steps", [2, 4, 16])
def test_a_chain_is_exact_up_to_its_length_and_a_superset_beyond(steps: int) -> None:
    for suppressions in range(1, 60):
        case = chain(suppressions + 1)
        assert longest_chain(exceeds(*case)).tolist() == [suppressions]
        assert check(*case, steps=steps) == int(suppressions <= steps)
    beyond = under_test(*chain(steps + 2), steps=steps)
    assert beyond.sum() > greedy(exceeds(*chain(steps + 2)), np.ones((1, steps + 2), dtype=bool)).sum()


def test_chains_among_other_boxes_stay_a_superset() -> None:
    """Long chains in random orders of score, two at once, with random boxes between."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        first, *_ = chain(int(rng.integers(18, 40)))
        second = first + np.array([0, 40, 0, 40])
        boxes = np.concatenate([first, second, random_boxes(rng, 1, 20, 30, 12)], axis=1)
        boxes = boxes[:, np.sort(rng.permutation(boxes.shape[1])[: boxes.shape[1] - 3])]
        labels = np.zeros(boxes.shape[:2], dtype=np.int64)
        check(boxes, labels, np.ones(boxes.shape[:2], dtype=bool))


def test_equal_to_greedy_on_real_valued_boxes() -> None:
    """Float32 against float64; cases with an overlap within 1e-5 of the threshold (left to rounding) are left out."""
    rng = np.random.default_rng(11)
    cases, count, compared = 200, 30, 0
    corner = rng.uniform(-20, 640, (cases, count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0, 300, (cases, count, 2))], axis=2).astype(np.float32)
    labels = rng.integers(0, 3, (cases, count))
    found = np.asarray(
        cluster_nms(
            torch.from_numpy(boxes), torch.from_numpy(labels), torch.ones(cases, count, dtype=torch.bool), 0.6, 16
        )
    )
    for case in range(cases):
        kept = [
            greedy_nms(boxes[case], labels[case], threshold).tolist() for threshold in (0.6 - 1e-5, 0.6, 0.6 + 1e-5)
        ]
        if kept[0] == kept[1] == kept[2]:
            compared += 1
            assert np.flatnonzero(found[case]).tolist() == kept[1]
    assert compared > 0.98 * cases
