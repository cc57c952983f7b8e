"""The native CPU library against double precision (plugins/tests/cpu_check.cpp): under sanitizers, and on Arm."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CPU = ROOT / "plugins" / "cpu"
SETS = ("avx512", "avx2", "portable")
pytestmark = pytest.mark.slow


def build(folder: Path, compiler: str, *options: str) -> Path:
    """Compile the library and its check into one program. Warnings are errors."""
    program = folder / "check"
    sources = [*sorted(CPU.rglob("*.cpp")), ROOT / "plugins" / "tests" / "cpu_check.cpp"]
    common = ("-std=c++17", "-g", "-Wall", "-Wextra", "-Werror", "-pthread")
    includes = ("-I", str(ROOT / "plugins" / "include"))  # after those of the options
    command = [compiler, *common, *options, *includes, *map(str, sources), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return program


def compiler_with(sanitizer: str, folder: Path) -> str:
    """The C++ compiler; skips where it cannot build or run a program with the sanitizer."""
    found = shutil.which("g++") or shutil.which("c++")
    assert found, "no C++ compiler; on Debian: apt-get install g++"
    probe = folder / "probe.cpp"
    probe.write_text("int main() {}\n")
    option = f"-fsanitize={sanitizer}"
    built = subprocess.run([found, option, str(probe), "-o", str(folder / "probe")], capture_output=True, check=False)
    if built.returncode != 0 or subprocess.run([str(folder / "probe")], capture_output=True, check=False).returncode:
        pytest.skip(f"{found} cannot build and run programs with {option} here")
    return found


def execute(command: list[str], asked: str = "", **environment: str) -> tuple[str, str]:
    """Run the check; its digest of bytes, and the instruction set that it used. Its deviations and a sanitizer's
    reports fail the test.
    """
    variables = {**os.environ, **environment, "STC_CPU": asked}
    done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=600, check=False)
    assert done.returncode == 0, (done.stderr + done.stdout)[-4000:]
    _, digest, used = done.stdout.split()
    return digest, used


@pytest.fixture(scope="module")
def address_sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("address")
    sanitizer = "address,undefined"
    compiler = compiler_with(sanitizer, folder)
    return build(folder, compiler, "-O1", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all")


@pytest.mark.parametrize("asked", SETS)
def test_no_byte_outside_the_buffers_and_no_undefined_behaviour(address_sanitized: Path, asked: str) -> None:
    _, used = execute([str(address_sanitized), "sizes", "200"], asked)
    if used != asked:
        pytest.skip(f"not executed: this machine has no {asked}")
    execute([str(address_sanitized), "threads"], asked)
    execute([str(address_sanitized), "fork"], asked)


def test_callers_share_the_threads_without_races_and_a_forked_child_has_its_own(tmp_path: Path) -> None:
    program = build(tmp_path, compiler_with("thread", tmp_path), "-O1", "-fsanitize=thread")
    # The child starts threads although its parent had some: what the library promises, and the sanitizer forbids.
    execute([str(program), "threads"])
    execute([str(program), "fork"], TSAN_OPTIONS="die_after_fork=0")


def test_on_arm_neon_and_portable_code_are_right_and_give_the_same_bytes(tmp_path: Path) -> None:
    compiler = shutil.which("aarch64-linux-gnu-g++")
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if not compiler or not emulator:
        pytest.skip(
            "no compiler for Arm or no emulator; on Debian: apt-get install g++-aarch64-linux-gnu qemu-user-static"
        )
    program = build(tmp_path, compiler, "-O2", "-static")
    digests = {}
    for asked in ("neon", "portable"):
        digests[asked], used = execute([emulator, str(program), "sizes", "120"], asked)
        assert used == asked
    assert digests["neon"] == digests["portable"]
    execute([emulator, str(program), "threads"])  # not "fork": QEMU 7.2 cannot start threads in a forked child


def test_a_deviation_is_found(tmp_path: Path) -> None:
    """The check itself: a library whose upsampling is wrong by one part in a thousand does not pass."""
    wrong = tmp_path / "stc"
    shutil.copytree(ROOT / "plugins" / "include" / "stc", wrong)
    header = wrong / "aligned_bilinear.h"
    text = header.read_text()
    assert "multiply(1.0f - share, low)" in text
    header.write_text(text.replace("multiply(1.0f - share, low)", "multiply(0.999f - share, low)"))
    compiler = shutil.which("g++") or shutil.which("c++")
    assert compiler
    program = build(tmp_path, compiler, "-O1", f"-I{tmp_path}")
    done = subprocess.run([str(program), "sizes", "50"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "failed: mask head: value" in done.stderr
