"""Instructions of the NEON kernels and of portable code, counted under QEMU: no Arm machine was at hand to time them.

Counts are exact and the same on every run, but they are no times: a division is one instruction, and two steps of
Newton's in its place are five.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from stc.errors import InputError, MissingDependencyError

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"
PACKAGES = "apt-get install g++-aarch64-linux-gnu qemu-user"


@dataclass(frozen=True)
class Counted:
    """Instructions of one call by one thread, all that it calls included."""

    name: str
    neon: int
    portable: int

    @property
    def ratio(self) -> float:
        return self.portable / self.neon


def missing() -> str | None:
    """Which of the system's programs are not here, and what installs them; None where all are."""
    absent = [program for program in ("g++", COMPILER, EMULATOR) if shutil.which(program) is None]
    return f"no {' and no '.join(absent)}; on Debian: {PACKAGES}" if absent else None


def count() -> list[Counted]:
    """All kernels of `plugins/tests/cpu_count.cpp`. Raises MissingDependencyError where a program is missing."""
    if reason := missing():
        raise MissingDependencyError(reason)
    with TemporaryDirectory() as folder:
        program, plugin = _build(Path(folder))
        names = _output([EMULATOR, str(program)]).splitlines()

        def instructions(name: str, asked: str) -> int:
            # A second call less the first: without what the program does around it.
            command = [EMULATOR, "-E", f"STC_CPU={asked}", "-plugin", str(plugin), str(program), name]
            once, twice = (_output([*command, times]) for times in ("1", "2"))
            if asked not in once.split():
                raise InputError(f"{name}: asked for {asked}, executed: {once}")
            before, after = (int(re.findall(r"instructions: (\d+)", text)[0]) for text in (once, twice))
            return after - before

        return [Counted(name, instructions(name, "neon"), instructions(name, "portable")) for name in names]


def _build(folder: Path) -> tuple[Path, Path]:
    """The program of all kernels as `setup.py` compiles them, and the plugin that counts, for the QEMU that is here."""
    program, plugin = folder / "count", folder / "instructions.so"
    sources = [*map(str, sorted((PLUGINS / "cpu").rglob("*.cpp"))), str(PLUGINS / "tests" / "cpu_count.cpp")]
    options = ["-std=c++17", "-O3", "-pthread", "-static", "-I", str(PLUGINS / "include")]
    _output([COMPILER, *options, *sources, "-o", str(program)])
    version = re.search(r"version (\d+)", _output([EMULATOR, "--version"]))
    api = 1 if version is None or int(version[1]) < 9 else 2
    source = str(PLUGINS / "tests" / "instructions.cpp")
    _output(["g++", "-std=c++17", "-O2", "-shared", "-fPIC", f"-DQEMU_PLUGIN_API={api}", source, "-o", str(plugin)])
    return program, plugin


def _output(command: list[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise InputError(f"{' '.join(command)[:200]} ended with {done.returncode}: {done.stdout[-2000:]}")
    return done.stdout
