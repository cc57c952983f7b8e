"""What two sides found in a frame, compared: planted differences come out as they went in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stc.benchmarks.agreement.matching import Thresholds
from stc.benchmarks.originals.seen import Seen, differ
from stc.benchmarks.originals.table import HEADER, Row

LIMITS = Thresholds(score=0.05, nms=0.6, capacity=100, margin=1e-4)
SIZE = (37, 53)  # rows of pixels that do not fill whole bytes


def seen(n: int = 12) -> Seen:
    """n detections apart from each other, three classes, masks and embeddings."""
    random = np.random.default_rng(0)
    corners = np.stack([np.arange(n) * 40.0, np.zeros(n)], axis=1)
    boxes = np.concatenate([corners, corners + 30], axis=1)
    masks = random.random((n, *SIZE)) > 0.6
    return Seen.of(boxes, np.linspace(0.9, 0.3, n), np.arange(n) % 3, masks, random.normal(size=(n, 8)))


def test_the_same_differs_in_nothing() -> None:
    found = differ(seen(), seen(), LIMITS)
    assert (found.theirs, found.ours, found.matched, found.unmatched) == (12, 12, 12, 0)
    assert found.boxes == found.scores == found.embeddings == found.mask_pixels == 0
    assert found.set_pixels == (np.random.default_rng(0).random((12, *SIZE)) > 0.6).sum()


def test_order_does_not_count_and_differences_are_the_largest() -> None:
    theirs = seen()
    order = np.random.default_rng(1).permutation(len(theirs))
    ours = Seen(**{name: value[order].copy() for name, value in vars(theirs).items()})
    ours.boxes[3, 1] += 0.25
    ours.boxes[4, 2] -= 0.125
    ours.scores[5] += 0.0625
    ours.embeddings[6] += 0.5
    ours.masks[7, :2] ^= 0b101
    found = differ(theirs, ours, LIMITS)
    assert (found.matched, found.unmatched, found.mask_pixels) == (12, 0, 4)
    assert (found.boxes, found.scores) == pytest.approx((0.25, 0.0625))
    assert found.embeddings == pytest.approx(0.5, abs=1e-6)


def test_another_class_or_place_is_no_partner() -> None:
    theirs, ours = seen(), seen()
    ours.labels[0] = 2
    ours.boxes[1] += 20
    found = differ(theirs, ours, LIMITS)
    assert (found.matched, found.unmatched) == (10, 4)


def test_what_a_threshold_decided_is_told_apart() -> None:
    theirs = seen()
    theirs.scores[11] = LIMITS.score + LIMITS.margin / 2
    ours = Seen(**{name: value[:11] for name, value in vars(theirs).items()})
    found = differ(theirs, ours, LIMITS)
    assert (found.theirs, found.ours, found.matched, found.at_threshold, found.unmatched) == (12, 11, 11, 1, 0)


def test_nothing_found_is_nothing_different() -> None:
    none = Seen.of(np.zeros((0, 4)), np.zeros(0), np.zeros(0), np.zeros((0, *SIZE)))
    found = differ(none, none, LIMITS)
    assert (found.matched, found.unmatched, found.boxes, found.masks_off) == (0, 0, 0, 0)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    seen().write(tmp_path / "seen.npz")
    found = Seen.read(tmp_path / "seen.npz")
    assert all(np.array_equal(getattr(found, name), value) for name, value in vars(seen()).items())
    assert found.boxes.dtype == found.embeddings.dtype == np.float32


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"matched": 11}, "2 detections without a partner"),
        ({"boxes": 0.06}, "boxes off by 0.06 px, more than 0.05"),
        ({"mask_pixels": 300, "set_pixels": 1_000_000}, "0.030% of mask pixels differ, more than 0.02%"),
    ],
)
def test_a_row_says_what_it_misses(change: dict[str, float], text: str) -> None:
    same = differ(seen(), seen(), LIMITS)
    good = Row("AdelaiDet", "1280x720", "our ONNX", same)
    assert good.misses() == []
    assert str(good).count("|") == HEADER.splitlines()[0].count("|")
    assert replace(good, found=replace(same, **change)).misses() == [f"AdelaiDet, 1280x720, our ONNX: {text}"]


def test_what_an_original_misses_beside_itself_is_no_fault_of_ours() -> None:
    same = differ(seen(), seen(), LIMITS)
    assert Row("AdelaiDet", "1280x720", "itself", replace(same, boxes=1.0)).misses() == []
