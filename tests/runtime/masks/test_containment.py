"""How far masks lie inside each other, against pixels counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stc.runtime.backends.tensorrt.resident.masks import KeptMasks, KeptRows
from stc.runtime.letterbox import Letterbox
from stc.runtime.masks.box_bits import boxed
from stc.runtime.masks.containment import Containment
from stc.runtime.masks.masks import Masks

LETTERBOX = Letterbox.fit((47, 83), (36, 64), "linear", (0, 0, 0))


def masks(seed: int) -> Masks:
    """Smooth blobs of any size, the last of which is empty."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:9, :16].astype(np.float32)
    centres, reach = rng.uniform((0, 0), (16, 9), (6, 2)), rng.uniform(1, 8, 6)
    reach[-1] = 0
    cells = [1 / (1 + np.hypot(x - cx, y - cy) / max(r, 0.1)) for (cx, cy), r in zip(centres, reach, strict=True)]
    return Masks(np.float32(cells) - np.float32(reach == 0)[:, None, None], LETTERBOX, 4)


def share(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    both = sum(bool(x) and bool(y) for x, y in zip(a.ravel(), b.ravel(), strict=True))
    smaller = min(int(a.sum()), int(b.sum()))
    return both / smaller if smaller else 0.0


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_both_have_over_the_smaller_one(seed: int) -> None:
    found = masks(seed)
    dense = found.dense()
    rows = np.random.default_rng(seed).permutation(6)
    told = Containment(found, rows)
    assert len(told) == 6 and not dense[-1].any()
    for index in range(6):
        expected = [share(dense[rows[index]], dense[row]) for row in rows]
        np.testing.assert_allclose(told.of(index, np.arange(6)), expected, rtol=1e-15)
        np.testing.assert_array_equal(told[np.array([index, 0])].of(1, np.array([0])), told.of(0, np.array([index])))


def test_of_a_frame_that_was_on_a_gpu_it_is_the_same_number() -> None:
    """Whose masks come as bits of boxes and never as probabilities."""
    found, rows = masks(0), np.arange(6)
    kept = KeptMasks(KeptRows(boxed(found.dense()), rows.astype(np.int32), None), LETTERBOX, 4)
    for index in range(6):
        np.testing.assert_array_equal(Containment(kept, rows).of(index, rows), Containment(found, rows).of(index, rows))


def test_pixels_are_counted_alike_by_every_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy 1 counts no bits of a word."""
    told = Containment(masks(1), np.arange(6))
    expected = told.of(0, np.arange(6))
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    np.testing.assert_array_equal(told.of(0, np.arange(6)), expected)
