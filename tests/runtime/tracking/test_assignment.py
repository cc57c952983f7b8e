"""Our assignment beside scipy's: the same total, and the same pairs, also where several are equally good."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from stc.runtime.tracking.assignment import best_assignment

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]

DRAWS: dict[str, Draw] = {
    "no two alike": lambda rng, shape: rng.standard_normal(shape),
    "few values": lambda rng, shape: rng.integers(0, 3, shape).astype(float),
    "one value": lambda rng, shape: np.full(shape, -2.5),
    "mostly zeros": lambda rng, shape: rng.random(shape) * (rng.random(shape) < 0.2),
    "frame counts": lambda rng, shape: rng.integers(0, 2**40, shape).astype(float),
    "far apart": lambda rng, shape: 10.0 ** rng.integers(-12, 12, shape),
    "equal rows": lambda rng, shape: np.repeat(rng.random((1, shape[1])), shape[0], axis=0),
    "sums": lambda rng, shape: rng.integers(0, 9, (shape[0], 1)) + rng.integers(0, 9, (1, shape[1])) * 1.0,
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_pairs_are_those_of_scipy(draw: Draw) -> None:
    rng = np.random.default_rng(0)
    for _ in range(400):
        worth = draw(rng, (int(rng.integers(0, 13)), int(rng.integers(0, 13))))
        rows, columns = best_assignment(worth)
        theirs = linear_sum_assignment(worth, maximize=True)
        assert worth[rows, columns].sum() == worth[theirs].sum()
        assert rows.tolist() == theirs[0].tolist()
        assert columns.tolist() == theirs[1].tolist()


@pytest.mark.parametrize("shape", [(90, 60), (60, 90), (80, 80), (1, 300)])
def test_large_ones_are_those_of_scipy(shape: tuple[int, int]) -> None:
    for seed, draw in enumerate(DRAWS.values()):
        worth = draw(np.random.default_rng(seed), shape)
        assert np.array_equal(best_assignment(worth), linear_sum_assignment(worth, maximize=True))


def test_no_other_assignment_is_worth_more() -> None:
    rng = np.random.default_rng(1)
    for n in range(1, 7):
        worth = rng.integers(-5, 6, (n, n))
        rows, columns = best_assignment(worth)
        assert sorted(columns.tolist()) == list(range(n))
        assert worth[rows, columns].sum() == max(
            sum(worth[row, column] for row, column in enumerate(order)) for order in permutations(range(n))
        )


def test_the_matrix_stays_as_it_was_and_any_type_will_do() -> None:
    worth = np.array([[1, 2, 3], [3, 3, 1]], np.int64)
    before = worth.copy()
    assert [part.tolist() for part in best_assignment(worth)] == [[0, 1], [2, 0]]
    assert np.array_equal(worth, before)
    assert [part.tolist() for part in best_assignment(worth > 2)] == [[0, 1], [2, 0]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        best_assignment(np.array([[1.0, value]]))
