"""The best one-to-one assignment, by shortest augmenting paths: Crouse, "On implementing 2D rectangular assignment
algorithms", IEEE Transactions on Aerospace and Electronic Systems 52 (2016).

Our own, because scipy's is the only function of 143 MB that we would use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def best_assignment(worth: NDArray[Any]) -> tuple[Indices, Indices]:
    """The pairs of the greatest total worth: rows, ascending, and their columns, int64 (min(n, m),) each.

    worth: finite numbers, (n, m); whole ones are exact up to 2**53. Of equal totals the one is taken that
    scipy.optimize.linear_sum_assignment takes, so that scores which depend on it are those of others.

    Raises ValueError for what is not finite.
    """
    cost = -np.asarray(worth, np.float64)
    if not np.isfinite(cost).all():
        raise ValueError("an assignment needs finite numbers")
    if cost.shape[0] > cost.shape[1]:
        columns, rows = _columns_of_rows(np.ascontiguousarray(cost.T))
        order = np.argsort(rows)
        return rows[order], columns[order]
    return _columns_of_rows(cost)


def _columns_of_rows(cost: NDArray[np.float64]) -> tuple[Indices, Indices]:
    """cost: (n, m), n <= m. Row after row is added, and rows before it give way along the cheapest path."""
    n, m = cost.shape
    row_price, column_price = np.zeros(n), np.zeros(m)
    column_of, row_of = np.full(n, -1), np.full(m, -1)
    for added in range(n):
        left = np.arange(m - 1, -1, -1)  # columns that the search has not reached: the first `count` of them
        prices = column_price[left]
        distances, came_from = np.full(m, np.inf), np.empty(m, np.int64)
        reached: list[int] = []
        lengths: list[float] = []
        before: dict[int, int] = {}
        row, length, count = added, 0.0, m
        while True:
            through = cost[row, left[:count]]
            through += length
            through -= row_price[row]
            through -= prices[:count]
            shorter = through < distances[:count]
            np.copyto(distances[:count], through, where=shorter)
            np.copyto(came_from[:count], row, where=shorter)
            place = _nearest(distances[:count], left, row_of)
            column, length = int(left[place]), float(distances[place])
            before[column] = int(came_from[place])
            row = int(row_of[column])
            if row < 0:
                break
            reached.append(column)
            lengths.append(length)
            count -= 1
            for values in (left, prices, distances, came_from):
                values[place] = values[count]
        row_price[added] += length
        if reached:
            change = length - np.array(lengths)
            row_price[row_of[reached]] += change
            column_price[reached] -= change
        while row != added:
            row = before[column]
            row_of[column] = row
            column_of[row], column = column, int(column_of[row])
    return np.arange(n), column_of


def _nearest(distances: NDArray[np.float64], left: Indices, row_of: Indices) -> int:
    """Where the shortest distance is. Of equal ones the last whose column is free, else the first."""
    nearest = (distances == distances.min()).nonzero()[0]
    if len(nearest) > 1:
        free = nearest[row_of[left[nearest]] < 0]
        return int(free[-1] if len(free) else nearest[0])
    return int(nearest[0])
