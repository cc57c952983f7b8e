"""The TensorRT plugin: driven as TensorRT drives it, built by CMake, found and created by TensorRT's own parser."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stc.files import sha256
from stc.runtime.machine import plugin as plugins
from tests.plugins.ptx.source import compile_ptx
from tests.plugins.toolchain import (
    FIBERS,
    KERNELS,
    PLUGINS,
    ROOT,
    cmake,
    compile_host,
    execute,
    plugin,
    tensorrt_headers,
)
from tests.plugins.wheels import unpacked

pytestmark = pytest.mark.slow
EXPORTS = {
    "getCreators",
    "setLoggerFinder",
    "stc_cuda_abi",
    "stc_cuda_built_with",
    "stc_cuda_struct_size",
    "stc_cuda_dynamic_mask_head",
    "stc_cuda_bit_masks",
    "stc_cuda_dense_masks",
}


def test_the_plugin_does_what_tensorrt_asks_of_it(tmp_path: Path) -> None:
    """Creation, shapes, formats, configuration, execution, serialisation; the kernel runs on the host."""
    sources = [KERNELS[0], *sorted((PLUGINS / "tensorrt").glob("*.cpp")), PLUGINS / "tests" / "plugin_test.cpp", FIBERS]
    sanitizers = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    done = execute(compile_host(tmp_path / "plugin", sources, "-isystem", str(tensorrt_headers()), *sanitizers))
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "6 groups, 0 failed" in done.stdout


def configure(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [cmake(), "-S", str(ROOT), "-B", str(folder), "-DSTC_CPU=OFF"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_without_nvcc_the_build_says_in_one_line_what_it_skips(tmp_path: Path) -> None:
    hidden = {"PATH": str(hide(tmp_path, "nvcc")), "CUDACXX": "/nonexistent/nvcc"}
    done = configure(tmp_path / "build", **hidden)
    assert done.returncode == 0, done.stderr
    assert "stc: TensorRT plugin skipped: no nvcc" in done.stdout
    done = configure(tmp_path / "required", STC_REQUIRE_CUDA="1", **hidden)
    assert done.returncode != 0
    assert "no TensorRT plugin: no nvcc" in done.stderr


def test_a_header_folder_without_headers_is_an_error(tmp_path: Path, library: Path) -> None:
    done = configure(tmp_path / "build", PATH=os.environ["PATH"], TENSORRT_INCLUDE_DIR=str(tmp_path))
    assert done.returncode != 0
    assert "has no NvInferRuntime.h" in " ".join(done.stderr.split())


def hide(folder: Path, program: str) -> Path:
    """A folder of links to all programs on the PATH but one."""
    links = folder / "bin"
    links.mkdir()
    for place in reversed(os.environ["PATH"].split(os.pathsep)):
        for path in Path(place).glob("*") if Path(place).is_dir() else ():
            link = links / path.name
            if path.name != program:
                link.unlink(missing_ok=True)
                link.symlink_to(path)
    return links


@pytest.fixture(scope="module")
def library() -> Path:
    return plugin()


def test_the_library_exports_what_it_must_and_nothing_else(library: Path) -> None:
    done = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True)
    assert {line.split()[-1] for line in done.stdout.splitlines()} == EXPORTS


def test_the_library_loads_without_tensorrt_and_without_a_driver(library: Path) -> None:
    handle = ctypes.CDLL(str(library))
    assert handle.stc_cuda_abi() == 2
    handle.stc_cuda_built_with.restype = ctypes.c_char_p
    told = re.fullmatch(rb"stc: CUDART_VERSION=(\d+)0\d0", handle.stc_cuda_built_with())
    found = plugins.read(library)
    assert told and found.cuda == int(told[1]) >= 12 and found.sha256 == sha256(library)
    count = ctypes.c_int32()
    handle.getCreators.restype = ctypes.POINTER(ctypes.c_void_p)
    assert handle.getCreators(ctypes.byref(count))[0] and count.value == 1


def test_the_embedded_kernels_are_ptx_with_c_names(library: Path) -> None:
    text = library.with_name("stc_mask_head.ptx").read_text()
    for storage in ("f32", "f16"):
        assert f".visible .entry stc_dynamic_mask_head_{storage}(" in text
    assert ".target sm_75" in text
    assert re.findall(r"^\.version (.+)$", text, re.MULTILINE) == ["6.3"]


def test_the_embedded_kernels_are_those_that_the_tests_execute(library: Path, tmp_path: Path) -> None:
    """`tests/plugins/ptx` compiles as CMake does; CMake then names an older PTX."""
    shipped, executed = (
        re.sub(r"^\.version .+$", "", text, flags=re.MULTILINE)
        for text in (library.with_name("stc_mask_head.ptx").read_text(), compile_ptx("embedded.cu", tmp_path))
    )
    assert shipped == executed


# The oldest of CUDA 12, whose drivers TensorRT 10 still serves; sm_87 is Jetson Orin, sm_90 Hopper.
@pytest.mark.parametrize("architecture", ["sm_75", "sm_87", "sm_90"])
def test_the_assembler_of_cuda_12_takes_the_embedded_kernels(library: Path, tmp_path: Path, architecture: str) -> None:
    command = [assembler("12.0.140"), f"-arch={architecture}", "-v", "-o", tmp_path / "kernel.cubin"]
    done = subprocess.run(
        [*command, library.with_name("stc_mask_head.ptx")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("0 bytes spill stores, 0 bytes spill loads") == 2, done.stderr


def assembler(version: str) -> Path:
    """ptxas of a CUDA release."""
    program = unpacked("nvidia-cuda-nvcc-cu12", version, "nvidia/cuda_nvcc/bin/ptxas") / "nvidia/cuda_nvcc/bin/ptxas"
    program.chmod(0o755)
    return program


def parse(library: Path, *arguments: str) -> str:
    """What tensorrt_rtx's registry and parser say, in a child process: RTX ends it where a plugin enters a network."""
    pytest.importorskip("tensorrt_rtx", reason="pip install 'stc-trt[rtx]'")
    command = [sys.executable, "-m", "tests.plugins.rtx_parser", str(library), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_tensorrt_registers_the_plugin_under_its_name(library: Path) -> None:
    assert "registered: DynamicMaskHead 1 stc" in parse(library, "--list")


def test_the_onnx_parser_finds_the_plugin_and_hands_it_the_attributes(library: Path) -> None:
    """The plugin refuses attributes without a kernel in a message with the values it was given."""
    said = parse(library, "--channels", "5", "--layers", "4", "--upsample", "3")
    assert "no kernel is compiled for these channels and layers: channels 5, layers 4, upsample 3" in said


def test_the_onnx_parser_creates_the_plugin(library: Path) -> None:
    said = parse(library, "--channels", "8", "--layers", "3", "--upsample", "2")
    assert "Successfully created plugin: DynamicMaskHead" in said, said[-3000:]
