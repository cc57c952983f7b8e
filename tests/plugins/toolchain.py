"""Compiles the native code for tests: the kernels for the host, with a sanitizer; the plugin by CMake."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.plugins.compiler import compiler
from tests.shared import BUILD, alone, once

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
EMULATION = PLUGINS / "tests" / "emulation"
# The emulation's folder stands before any CUDA toolkit's: its cuda_runtime.h is the host's.
INCLUDES = [f"-I{folder}" for folder in (EMULATION, PLUGINS / "include", PLUGINS / "cuda", PLUGINS / "tensorrt")]
KERNELS = [PLUGINS / "cuda" / "mask_head.cu", PLUGINS / "cuda" / "frame_masks.cu"]
RESIDENT = [PLUGINS / "cuda" / "resident" / "objects.cu", PLUGINS / "cuda" / "resident" / "resize.cu"]
FIBERS, THREADS = EMULATION / "fibers.cpp", EMULATION / "threads.cpp"


def compile_host(output: Path, sources: Sequence[Path], *options: str) -> Path:
    """Compile C++ and CUDA sources for the host; `options` in GCC's form. Warnings are errors."""
    command = [
        *(compiler(), "-std=c++20", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread"),
        *INCLUDES,
        *options,
        *("-x", "c++", *map(str, sources), "-o", str(output)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return output


def emulated(factory: pytest.TempPathFactory) -> Path:
    """`compile_emulated`, once in a run."""
    return once(factory, "libstc_emulated.so", compile_emulated)


def compile_emulated(output: Path) -> Path:
    """All kernels on the host, behind the C interface of plugins/cuda/stc_cuda.h."""
    sources = [*KERNELS, *RESIDENT, PLUGINS / "tests" / "emulated.cpp", FIBERS]
    return compile_host(output, sources, "-shared", "-fPIC", "-O2")


def cmake() -> str:
    """The CMake of the test extra."""
    return str(Path(sys.executable).with_name("cmake"))


def execute(program: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


def plugin() -> Path:
    """The TensorRT plugin, built where it is not up to date; for TensorRT 10's headers unless TENSORRT_INCLUDE_DIR says
    otherwise. Skips without nvcc; where the plugin must be built (STC_REQUIRE_CUDA=1) that is a failure.
    """
    if not shutil.which("nvcc") and not os.environ.get("STC_REQUIRE_CUDA"):
        pytest.skip("no nvcc here, so that the plugin is not built")
    with alone(BUILD, "plugin"):
        done = subprocess.run(["make", "-s", "-C", ROOT, "plugin"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return ROOT / "runtime" / "libstc_tensorrt.so"


@cache
def tensorrt_headers() -> Path:
    """The folder of TensorRT's headers, found or downloaded as the plugin's build does.

    Skips where they cannot be had; where the plugin must be built (STC_REQUIRE_CUDA=1) that is a failure.
    """
    script = f"""
        set(PROJECT_SOURCE_DIR {ROOT})
        set(STC_FETCH_HEADERS ON)
        include({ROOT}/cmake/tensorrt_headers.cmake)
        stc_find_tensorrt_headers(folder version origin)
        message("${{folder}}")
    """
    with alone(BUILD, "tensorrt-headers"):
        path = BUILD / "tensorrt-headers.cmake"
        path.write_text(script)
        done = subprocess.run([cmake(), "-P", str(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0 and "could not be downloaded" in done.stderr and os.environ.get("STC_REQUIRE_CUDA") != "1":
        pytest.skip(next(line.strip() for line in done.stderr.splitlines() if "stc:" in line))
    assert done.returncode == 0, done.stderr
    return Path(done.stderr.strip().splitlines()[-1])
