"""PTX of our CUDA sources, as a compiler here makes it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from stc.export.engine import embed
from tests.plugins.toolchain import PLUGINS

OLDEST = 75  # the architecture of the PTX that ships


def compile_ptx(source: str, folder: Path, architecture: int = OLDEST, plugins: Path = PLUGINS) -> str:
    """`plugins`/cuda/`source` by nvcc, with the options of cmake/plugin.cmake; skips where there is no nvcc."""
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc here, so there is no compiled PTX")
    path = folder / Path(source).with_suffix(".ptx")
    command = ["nvcc", "-std=c++17", "-O3", "-ptx", f"-arch=compute_{architecture}", f"-I{plugins / 'include'}"]
    done = subprocess.run(
        [*command, str(plugins / "cuda" / source), "-o", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return path.read_text()


def embedded_ptx(folder: Path) -> str:
    """The kernels that plans carry: compiled here, or where there is no nvcc the file that came with stc."""
    if shutil.which("nvcc") is None and embed.FILE.is_file():
        return embed.FILE.read_text()
    return compile_ptx("embedded.cu", folder)


def release() -> str:
    """nvcc's, as "13.0"; skips where there is none."""
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc here, so there is no compiled PTX")
    said = subprocess.run(["nvcc", "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"release (\d+\.\d+)", said)
    assert match, said
    return match[1]
