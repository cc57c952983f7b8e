"""The report on the plugin that was built: every architecture is there, nothing spills; a spill would be noticed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from stc.benchmarks.kernels.report import main, read
from stc.cli import run
from tests.plugins.toolchain import plugin

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nvcc() -> str:
    found = shutil.which("nvcc")
    if not found and not os.environ.get("STC_REQUIRE_CUDA"):
        pytest.skip("no nvcc here, so that there is nothing to report on")
    assert found, "STC_REQUIRE_CUDA is set and there is no nvcc"
    return found


def test_no_kernel_of_the_plugin_spills_on_any_architecture(nvcc: str, capsys: pytest.CaptureFixture[str]) -> None:
    plugin()
    assert run(main, []) == 0
    said = capsys.readouterr().out
    for sm in (75, 80, 86, 87, 89, 90):
        assert f"mask_head_kernel<8, 3, 2, half>                      {sm} " in said
    assert "spills:" not in said and "48x80 N=100 fp16" in said


def test_a_spill_is_reported_and_ends_with_3(nvcc: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library = tmp_path / "libspilling.so"
    plugins = ROOT / "plugins"
    command = [nvcc, "-std=c++17", "-O3", "-arch=sm_80", "--maxrregcount=32", "-Xcompiler=-fPIC", "-shared"]
    includes = [f"-I{plugins / 'include'}", f"-I{plugins / 'cuda'}"]
    # A kernel's launch bounds would win over the limit.
    source = tmp_path / "tight.cu"
    source.write_text('#define __launch_bounds__(...)\n#include "mask_head.cu"\n')
    subprocess.run([*command, *includes, source, "-o", library], check=True, capture_output=True)
    assert any(kernel.spills for kernel in read(library))
    assert run(main, ["--library", str(library)]) == 3
    assert "spills: mask_head_kernel<16, 3, 0, float> on sm_80" in capsys.readouterr().out


def test_a_library_that_is_not_there_names_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["--library", str(tmp_path / "no.so")]) == 1
    assert "not built; fix: make plugin" in capsys.readouterr().err
