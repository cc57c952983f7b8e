"""A float32 file may differ by what float32 cannot hold, and by no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stc.benchmarks.agreement.floor import FACTOR, Floor, of_passport
from stc.benchmarks.agreement.parity import Agreement, compare
from stc.benchmarks.reference import FrameOutputs, Reference
from tests.benchmarks.agreement.test_parity import PASSPORT, reference

FLOOR = Floor(frames=2, boxes_px=0.06, scores=1e-4, masks=4e-3)


def noisy(name: str, fault: float, seed: int = 0) -> tuple[FrameOutputs, ...]:
    """The reference's outputs with noise of up to the floor in every number of `name`, and `fault` added to all."""
    bound = {"boxes": FLOOR.boxes_px, "scores": FLOOR.scores, "masks": FLOOR.masks}[name]
    random = np.random.default_rng(seed)
    rows = []
    for expected in reference().outputs:
        values = getattr(expected, name)
        noise = bound * random.uniform(-1, 1, values.shape) + fault
        rows.append(replace(expected, **{name: (values + noise).astype(np.float32)}))
    return tuple(rows)


def judged(outputs: tuple[FrameOutputs, ...], floor: Floor | None = FLOOR, precision: str = "fp32") -> Agreement:
    return compare(reference(), outputs, PASSPORT, precision, floor=floor)


@pytest.mark.parametrize("name", ["boxes", "masks"])
def test_noise_of_the_floor_passes_and_fails_without_it(name: str) -> None:
    outputs = noisy(name, 0.0)
    assert judged(outputs).verdict == "pass" and judged(outputs).floor == FLOOR
    assert judged(outputs, None).verdict == "fail"


@pytest.mark.parametrize(("name", "metric"), [("boxes", "boxes_max_px"), ("masks", "masks_max")])
def test_a_fault_of_twice_the_floor_fails(name: str, metric: str) -> None:
    """On top of the noise; with a hundred numbers some have the fault's sign."""
    bound = FLOOR.boxes_px if name == "boxes" else FLOOR.masks
    found = judged(noisy(name, FACTOR * bound))
    assert found.verdict == "fail" and found.failures[0].startswith(metric)
    assert found.first_divergence == name


def test_pixels_within_the_noise_of_the_threshold_are_undecided() -> None:
    def with_edge(value: float) -> Reference:
        rows = [replace(frame, masks=frame.masks.copy()) for frame in reference().outputs]
        for frame in rows:
            frame.masks[:, 0, :] = value
        return Reference(reference().frames, tuple(rows))

    own, other = with_edge(0.502), with_edge(0.498)
    assert compare(own, other.outputs, PASSPORT, "fp32", floor=FLOOR).verdict == "pass"
    narrow = compare(own, other.outputs, PASSPORT, "fp32", floor=replace(FLOOR, masks=5e-4))
    assert [failure.split()[0] for failure in narrow.failures] == ["masks_max", "mask_iou_p1", "mask_iou_min"]


def test_the_floor_lowers_no_budget_and_is_for_float32_alone() -> None:
    tiny = Floor(2, 1e-9, 1e-9, 1e-9)
    assert judged(noisy("boxes", 0.0), tiny).verdict == "fail"
    assert judged(reference().outputs, tiny).verdict == "pass"
    assert judged(noisy("masks", 0.0), FLOOR, "fp16").floor is None


def test_a_model_that_float32_cannot_hold_at_all_fails() -> None:
    wild = Floor(2, 100.0, 1.0, 1.0)
    assert judged(noisy("masks", 0.2), wild).verdict == "fail"
    assert judged(noisy("boxes", 1.0), wild).verdict == "fail"


def test_boxes_that_move_decide_about_suppression() -> None:
    """Two boxes overlap by 0.5997, and one run keeps both: with sides that move by 0.12 px that is rounding."""
    a = np.array([[10, 10, 50, 50], [20.01, 10, 60.01, 50]], np.float32)
    rows = FrameOutputs(
        a, np.array([0.9, 0.8], np.float32), np.array([0, 0], np.int32), np.zeros((2, 8)), np.ones((2, 32, 32))
    )
    one = FrameOutputs(*(getattr(rows, name)[:1] for name in ("boxes", "scores", "labels", "embeddings", "masks")))
    known = Reference(np.zeros((1, 128, 128, 3), np.uint8), (rows,))
    assert compare(known, [one], PASSPORT, "fp32").detections_matched == 0.5
    assert compare(known, [one], PASSPORT, "fp32", floor=FLOOR).detections_matched == 1.0


def test_a_passport_keeps_the_floor() -> None:
    agreement = judged(noisy("masks", 0.0)).to_dict()
    passport = replace(PASSPORT, agreement={"model.onnx": agreement})
    assert of_passport(passport) == FLOOR
    assert compare(reference(), noisy("masks", 0.0), passport, "fp32").verdict == "pass"
    assert of_passport(PASSPORT) is None


@pytest.mark.parametrize(
    "odd", [3, {}, {"frames": 2}, {**FLOOR.to_dict(), "masks": "x"}, {**FLOOR.to_dict(), "ties": -1}]
)
def test_an_odd_floor_in_a_passport_is_none(odd: object) -> None:
    assert of_passport(replace(PASSPORT, agreement={"model.onnx": {"verdict": "pass", "floor": odd}})) is None
