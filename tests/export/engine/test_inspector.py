"""When TensorRT's engine inspector is asked, and in which order, on a fake of its module: there is no GPU here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from stc.errors import AccuracyError, IncompatibleError, Missing
from stc.export.engine import build as building
from stc.export.engine.engine_layers import ask_inspector
from stc.export.engine.toolchain import Toolchain
from stc.runtime.machine.machine import Driver, Gpu, Machine
from tests.export.engine.test_engine_layers import layer, text
from tests.runtime.backends.fake_tensorrt import ILogger, Severity

GPU = Machine(driver=Driver("580.95.05", "13.0"), gpus=(Gpu("H100", "SM90", 80 << 30),), cuda_bindings="13.5.0")


class FakeModule:
    """What `ask_inspector` uses of TensorRT's module. `answer`: the inspector's; None: the plan does not load."""

    ILogger = ILogger

    LayerInformationFormat = SimpleNamespace(JSON="json")
    ComputeCapability = SimpleNamespace(__members__={"SM89": 0})
    __version__ = "11.4.0.106"

    def __init__(self, answer: str | None) -> None:
        self.answer = answer
        self.host_code: Any = "allowed unless it is said"

    def Runtime(self, log: Any) -> Any:  # noqa: N802  (TensorRT's name)
        fake = self

        class Runtime:
            engine_host_code_allowed: Any = None

            def deserialize_cuda_engine(self, plan: bytes) -> Any:
                assert plan == b"plan"
                fake.host_code = self.engine_host_code_allowed
                if fake.answer is None:
                    log.log(Severity.ERROR, "Engine was built for another device")
                    return None
                return SimpleNamespace(create_engine_inspector=lambda: fake)

        return Runtime()

    def get_engine_information(self, form: str) -> str | None:
        assert form == "json"
        return self.answer


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (Machine(), "not asked, no NVIDIA driver here"),
        (Machine(driver=Driver("580"), cuda_error="cudaErrorNoDevice"), "can use (cudaErrorNoDevice)"),
        (Machine(driver=Driver("580")), "can use (cuda-bindings is missing)"),
    ],
)
def test_without_a_gpu_it_is_not_asked_and_that_is_said(machine: Machine, reason: str) -> None:
    found = ask_inspector(Toolchain("tensorrt", FakeModule("x")), b"plan", "model.onnx", machine)
    assert isinstance(found, Missing)
    assert reason in found.reason


def test_with_a_gpu_it_is_asked_and_host_code_stays_disallowed() -> None:
    module = FakeModule("what it says")
    assert ask_inspector(Toolchain("tensorrt", module), b"plan", "model.onnx", GPU) == "what it says"
    assert module.host_code is False


def test_a_plan_that_its_own_builder_does_not_load_is_an_error() -> None:
    with pytest.raises(IncompatibleError, match=r"does not load it .*built for another device"):
        ask_inspector(Toolchain("tensorrt", FakeModule(None)), b"plan", "model.onnx", GPU)


def test_a_plan_built_ahead_of_time_may_be_for_other_gpus() -> None:
    found = ask_inspector(Toolchain("rtx", FakeModule(None)), b"plan", "model.onnx", GPU)
    assert isinstance(found, Missing)
    assert "H100 does not load the plan (Engine was built for another device)" in found.reason


def test_a_float32_engine_of_a_float16_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "gather", lambda: GPU)
    single = Toolchain("tensorrt", FakeModule(text(layer("CaskConvolution", "Float"))))
    with pytest.raises(AccuracyError, match="0 of 1 convolutions"):
        building.inspect(b"plan", "model-fp16.onnx", single, "fp16")
    half = Toolchain("tensorrt", FakeModule(text(layer("CaskConvolution", "Half"))))
    assert str(building.inspect(b"plan", "model-fp16.onnx", half, "fp16")).startswith("engine: fp16: 1 of 1 layers")
