"""Step 1: the C library for this GPU, the PTX that plans carry, and the CPU library where none is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.gpu import place
from scripts.gpu.driver import MAJOR, MINOR
from scripts.gpu.place import PLUGINS, ROOT
from scripts.gpu.results import code, run, say
from stc.runtime.native import library
from stc.runtime.native.library import Library

CUDA = PLUGINS / "cuda"
EMULATION = PLUGINS / "tests" / "emulation"
INCLUDES = [f"-I{PLUGINS / 'include'}", f"-I{CUDA}"]
SOURCES = [CUDA / name for name in ("mask_head.cu", "frame_masks.cu", "resident/objects.cu", "resident/resize.cu")]
OLDEST = 75  # the architecture of the PTX that ships


def main() -> int:
    if nvcc := shutil.which("nvcc"):
        steps = [ptx, dry_driver, dry_kernels] if place.DRY else [ptx, kernels]
        for step in steps:
            step(nvcc)
    else:
        say("FAIL", "nvcc", "not on the PATH")
    if isinstance(library.find(), Library):
        say("pass", "the CPU library", "installed")
    else:
        sources = sorted((PLUGINS / "cpu").rglob("*.cpp"))
        compiled([*cpp(), "-std=c++17", "-O2", "-pthread", "-shared", "-fPIC", INCLUDES[0]], sources, place.CPU)
    return code()


def kernels(nvcc: str) -> None:
    gpu = place.gpu()
    target = f"sm_{gpu.attribute(MAJOR)}{gpu.attribute(MINOR)}"
    say("pass", f"{gpu.name}, {target}", f"driver for CUDA {gpu.driver}")
    sources = [*SOURCES, CUDA / "c_interface.cpp"]
    options = ["-std=c++17", "-O3", f"-arch={target}", "-shared", "-Xcompiler", "-fPIC", *INCLUDES]
    compiled([nvcc, *options], sources, place.KERNELS)


def ptx(nvcc: str) -> None:
    """As cmake/plugin.cmake makes it: of the oldest version that the architecture needs."""
    options = ["-std=c++17", "-O3", "-ptx", f"-arch=compute_{OLDEST}", *INCLUDES]
    compiled([nvcc, *options], [CUDA / "embedded.cu"], place.PTX)
    oldest = re.search(rf"set\(version_{OLDEST} ([0-9.]+)\)", (ROOT / "cmake" / "oldest_ptx.cmake").read_text())
    assert oldest
    text = re.sub(r"^\.version .+$", f".version {oldest[1]}", place.PTX.read_text(), flags=re.MULTILINE)
    place.PTX.write_text(text)


def dry_driver(nvcc: str) -> None:
    from tests.plugins.ptx.executor import build

    headers = Path(nvcc).resolve().parents[1] / "include"
    said = subprocess.run([nvcc, "--dryrun", "-c", "x.cu"], capture_output=True, text=True, check=False).stderr
    if top := re.search(r"^#\$ TOP=(.+)$", said, re.MULTILINE):  # nvcc may be a link or a script
        headers = Path(top[1]) / "include"
    command = [*cpp(), "-std=c++17", "-O1", "-shared", "-fPIC", f"-I{headers}"]
    compiled(command, [ROOT / "scripts/gpu/stand_in/driver.cpp"], place.STAND_IN)
    build(place.PTX.read_text(), place.EXECUTOR)
    say("pass", "the executor of the compiled PTX", place.EXECUTOR.name)


def dry_kernels(nvcc: str) -> None:
    sources = [*SOURCES, PLUGINS / "tests/emulated.cpp", EMULATION / "fibers.cpp"]
    options = ["-std=c++20", "-O0", "-w", "-shared", "-fPIC", f"-I{ROOT / 'scripts/gpu/stand_in'}", f"-I{EMULATION}"]
    compiled([*cpp(), *options, *INCLUDES, "-x", "c++"], sources, place.KERNELS)


def cpp() -> list[str]:
    return [shutil.which("g++") or "c++"]


def compiled(command: Sequence[str], sources: Sequence[Path], output: Path) -> None:
    output.unlink(missing_ok=True)  # an earlier run's is not what the other steps are to find
    done = subprocess.run(
        [*command, *map(str, sources), "-o", str(output)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    say("pass" if done.returncode == 0 else "FAIL", output.name, done.stderr[-2000:])


if __name__ == "__main__":
    sys.exit(run(main))
