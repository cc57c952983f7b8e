"""What float32 can hold of a model is measured at its own detections, and ties of scores are no difference."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from stc.benchmarks.agreement.floor import FACTOR, Floor
from stc.benchmarks.agreement.parity import compare
from stc.benchmarks.reference import FrameOutputs, Reference, read, valid_rows
from stc.cli import run
from stc.export.main import main
from stc.export.proof.float32 import settle
from stc.model.checkpoint.load import Checkpoint
from stc.model.checkpoint.passport import passport_of
from stc.model.decode import TopK, stable_top_k
from stc.model.network import STC, STCDeploy
from stc.runtime import Session
from stc.runtime.bundle import passport as passports
from stc.runtime.bundle.passport import Passport
from tests.seeded import HEAD, SLIM, adelaidet_state, stc_lite_model

SIZE = (64, 96)


@pytest.fixture(scope="module")
def saturated() -> STC:
    """All of its scores are 1 or next to it, so that only rounding and the order of the cells choose."""
    model = stc_lite_model(0)
    model.config = model.config.with_(input_size=SIZE)
    with torch.no_grad():
        model.head.cls_logits.bias += 25
        model.head.centerness.bias += 25
    return model


def last_first(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Of equal values the higher index comes first."""
    best, index = stable_top_k(values.flip(1), k)
    return best, values.shape[1] - 1 - index


def outputs(model: STC, frame: np.ndarray, top_k: TopK = stable_top_k) -> FrameOutputs:  # type: ignore[type-arg]
    with torch.inference_mode():
        found = STCDeploy(model, top_k=top_k)(torch.from_numpy(frame)[None])
    return valid_rows({name: value.numpy() for name, value in found.items()})


def passport(model: STC) -> Passport:
    return passport_of(Checkpoint(model, model.config, "stc", "0" * 64, {}), "m.pth", "m")


def frames() -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(0).integers(0, 256, (1, *SIZE, 3), np.uint8)


def test_ties_that_are_broken_otherwise_are_matched_by_place_and_class(saturated: STC) -> None:
    known = Reference(frames(), (outputs(saturated, frames()[0]),))
    other = outputs(saturated, frames()[0], last_first)
    assert len(other) == len(known.outputs[0]) == saturated.config.max_detections
    assert not np.allclose(other.boxes, known.outputs[0].boxes, atol=1)
    settled = settle(saturated, known, [other], passport(saturated))
    (rows,) = settled.reference.outputs
    assert settled.floor.ties > 10
    assert np.allclose(rows.boxes, other.boxes, atol=1e-3) and (rows.labels == other.labels).all()
    assert np.allclose(rows.masks, other.masks, atol=1e-4)
    assert compare(settled.reference, [other], passport(saturated), "fp32").verdict != "fail"


def test_a_fault_is_no_tie(saturated: STC) -> None:
    """Boxes that no candidate has, and masks of another candidate."""
    rows = outputs(saturated, frames()[0])
    known = Reference(frames(), (rows,))
    for wrong in (replace(rows, boxes=rows.boxes + 0.6), replace(rows, masks=rows.masks[::-1])):
        settled = settle(saturated, known, [wrong], passport(saturated))
        found = compare(settled.reference, [wrong], passport(saturated), "fp32", floor=settled.floor)
        assert found.verdict == "fail", found


@pytest.mark.slow
def test_a_foreign_export_with_sharp_weights_passes_and_a_fault_of_twice_the_floor_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A controller of six times the published gain: mask probabilities that float32 holds to 1e-3, and not to 1e-4."""
    state = adelaidet_state(0, num_classes=7, widths=SLIM)
    state[f"{HEAD}.cls_logits.weight"] *= 6
    state[f"{HEAD}.cls_logits.bias"] += 3
    state[f"{HEAD}.ctrness.weight"] *= 4
    state["controller.weight"] *= 6
    state["controller.bias"] *= 4
    torch.save({"model": state}, tmp_path / "sharp.pth")
    bundle = tmp_path / "bundle"
    arguments = ["--ckpt", str(tmp_path / "sharp.pth"), "-o", str(bundle), "--size", "96x160", "--trt", "none"]
    assert run(main, arguments) == 0
    assert "float32's own floor (PyTorch against float64 on " in capsys.readouterr().out

    (verification,) = json.loads((bundle / "export-report.json").read_text())["verifications"]
    floor = Floor(**verification["agreement"]["floor"])
    assert 5e-5 < floor.masks < 0.05 and verification["agreement"]["masks_max"] > 1e-4

    known, says = read(bundle / "reference.npz"), passports.read(bundle)
    session = Session(bundle)
    found = [valid_rows(session.infer(frame[None])) for frame in known.frames]
    assert compare(known, found, says, "fp32").verdict == "pass"
    assert compare(known, found, replace(says, agreement={}), "fp32").verdict == "fail"
    for name, fault in (("masks", FACTOR * floor.masks), ("boxes", max(FACTOR * floor.boxes_px, 0.05))):
        wrong = [replace(rows, **{name: getattr(rows, name) + np.float32(fault)}) for rows in found]
        assert compare(known, wrong, says, "fp32").verdict == "fail", name
