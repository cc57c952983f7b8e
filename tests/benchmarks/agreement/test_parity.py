"""Every way of being wrong is seen, and rounding at a threshold is not mistaken for one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stc.benchmarks.agreement.ids import consistent_fraction, track
from stc.benchmarks.agreement.matching import Thresholds, box_iou, match
from stc.benchmarks.agreement.parity import compare
from stc.benchmarks.reference import FrameOutputs, Reference
from stc.runtime.bundle.passport import Passport
from stc.runtime.tracking.config import RULE_NAMES

PASSPORT = Passport(
    name="made up",
    classes=("person", "animal"),
    input_size=(128, 128),
    padded_size=(128, 128),
    resize="area",
    border=(0, 0, 0),
    max_detections=50,
    embedding_dim=8,
    mask_stride=4,
    score_threshold=0.2236,
    nms_threshold=0.6,
)
LIMITS = Thresholds(score=0.2236, nms=0.6, capacity=50, margin=1e-4)


def frame(shift: float = 0.0) -> FrameOutputs:
    """Four well separated objects with their own embeddings; `shift` moves all of them, in pixels."""
    corners = np.array([[4, 4], [68, 4], [4, 68], [68, 68]], np.float32) + shift
    masks = np.full((4, 32, 32), 0.01, np.float32)
    for index, (x, y) in enumerate(corners // 4):
        masks[index, int(y) : int(y) + 12, int(x) : int(x) + 12] = 0.99
    return FrameOutputs(
        boxes=np.concatenate([corners, corners + 48], axis=1),
        scores=np.array([0.9, 0.8, 0.7, 0.6], np.float32),
        labels=np.array([0, 0, 1, 1], np.int32),
        embeddings=np.eye(4, 8, dtype=np.float32) * 5,
        masks=masks,
    )


def reference() -> Reference:
    return Reference(np.zeros((8, 128, 128, 3), np.uint8), tuple(frame(0.5 * t) for t in range(8)))


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_ids_are_compared_under_every_rule(rule: str) -> None:
    """Also under one that looks at masks."""
    passport = replace(PASSPORT, tracker={"rule": rule})
    agreement = compare(reference(), reference().outputs, passport, "fp32")
    assert agreement.ids_equal == agreement.idf1 == 1 and agreement.id_switches == 0
    assert all((handles >= 0).any() for handles in track(reference().outputs, passport, passport.input_size))


def changed(index: int, **changes: Any) -> list[FrameOutputs]:
    outputs = list(reference().outputs)
    outputs[index] = replace(outputs[index], **changes)
    return outputs


def without(o: FrameOutputs, row: int) -> FrameOutputs:
    return FrameOutputs(*(np.delete(getattr(o, name), row, axis=0) for name in FrameOutputs.__dataclass_fields__))


def with_score(o: FrameOutputs, row: int, score: float) -> FrameOutputs:
    scores = o.scores.copy()
    scores[row] = score
    return replace(o, scores=scores)


def test_the_reference_agrees_with_itself() -> None:
    agreement = compare(reference(), reference().outputs, PASSPORT, "fp32")
    assert agreement.verdict == "pass"
    assert agreement.detections == 32
    assert agreement.tracks == 4


def test_order_of_detections_does_not_matter() -> None:
    shuffled = [
        FrameOutputs(*(getattr(o, name)[[2, 0, 3, 1]] for name in FrameOutputs.__dataclass_fields__))
        for o in reference().outputs
    ]
    assert compare(reference(), shuffled, PASSPORT, "fp32").verdict == "pass"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"boxes": frame(0.6).boxes}, "boxes_max_px"),
        ({"masks": frame().masks + 2e-4}, "masks_max"),
        ({"labels": np.array([0, 1, 1, 1], np.int32)}, "detections_matched"),
        ({"embeddings": frame().embeddings[[1, 0, 3, 2]]}, "ids_equal"),
        ({"boxes": np.full((4, 4), np.nan, np.float32)}, "detections_matched"),
    ],
)
def test_a_difference_beyond_the_budget_fails_and_is_named(changes: dict[str, Any], field: str) -> None:
    agreement = compare(reference(), changed(0, **changes), PASSPORT, "fp32")
    assert agreement.verdict == "fail"
    assert any(failure.startswith(field) for failure in agreement.failures)


def test_nan_masks_fail() -> None:
    masks = frame().masks.copy()
    masks[0, 0, 0] = np.nan
    assert compare(reference(), changed(0, masks=masks), PASSPORT, "fp32").verdict == "fail"


def test_a_flipped_mask_fails_the_iou_also_in_fp16() -> None:
    masks = frame().masks.copy()
    masks[1] = 1 - masks[1]
    agreement = compare(reference(), changed(0, masks=masks), PASSPORT, "fp16")
    assert agreement.mask_iou_min == 0
    assert agreement.verdict == "fail"


def test_a_lost_detection_fails() -> None:
    outputs = list(reference().outputs)
    outputs[3] = without(outputs[3], 1)
    agreement = compare(reference(), outputs, PASSPORT, "fp32")
    assert agreement.detections_matched == 31 / 32
    assert agreement.verdict == "fail"


def test_a_detection_at_the_score_threshold_is_left_out_and_counted() -> None:
    marginal = with_score(frame(), 3, 0.2236 + 5e-5)
    matches = match(marginal, without(marginal, 3), LIMITS)
    assert matches.left_out == 1
    assert not len(matches.missed)
    assert match(with_score(frame(), 3, 0.2240), without(marginal, 3), LIMITS).left_out == 0


def test_a_detection_at_the_nms_threshold_is_left_out() -> None:
    """Two boxes of one label with IoU just below 0.6: one run keeps both, the other only the better."""
    base = frame()
    boxes, labels = base.boxes.copy(), base.labels.copy()
    boxes[1] = boxes[0] + [12, 0, 12, 0]  # 36 / 60 = 0.6
    boxes[1, 0] += 1e-4
    both = replace(base, boxes=boxes, labels=labels)
    assert box_iou(both.boxes[:1], both.boxes[1:2])[0, 0] < 0.6
    assert match(both, without(both, 1), LIMITS).left_out == 1


def test_rivals_of_equal_score_may_swap() -> None:
    base = with_score(frame(), 1, 0.9 - 1e-5)
    boxes = base.boxes.copy()
    boxes[1] = boxes[0] + [11, 0, 11, 0]
    both = replace(base, boxes=boxes)
    far = replace(both, boxes=both.boxes.copy())
    # IoU of the two is 0.63, above what is matched as one object only because both are there: drop one on each side.
    matches = match(without(both, 1), without(far, 0), LIMITS)
    assert len(matches.missed) == len(matches.extra) == 0


def test_too_few_detections_prove_nothing() -> None:
    short = Reference(np.zeros((4, 128, 128, 3), np.uint8), tuple(frame() for _ in range(4)))
    assert compare(short, short.outputs, PASSPORT, "fp32").verdict == "unproven"


def test_nothing_found_by_both_is_unproven_but_something_found_by_one_fails() -> None:
    empty = frame()
    for row in (3, 2, 1, 0):
        empty = without(empty, row)
    nothing = Reference(np.zeros((8, 128, 128, 3), np.uint8), (empty,) * 8)
    assert compare(nothing, nothing.outputs, PASSPORT, "fp32").verdict == "unproven"
    assert compare(nothing, reference().outputs, PASSPORT, "fp32").verdict == "fail"


def test_ids_are_compared_up_to_renaming() -> None:
    assert consistent_fraction([(1, 7), (2, 8), (1, 7), (-1, -1)]) == 1.0
    assert consistent_fraction([(1, 7), (2, 7), (1, 7)]) == pytest.approx(2 / 3)
    assert consistent_fraction([(1, -1), (1, 4)]) == 0.5
    assert consistent_fraction([]) == 1.0
