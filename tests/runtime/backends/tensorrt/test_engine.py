"""TensorRT keeps the first logger of a process: whoever asks later finds its words all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from stc.errors import IncompatibleError
from stc.export.engine.engine_layers import ask_inspector
from stc.export.engine.toolchain import Toolchain
from stc.runtime import Session
from stc.runtime.backends.tensorrt.engine import collector
from tests.runtime.backends import engine_bundle, fake_tensorrt
from tests.runtime.backends.engine_bundle import Gpus
from tests.runtime.backends.fake_tensorrt import FakeTensorRt, Severity


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A bundle whose plan its passport vouches for, and TensorRT does not take."""
    return engine_bundle.write(tmp_path / "damaged", plan=fake_tensorrt.plan(b"", version="10.0"))


def test_a_second_session_is_told_what_tensorrt_said(engine: Path, gpus: Gpus, damaged: Path) -> None:
    with Session(engine / "engine.plan"), pytest.raises(IncompatibleError, match="Version tag or size does not match"):
        Session(damaged / "engine.plan")


def test_a_session_after_an_export_is_told_what_tensorrt_said(gpus: Gpus, damaged: Path) -> None:
    with pytest.raises(IncompatibleError, match=r"does not load it .*magicTag"):
        ask_inspector(Toolchain("tensorrt", gpus.tensorrt), b"no plan", "model.onnx", gpus.machine)
    with pytest.raises(IncompatibleError) as caught:
        Session(damaged / "engine.plan")
    assert "Version tag or size does not match" in str(caught.value) and "magicTag" not in str(caught.value)


def test_errors_are_kept_once_each_and_few_until_somebody_asks(gpus: Gpus) -> None:
    log = collector(gpus.tensorrt)
    for number in range(1000):
        log.log(Severity.ERROR, f"error\n {number // 2 % 10}")
    log.log(Severity.WARNING, "a warning")
    assert log.errors() == "error 0; error 1; error 2; error 3; error 4; error 5; and 4 messages more"
    assert log.errors() == "" and log.reason() == "TensorRT gave no reason"


def test_each_tensorrt_has_a_logger_of_its_own(gpus: Gpus) -> None:
    assert collector(gpus.tensorrt) is collector(gpus.tensorrt)
    assert collector(gpus.tensorrt) is not collector(gpus.rtx)
    assert collector(FakeTensorRt(gpus.cuda)) is not collector(gpus.tensorrt)
