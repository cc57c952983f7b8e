"""The library that Triton opens in the plugin's place, with a library that has TensorRT's name and registry."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugins.compiler import compiler
from tests.plugins.toolchain import EMULATION, PLUGINS, ROOT, tensorrt_headers

pytestmark = pytest.mark.slow
REGISTRY = Path(__file__).with_name("fake_registry.cpp")

# As Triton does: TensorRT is in the process, in nobody's global symbols, and the file is opened, nothing more.
OPEN = "import ctypes, sys\nfor library in sys.argv[1:]: ctypes.CDLL(library)"


def major() -> str:
    found = re.search(r"#define (?:TRT_MAJOR_\w+|NV_TENSORRT_MAJOR) (\d+)", version_header())
    assert found
    return found[1]


def version_header() -> str:
    return (tensorrt_headers() / "NvInferVersion.h").read_text()


def build(source: Path, output: Path, *options: str) -> Path:
    headers = ["-isystem", str(EMULATION), "-isystem", str(tensorrt_headers())]
    command = [
        *(
            compiler(),
            "-std=c++17",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Wno-deprecated-declarations",
            "-fPIC",
            "-shared",
            "-fvisibility=hidden",
        ),
        *(*headers, str(source), "-ldl", "-o", str(output), *options),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(PLUGINS / "triton" / "loader.cpp", tmp_path_factory.mktemp("loader") / "libstc_triton.so")


@pytest.fixture(scope="module")
def tensorrt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library called as TensorRT's, whose registry loads what there is and says so."""
    name = f"libnvinfer.so.{major()}"
    return build(REGISTRY, tmp_path_factory.mktemp("tensorrt") / name, f"-Wl,-soname,{name}")


def test_once_open_it_has_tensorrt_load_the_plugin_beside_it(loader: Path, tensorrt: Path) -> None:
    plugin = loader.with_name("libstc_tensorrt.so")
    plugin.touch()
    done = subprocess.run(
        [sys.executable, "-c", OPEN, tensorrt, loader], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == (f"loaded {plugin}\n", "")


def test_it_says_so_when_tensorrt_refuses_the_plugin(loader: Path, tensorrt: Path) -> None:
    plugin = loader.with_name("libstc_tensorrt.so")
    plugin.unlink(missing_ok=True)
    done = subprocess.run([sys.executable, "-c", OPEN, tensorrt, loader], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert f"TensorRT cannot load {plugin}" in done.stderr


def test_preloaded_before_tensorrt_it_says_what_to_do_instead(loader: Path) -> None:
    done = subprocess.run(["/bin/true"], env={"LD_PRELOAD": str(loader)}, capture_output=True, text=True, check=True)
    assert f"libnvinfer.so.{major()} is not loaded" in done.stderr
    assert "--backend-config=tensorrt,plugins=FILE" in done.stderr
