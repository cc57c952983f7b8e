"""Breaking a barrier, an offset or a fused product in the CUDA source is found by executing what nvcc makes of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.plugins.kernel_cases import FrameCase
from tests.plugins.ptx.executor import Executor
from tests.plugins.ptx.launches import frame_kernel, run_frame_masks
from tests.plugins.ptx.source import compile_ptx
from tests.plugins.ptx.test_embedded_kernels import faulty
from tests.plugins.toolchain import PLUGINS

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Fault:
    """In `file`, the occurrence number `index` of `old` becomes `new`."""

    file: str
    old: str
    new: str
    index: int = 0

    def plant(self, plugins: Path) -> None:
        path = plugins / self.file
        parts = path.read_text(encoding="utf-8").split(self.old)
        assert len(parts) > self.index + 1, f"{self.file} has no such line any more: {self.old}"
        start, end = parts[: self.index + 1], parts[self.index + 1 :]
        path.write_text(self.old.join(start) + self.new + self.old.join(end), encoding="utf-8")


IN_THE_MASK_HEAD = {
    "no barrier before the network is read": Fault("cuda/mask_head.cuh", "__syncthreads();", ""),
    "no barrier before the logits are read": Fault("cuda/mask_head.cuh", "__syncthreads();", "", 1),
    "a plane's cell read one further": Fault("cuda/mask_head.cuh", "c * plane + cell", "c * plane + cell + 1"),
    "a row beyond the count": Fault("cuda/mask_head.cuh", "(blockIdx.y) >= op.count", "(blockIdx.y) > op.count"),
    "a cell beyond the plane": Fault("cuda/cells.cuh", "i < count ? widen(p[i]) : 0.0f", "widen(p[i])"),
    "no row above the band": Fault("cuda/mask_head.cuh", "upsample > 1 ? max(first - 1, 0) : first", "first"),
    "products that are not added to": Fault("include/stc/arithmetic.h", "return a * b + c;", "return a * b;"),
}  # fmt: skip
IN_FRAME_MASKS = {
    "the next word": Fault("cuda/frame_masks.cuh", "[row * words + word] = bits", "[row * words + word + 1] = bits"),
    "a half without its fused product": Fault("include/stc/frame_mask.h", "multiply_add(share, rise, low)", "rise"),
}


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    for folder in ("cuda", "include"):
        shutil.copytree(PLUGINS / folder, tmp_path / folder)
    return tmp_path


@pytest.mark.parametrize("what", IN_THE_MASK_HEAD)
def test_faults_in_the_mask_head_are_found(what: str, plugins: Path) -> None:
    IN_THE_MASK_HEAD[what].plant(plugins)
    assert faulty(Executor(compile_ptx("embedded.cu", plugins, plugins=plugins), plugins, only="_f32"))


@pytest.mark.parametrize("what", IN_FRAME_MASKS)
def test_faults_in_frame_masks_are_found(what: str, plugins: Path) -> None:
    IN_FRAME_MASKS[what].plant(plugins)
    case = FrameCase.random(np.random.default_rng(0), "f32", (1, 5, 7), (13, 33))
    text = compile_ptx("frame_masks.cu", plugins, plugins=plugins)
    executor = Executor(text, plugins, only=frame_kernel(case, "words"))
    assert run_frame_masks(executor, case, "words").faults or case.differing("words")
