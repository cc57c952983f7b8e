"""scripts/gpu_check.sh makes every part, whatever another returns. Its programs are stand-ins that say their names."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.plugins.toolchain import ROOT

PROGRAMS = [f".venv/bin/{name}" for name in ("python", "stc-doctor", "pytest", "stc-export", "stc-bench")]


@pytest.mark.parametrize("broken", [None, "make", ".venv/bin/pytest"])
def test_a_part_that_fails_stops_no_other(broken: str | None, tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    for script in ("gpu_check.sh", "gpu_kernels.sh"):
        shutil.copy(ROOT / "scripts" / script, tmp_path / "scripts")
    for name in (*PROGRAMS, "make"):
        program = tmp_path / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\necho called {name} $*\nexit {int(name == broken)}\n")
        program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    script = tmp_path / "scripts" / "gpu_check.sh"
    done = subprocess.run(["sh", str(script)], env=environment, capture_output=True, text=True, check=False)
    assert [f"called {name}" in done.stdout for name in (*PROGRAMS, "make")] == [True] * 6, done.stdout + done.stderr
    failed = {None: 0, "make": 1, ".venv/bin/pytest": 2}[broken]
    assert done.stdout.splitlines()[-1] == f"{failed} parts failed"
    assert done.returncode == int(failed > 0)
    assert "called .venv/bin/python -m scripts.gpu" in (tmp_path / "out/gpu/kernels-alone.txt").read_text()
