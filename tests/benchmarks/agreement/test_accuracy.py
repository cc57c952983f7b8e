"""Lower precisions: what costs a user nothing passes, what a user would see fails, planted one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from stc.benchmarks.agreement.accuracy import accuracy
from stc.benchmarks.agreement.parity import compare
from stc.benchmarks.reference import FrameOutputs, Reference
from stc.runtime.bundle.passport import Passport

FRAMES = 10
SIZE = (256, 256)
PASSPORT = Passport(
    name="made up",
    classes=("person", "animal"),
    input_size=SIZE,
    padded_size=SIZE,
    resize="area",
    border=(0, 0, 0),
    max_detections=50,
    embedding_dim=8,
    mask_stride=4,
    score_threshold=0.05,
    nms_threshold=0.6,
)
Fault = Callable[[FrameOutputs, int], FrameOutputs]


def frame(time: int) -> FrameOutputs:
    """Three objects of 80 pixels that move, one of the second class, and a faint one on top of the first."""
    corners = np.array([[8, 8], [140, 12], [20, 150], [16, 12]], np.float32) + time
    masks = np.full((4, 64, 64), 0.02, np.float32)
    for index, (x, y) in enumerate(corners // 4):
        masks[index, int(y) : int(y) + 20, int(x) : int(x) + 20] = 0.97
    return FrameOutputs(
        boxes=np.concatenate([corners, corners + 80], axis=1),
        scores=np.array([0.9, 0.8, 0.7, 0.08], np.float32),
        labels=np.array([0, 0, 1, 0], np.int32),
        embeddings=np.array([np.eye(8)[i] * 5 for i in (0, 1, 2, 0)], np.float32),
        masks=masks,
    )


TRUTH = Reference(np.zeros((FRAMES, *SIZE, 3), np.uint8), tuple(frame(t) for t in range(FRAMES)))


def rows(o: FrameOutputs, keep: list[int]) -> FrameOutputs:
    return FrameOutputs(*(getattr(o, name)[keep] for name in FrameOutputs.__dataclass_fields__))


def rounded(o: FrameOutputs, time: int) -> FrameOutputs:
    """Scores, boxes and the rim of masks moved at random, and the faint detection gone."""
    rng = np.random.default_rng(time)
    masks = o.masks + rng.normal(0, 0.02, o.masks.shape).astype(np.float32)
    for mask, source in zip(masks, o.masks, strict=True):
        rim = (source > 0.5) ^ np.roll(source > 0.5, rng.integers(-1, 2), rng.integers(0, 2))
        mask[rim & (rng.random(mask.shape) < 0.3)] = 0.6
    scores = o.scores + rng.normal(0, 0.01, 4).astype(np.float32)
    boxes = o.boxes + rng.normal(0, 1.5, (4, 4)).astype(np.float32)
    return rows(replace(o, masks=masks, scores=scores, boxes=boxes), [0, 1, 2])


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_what_rounding_does_passes_below_float32_and_not_in_float32(precision: str) -> None:
    outputs = [rounded(o, t) for t, o in enumerate(TRUTH.outputs)]
    agreement = compare(TRUTH, outputs, PASSPORT, precision)
    assert agreement.verdict == "pass", agreement.failures
    assert agreement.detections_left_out > 0.05  # said, and not held against it
    assert compare(TRUTH, outputs, PASSPORT, "fp32").verdict == "fail"
    assert compare(TRUTH, outputs, PASSPORT, "fp16").verdict == "fail"


def shifted(cells: tuple[int, int]) -> Fault:
    return lambda o, _: replace(o, masks=np.roll(o.masks, cells, axis=(1, 2)))


def grown(o: FrameOutputs, _: int) -> FrameOutputs:
    """One cell on one side in four."""
    return replace(o, masks=np.maximum(o.masks, np.roll(o.masks, 1, axis=2)))


def swapped(o: FrameOutputs, time: int) -> FrameOutputs:
    """The first two objects change their embeddings and places for half of the clip."""
    return rows(o, [1, 0, 2, 3]) if time < FRAMES // 2 else o


def phantom(o: FrameOutputs, _: int) -> FrameOutputs:
    """One more object, where nothing is."""
    more = rows(o, [0, 1, 2, 3, 2])
    more.boxes[4] += (120, 0, 120, 0)
    more.masks[4] = np.roll(more.masks[4], 30, axis=1)
    more.embeddings[4] = np.eye(8)[7] * 5
    return more


FAULTS: dict[str, tuple[Fault, str]] = {
    "masks one cell to the right": (shifted((0, 1)), "masks_shift"),
    "masks one cell up": (shifted((-1, 0)), "masks_shift"),
    "masks grown by a cell": (grown, "masks_growth"),
    "a class dropped": (lambda o, _: rows(o, [0, 1, 3]), "tracks_recall"),
    "classes changed": (lambda o, _: replace(o, labels=1 - o.labels), "tracks_recall"),
    "an object lost in every second frame": (
        lambda o, t: rows(o, [0, 1, 2, 3] if t % 2 else [0, 2, 3]),
        "tracks_recall",
    ),
    "masks of noise": (
        lambda o, t: replace(o, masks=np.random.default_rng(t).random(o.masks.shape).astype(np.float32)),
        "tracks_recall",
    ),
    "numbers that are none": (lambda o, _: replace(o, masks=o.masks * np.nan), "not_finite"),
    "objects that are not there": (phantom, "tracks_precision"),
}


@pytest.mark.parametrize("precision", ["bf16", "int8"])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_user_would_see_fails_and_is_named(fault: str, precision: str) -> None:
    change, metric = FAULTS[fault]
    agreement = compare(TRUTH, [change(o, t) for t, o in enumerate(TRUTH.outputs)], PASSPORT, precision)
    assert agreement.verdict == "fail"
    assert metric in " ".join(agreement.failures)


def test_ids_that_change_hands_are_seen() -> None:
    """Masks and classes of every frame are right: only who is who changes half way."""
    outputs, every = TRUTH.outputs, np.array([0, 1, 2, -1])
    ids = [every] * FRAMES
    other = [every if t < FRAMES // 2 else every[[1, 0, 2, 3]] for t in range(FRAMES)]
    same, changed = (accuracy(outputs, ids, outputs, given, 0.3) for given in (ids, other))
    assert (same.ids_kept, same.j, same.recall) == (1, pytest.approx(1), pytest.approx(1))
    assert changed.recall == pytest.approx(1)
    # Half of two of the three objects' frames: a third of the rows.
    assert changed.ids_kept == pytest.approx(2 / 3, abs=0.01)
    # Of the tracks 0 and 1 each candidate's covers one half; by scores (0.9 + 0.8) / 2 + 0.7 of 2.4.
    assert changed.j == pytest.approx(1.55 / 2.4, abs=0.05)


def test_every_number_is_that_of_its_definition() -> None:
    """One frame by hand: of two objects, scores 0.8 and 0.4, one is found with IoU 0.75 and two cells to the right."""
    masks = np.zeros((2, 20, 40), np.float32)
    masks[0, 2:12, 2:16] = masks[1, 2:12, 24:34] = 1
    expected = FrameOutputs(
        np.zeros((2, 4), np.float32), np.array([0.8, 0.4]), np.array([0, 1]), np.zeros((2, 0)), masks
    )
    found = replace(rows(expected, [0]), masks=np.roll(masks[:1], 2, axis=2))
    seen = accuracy([expected], [np.array([5, 6])], [found], [np.array([3])], 0.3)
    assert seen.recall == pytest.approx(0.8 / 1.2)
    assert seen.precision == 1
    assert seen.mask_iou == seen.j == pytest.approx(0.75 * 0.8 / 1.2)
    assert seen.ids_kept == 1
    assert seen.shift == 2
    assert seen.growth == 0
