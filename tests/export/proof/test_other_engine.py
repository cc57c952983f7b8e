"""A bundle says what OpenVINO finds in fewer bits, and a session chooses it by itself only where that is right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stc.benchmarks import reference as reference_file
from stc.benchmarks.reference import Reference, valid_rows
from stc.export import Export
from stc.export.proof import other_engine
from stc.export.sizes import Batch
from stc.runtime.backends.openvino import OpenVinoBackend
from stc.runtime.bundle import engines
from stc.runtime.bundle.engines import Here
from stc.runtime.loading import native_library
from stc.runtime.machine.device import Device

# All of these take the export that the slow tests share.
pytestmark = pytest.mark.slow
RECORD = "model.onnx, openvino bf16"


@pytest.fixture(scope="module")
def machine() -> Here:
    pytest.importorskip("openvino", reason="pip install 'stc-trt[openvino]'")
    here = engines.here()
    if not here.bf16():
        pytest.skip("this CPU has no instructions for bfloat16")
    return here


@pytest.fixture(scope="module")
def truth(lite_bundle: Export) -> Reference:
    """Two frames are enough."""
    whole = reference_file.read(lite_bundle.path / reference_file.FILE_NAME)
    return Reference(whole.frames[:2], whole.outputs[:2])


def verdict(bundle: Export, truth: Reference, machine: Here) -> dict[str, Any]:
    return other_engine.verdicts(bundle.path, bundle.passport, truth, Batch(), machine)[RECORD]


def test_masks_that_lie_apart_by_a_cell_keep_openvino_from_being_chosen(
    lite_bundle: Export, truth: Reference, machine: Here
) -> None:
    """Its own outputs are the truth, so that nothing but the planted fault differs."""
    # What is seen at once is on a track at once: two frames show how masks lie, and no more.
    tracker = {**lite_bundle.passport.tracker, "init_score": 0.0}
    bundle = replace(lite_bundle, passport=replace(lite_bundle.passport, tracker=tracker))
    backend = OpenVinoBackend(bundle.path / "model.onnx", native=native_library(True, None), numbers="bf16")
    own = [valid_rows(backend.run(frame[None])) for frame in truth.frames]
    right = verdict(bundle, Reference(truth.frames, tuple(own)), machine)
    assert right["masks_shift"] < 0.2
    assert right["tracks_iou"] > 0.9  # bfloat16 in threads: not the same to the bit from run to run
    moved = tuple(replace(o, masks=np.roll(o.masks, 1, axis=2)) for o in own)
    wrong = verdict(bundle, Reference(truth.frames, moved), machine)
    assert wrong["verdict"] == "fail"
    assert "masks_shift" in " ".join(wrong["failures"])
    for agreement, expected in ((wrong, "onnxruntime"), (right | {"verdict": "pass"}, "openvino")):
        passport = replace(lite_bundle.passport, agreement={RECORD: agreement})
        assert engines.choose(passport, Device("cpu"), None, machine).engine == expected


def test_without_openvino_nothing_is_said_of_it(lite_bundle: Export, truth: Reference) -> None:
    alone = Here({"onnxruntime"}, lambda: True)
    assert other_engine.verdicts(lite_bundle.path, lite_bundle.passport, truth, Batch(), alone) == {}


def test_what_openvino_cannot_run_is_not_compared_and_says_why(
    lite_bundle: Export, truth: Reference, machine: Here
) -> None:
    passport = replace(lite_bundle.passport, precision={"files": {"absent.onnx": "int8"}})
    found = other_engine.verdicts(lite_bundle.path, passport, truth, Batch(), Here(machine.installed, lambda: False))
    assert found["absent.onnx, openvino f32"]["verdict"] == "not compared"
    assert "absent.onnx" in found["absent.onnx, openvino f32"]["reason"]
