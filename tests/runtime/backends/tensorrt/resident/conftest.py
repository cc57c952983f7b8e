"""A pretended GPU with our kernels in NumPy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stc.runtime.backends.tensorrt.resident import kernels
from stc.runtime.backends.tensorrt.resident.kernels import Kernels
from tests.runtime import tiny_model
from tests.runtime.backends import engine_bundle
from tests.runtime.backends.engine_bundle import Gpus
from tests.runtime.backends.tensorrt.resident.fake_kernels import FakeKernels

AREA = replace(tiny_model.PASSPORT, resize="area")  # of which the CPU's resize is ours, with OpenCV too


@pytest.fixture
def fake(gpus: Gpus, monkeypatch: pytest.MonkeyPatch) -> FakeKernels:
    functions = FakeKernels(gpus.cuda)
    monkeypatch.setattr(kernels, "find", lambda here: Kernels(functions, "libfake.so"))
    return functions


@pytest.fixture
def whole(fake: FakeKernels, library: Path, tmp_path: Path) -> Path:
    """A bundle whose engine takes whole frames; its model.onnx runs on the CPU."""
    return engine_bundle.write(tmp_path / "whole", library, passport=AREA)
