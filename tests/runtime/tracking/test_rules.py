"""The pieces of the rules against formulas and exhaustive search."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from stc.runtime.tracking.rules import bi_softmax, greedy, iou, linear


def test_bi_softmax_is_qdtrack_s_formula() -> None:
    rng = np.random.default_rng(0)
    n, m = rng.standard_normal((5, 8)), rng.standard_normal((7, 8))
    e = np.exp(n @ m.T)
    expected = np.array([[0.5 * (e[i, j] / e[i].sum() + e[i, j] / e[:, j].sum()) for j in range(7)] for i in range(5)])
    found = bi_softmax((n @ m.T).astype(np.float32), np.ones((5, 7), bool))
    np.testing.assert_allclose(found, expected, atol=1e-6)  # float32 softmax of a dozen terms


def test_bi_softmax_leaves_out_pairs_that_are_not_allowed_and_survives_large_products() -> None:
    allowed = np.array([[True, False, True], [False, False, False]])
    found = bi_softmax(np.array([[900, 5000, 0], [1, 2, 3]], np.float32), allowed)
    # Row 0: softmax over tracks (1, 0, 0); each allowed column holds one detection, so the other softmax is 1.
    np.testing.assert_array_equal(found, [[1, 0, 0.5], [0, 0, 0]])


def test_iou_of_known_boxes() -> None:
    a = np.array([[0, 0, 10, 10], [0, 0, 0, 0]], np.float32)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [0, 0, 0, 0]], np.float32)
    np.testing.assert_allclose(iou(a, b), [[1, 1 / 3, 0, 0], [0, 0, 0, 0]], atol=1e-6)


def _cases() -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    cases = [rng.random(shape).astype(np.float32) for shape in ((1, 1), (3, 5), (5, 3), (4, 4), (0, 3), (3, 0))]
    crowded = rng.random((6, 6)).astype(np.float32)
    crowded[:, 2] += 1  # everybody's favourite
    crowded[rng.random((6, 6)) < 0.3] = -np.inf
    return [*cases, crowded, np.full((3, 3), -np.inf, np.float32)]


@pytest.mark.parametrize("affinity", _cases())
def test_greedy_serves_row_after_row(affinity: NDArray[np.float32]) -> None:
    left, expected = affinity.copy(), []
    for row in range(len(left)):
        column = int(left[row].argmax()) if left.shape[1] else -1
        if column >= 0 and left[row, column] > 0.5:
            expected.append(column)
            left[:, column] = -np.inf
        else:
            expected.append(-1)
    before = affinity.copy()
    assert greedy(affinity, 0.5).tolist() == expected
    np.testing.assert_array_equal(affinity, before)


@pytest.mark.parametrize("affinity", _cases())
def test_linear_has_the_greatest_total(affinity: NDArray[np.float32]) -> None:
    gain = np.where(affinity > 0.5, affinity, 0).astype(np.float64)
    short, long = sorted(gain.shape)
    tall = gain if gain.shape[0] == long else gain.T
    best = max(sum(tall[row, column] for column, row in enumerate(rows)) for rows in permutations(range(long), short))
    slots = linear(affinity, 0.5)
    pairs = [(row, column) for row, column in enumerate(slots.tolist()) if column >= 0]
    assert len({column for _, column in pairs}) == len(pairs)
    assert all(affinity[pair] > 0.5 for pair in pairs)
    assert sum(float(affinity[pair]) for pair in pairs) == pytest.approx(best)


def test_greedy_and_linear_differ_where_the_best_score_is_in_the_way() -> None:
    affinity = np.array([[0.9, 0.8], [0.85, 0.1]], np.float32)
    assert greedy(affinity, 0.5).tolist() == [0, -1]
    assert linear(affinity, 0.5).tolist() == [1, 0]
