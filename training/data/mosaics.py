"""Four views on one: half the size each, so more and smaller objects than any picture shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stc.training.data.geometry import Matrix, Size, scaling, shift
from stc.training.data.views import View

Corner = tuple[slice, slice]


def corners(rng: np.random.Generator, target: Size) -> list[tuple[Corner, Size]]:
    """Four rectangles that tile an input of `target` (H, W), as rows and columns, with their sizes."""
    height, width = target
    y, x = (int(side * rng.uniform(0.35, 0.65)) for side in target)
    rows, columns = (slice(0, y), slice(y, height)), (slice(0, x), slice(x, width))
    return [((r, c), (r.stop - r.start, c.stop - c.start)) for r in rows for c in columns]


def moved_to(corner: Corner, matrix: Matrix, view: Size, size: Size) -> Matrix:
    """`matrix`, which fills an input of `view` (H, W), so that the corner of `size` shows what the input would."""
    share = max(size[0] / view[0], size[1] / view[1])
    return shift(corner[1].start, corner[0].start) @ scaling(share, share) @ matrix


def tile(views: Sequence[View], places: Sequence[Corner]) -> View:
    """Of each view, which has the size of the whole, what lies in its corner."""
    picture = np.zeros_like(views[0].picture)
    unknown = np.zeros_like(views[0].unknown)
    inside = []
    for view, corner in zip(views, places, strict=True):
        picture[corner], unknown[corner] = view.picture[corner], view.unknown[corner]
        there = np.zeros_like(unknown)
        there[corner] = True
        inside.append(view.masks & there)
    return View(
        picture,
        np.concatenate(inside),
        np.concatenate([view.labels for view in views]),
        np.concatenate([view.identities for view in views]),
        np.concatenate([view.whole for view in views]),
        unknown,
        frozenset().union(*(view.incomplete for view in views)),
        np.concatenate([~view.outlined for view in views]),
    )
