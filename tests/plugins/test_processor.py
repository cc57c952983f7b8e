"""What the CPU library asks the processor (plugins/cpu/processor.h), against processors that QEMU plays."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

HEADER = Path(__file__).parents[2] / "plugins" / "cpu" / "processor.h"
PROGRAM = """
#include <cstdio>
#include "processor.h"
int main() {
  const auto can = stc::cpu::processor();
  std::printf("%d %d", can.avx2, can.avx512);
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that it is run with, but for the processor."""
    emulator = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")
    compiler = shutil.which("g++") or shutil.which("c++")
    if platform.machine() != "x86_64" or not emulator or not compiler:
        pytest.skip("not executed: needs an x86-64 machine, a C++ compiler and QEMU: apt-get install qemu-user-static")
    folder = tmp_path_factory.mktemp("processor")
    (folder / "main.cpp").write_text(PROGRAM)
    built = [compiler, "-std=c++17", "-I", str(HEADER.parent), str(folder / "main.cpp"), "-o", str(folder / "main")]
    subprocess.run(built, check=True)
    return [emulator, str(folder / "main"), "-cpu"]


@pytest.mark.parametrize(
    ("processor", "avx2"),
    [
        ("qemu64", False),
        ("SandyBridge", False),  # AVX without AVX2
        ("Haswell", True),
        ("max", True),
        ("max,-avx2", False),
        ("max,-fma", False),
        ("max,-f16c", False),
        ("max,-xsave", False),  # the system would not save the registers
    ],
)
def test_instructions_are_used_where_all_are_there_and_the_system_saves_their_registers(
    program: list[str], processor: str, avx2: bool
) -> None:
    emulator, main, option = program
    done = subprocess.run([emulator, option, processor, main], capture_output=True, text=True, check=True)
    assert done.stdout == f"{int(avx2)} 0", "QEMU plays none with AVX-512"
