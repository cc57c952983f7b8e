"""Real engines of TensorRT-RTX, built on a machine without a GPU. They are not run: that takes one."""

from __future__ import annotations

import _thread
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stc.errors import AccuracyError, IncompatibleError, MissingDependencyError
from stc.export.engine import build as building
from stc.export.engine.build import build, check
from stc.export.engine.options import RTX_TARGETS, EngineOptions, for_sizes
from stc.export.engine.toolchain import Toolchain
from stc.export.graph.graph import trace
from stc.export.graph.precision import Precision
from stc.export.sizes import Batch
from stc.model import checkpoint
from stc.runtime.bundle import engine_record
from tests.seeded import crossvis_state

Exported = Callable[[Precision, Batch], bytes]


@pytest.mark.slow
def test_stc_lite_builds_in_float32_for_every_target(rtx: Toolchain, lite_onnx: Exported) -> None:
    """In float16, for batches, and in bfloat16: test_engine_bundle.py."""
    engine = build(lite_onnx("fp32", Batch()), "model.onnx", rtx, EngineOptions(), "fp32")
    assert engine.audit.fraction == 1
    assert engine.record.flavour == "rtx"
    assert engine.record.version == rtx.version
    assert engine.record.targets == RTX_TARGETS
    assert engine.record.batch == Batch().to_tuple()
    assert engine.record.plugin is None
    assert len(engine.plan) > 5_000_000  # 4.6 million weights of four bytes
    # What the passport stores is what the runtime reads.
    stored = json.loads(json.dumps(engine.record.to_dict()))
    assert engine_record.from_dict(stored, "passport").targets == engine.record.targets


@pytest.mark.slow
def test_float16_plans_are_smaller_and_options_reach_the_builder(rtx: Toolchain, lite_onnx: Exported) -> None:
    options = EngineOptions(targets=("SM89",), workspace=0.5, opt_level=1)
    half = build(lite_onnx("fp16", Batch()), "model.onnx", rtx, options, "fp16")
    single = build(lite_onnx("fp32", Batch()), "model.onnx", rtx, options, "fp32")
    assert half.record.targets == ("SM89",)
    assert half.audit.fraction >= 0.94  # all but the op
    assert len(half.plan) < 0.75 * len(single.plan)


@pytest.mark.slow
def test_r50_builds_in_float16_for_frames_of_any_shape(rtx: Toolchain, tmp_path: Path) -> None:
    torch.save({"model": crossvis_state(0)}, tmp_path / "model.pth")
    model = checkpoint.load(tmp_path / "model.pth", classes="ytvis2019").model
    content = trace(model, "fp16").deployed.SerializeToString()
    options = for_sizes(EngineOptions(), False, model.config.letterbox, (720, 1280))
    engine = build(content, "model-fp16.onnx", rtx, options, "fp16")
    assert engine.audit.fraction > 0.99
    assert engine.audit.multiply_adds > 50e9  # a ResNet-50 with its heads at 384x640
    assert len(engine.plan) > 70_000_000
    assert engine.record.sizes == ((160, 160), (360, 640), (640, 640))


@pytest.mark.slow
def test_a_float32_file_is_no_float16_engine(rtx: Toolchain, lite_onnx: Exported) -> None:
    with pytest.raises(AccuracyError, match="fp16: 0 of"):
        build(lite_onnx("fp32", Batch()), "model.onnx", rtx, EngineOptions(), "fp16")


@pytest.mark.slow
def test_what_a_gpu_cannot_do_is_said_with_tensorrts_words(rtx: Toolchain, lite_onnx: Exported) -> None:
    with pytest.raises(IncompatibleError, match=r"cannot build it for SM75: .*FP32 GEMM"):
        build(lite_onnx("fp32", Batch()), "model.onnx", rtx, EngineOptions(targets=("SM75",)), "fp32")


class InterruptAtTheFirstPhase:
    """Ctrl-C, as soon as TensorRT is at work."""

    def __init__(self) -> None:
        self.steps = 0
        self.phases = 0

    def start(self, phase: str, steps: int) -> None:
        self.phases += 1
        if self.phases == 1:
            _thread.interrupt_main()
            time.sleep(0.5)  # the main thread looks ten times a second

    def advance(self, phase: str) -> None:
        self.steps += 1

    def finish(self, phase: str) -> None: ...


@pytest.mark.slow
def test_an_interrupt_ends_the_build(rtx: Toolchain, lite_onnx: Exported) -> None:
    display = InterruptAtTheFirstPhase()
    with pytest.raises(KeyboardInterrupt):
        build(lite_onnx("fp32", Batch()), "model.onnx", rtx, EngineOptions(), "fp32", display)
    assert display.steps < 100  # a whole build takes more than a thousand
    engine = build(lite_onnx("fp32", Batch()), "model.onnx", rtx, EngineOptions(), "fp32")  # and the next one works
    assert engine.plan


class Tensorrt:
    """A TensorRT with a name and no builder: enough for what is decided before one is made."""

    __version__ = "11.4.0.106"
    HardwareCompatibilityLevel = type("Level", (), {"__members__": {"NONE": 0, "AMPERE_PLUS": 1}})


@pytest.mark.parametrize("plugin", ["auto", "library", "embed"])
def test_a_plugin_that_is_not_there_is_said_before_the_export(
    plugin: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STC_TENSORRT_PLUGIN", str(tmp_path / "none.so"))
    monkeypatch.setattr(building.embed, "FILE", tmp_path / "none.ptx")
    with pytest.raises(MissingDependencyError, match="--plugin none"):
        check(Toolchain("tensorrt", Tensorrt), EngineOptions(plugin=plugin))
