"""Overlaps from runs equal counting pixels."""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco

from stc.benchmarks.evaluation.overlap import overlap


def test_equals_counting_pixels() -> None:
    rng = np.random.default_rng(0)
    objects = rng.random((3, 5, 37, 41)) < rng.random((3, 5, 1, 1))  # (g, T, H, W)
    tracks = rng.random((4, 5, 37, 41)) < rng.random((4, 5, 1, 1))
    objects[1, 2] = tracks[0, 2] = tracks[3, 4] = False
    encoded = [
        [tuple(coco.encode(np.asfortranarray(m.astype(np.uint8))) if m.any() else None for m in t) for t in group]
        for group in (objects, tracks)
    ]
    found = overlap(*encoded, 5)
    shared = np.einsum("gthw,dthw->tgd", objects.astype(int), tracks.astype(int))
    united = objects.sum((2, 3)).T[:, :, None] + tracks.sum((2, 3)).T[:, None] - shared
    assert (found.intersection == shared).all()
    assert found.iou == pytest.approx(shared / np.maximum(united, 1), abs=1e-15)
    assert found.whole == pytest.approx(shared.sum(0) / united.sum(0), abs=1e-15)


def test_intersections_are_exact_in_large_pictures() -> None:
    size = (4320, 7680)
    halves = [{"size": size, "counts": [k, size[0] * size[1] - k - 1, 1]} for k in (0, 1, 12_345_678)]
    masks = [(coco.frPyObjects(half, *size),) for half in halves]
    pixels = size[0] * size[1]
    expected = [[pixels - max(a, b) - 1 for b in (0, 1, 12_345_678)] for a in (0, 1, 12_345_678)]
    assert overlap(masks, masks, 1).intersection[0].tolist() == expected
