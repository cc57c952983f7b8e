"""Arithmetic of trackers on plain Python numbers, one at a time: what vectorised code is compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence

Numbers = Sequence[float]


def dot(a: Numbers, b: Numbers) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def box_iou(a: Numbers, b: Numbers) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - shared)


def mask_iou(a: Sequence[Numbers], b: Sequence[Numbers]) -> float:
    pairs = [(x > 0.5, y > 0.5) for row, other in zip(a, b, strict=True) for x, y in zip(row, other, strict=True)]
    union = sum(x or y for x, y in pairs)
    return sum(x and y for x, y in pairs) / union if union else 0.0


def bi_softmax(rows: Sequence[Numbers], columns: Sequence[Numbers]) -> list[list[float]]:
    """f(i, j): the mean of e^(n_i m_j) / sum_k e^(n_i m_k) and e^(n_i m_j) / sum_k e^(n_k m_j)."""
    powers = [[math.exp(dot(n, m)) for m in columns] for n in rows]
    over_rows = [sum(power[j] for power in powers) for j in range(len(columns))]
    return [[(p / sum(power) + p / over_rows[j]) / 2 for j, p in enumerate(power)] for power in powers]
