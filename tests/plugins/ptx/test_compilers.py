"""What other architectures and another release's compiler make of the kernels that plans carry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.plugins.kernel_cases import STORAGE, HeadCase
from tests.plugins.ptx import instructions, nvrtc
from tests.plugins.ptx.executor import Executor
from tests.plugins.ptx.launches import run_embedded
from tests.plugins.ptx.source import compile_ptx

pytestmark = pytest.mark.slow


def check(executor: Executor) -> None:
    for storage in STORAGE:
        for size, shift in (((17, 16), 0), ((9, 7), 1), ((12, 120), 1)):
            case = HeadCase.random(np.random.default_rng(size[1]), storage, (2, 2, *size), shift=shift)
            assert run_embedded(executor, case).faults == ()
            assert case.error() <= case.tolerance


# 87 is Jetson Orin, 90 Hopper, 120 Blackwell, which another compiler of nvcc's serves.
@pytest.mark.parametrize("architecture", [87, 90, 120])
def test_the_kernels_for_other_architectures_equal_the_formula(architecture: int, tmp_path: Path) -> None:
    executor = Executor(compile_ptx("embedded.cu", tmp_path, architecture), tmp_path)
    check(executor)
    instructions.check("embedded", architecture, executor)


def test_the_compiler_of_cuda_12_makes_kernels_that_equal_the_formula(tmp_path: Path) -> None:
    """The oldest of CUDA 12; JetPack 6 has its generation."""
    text = nvrtc.compile_ptx("embedded.cu", 75, "12.0.140", "12.0.146", tmp_path)
    assert ".version 8.0" in text
    check(Executor(text, tmp_path))
