"""What the first person with a GPU will run, run here without one: every step, from end to end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.gpu.bounds import Machine, least_seconds
from tests.plugins.kernel_cases import HeadCase
from tests.plugins.toolchain import ROOT

STEPS = ("build", "kernels", "embedded", "frame masks", "resident", "times", "runtime", "races")
CHECKERS = ("memcheck", "racecheck", "synccheck", "initcheck")


def gpu_kernels(
    *arguments: str, folder: Path | None = None, python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": python}
    command = ["bash", str(ROOT / "scripts" / "gpu_kernels.sh"), *arguments]
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=280, check=False
    )


@pytest.mark.slow
def test_a_dry_run_makes_every_step_and_prints_the_table(tmp_path: Path) -> None:
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc here, so there is no compiled PTX to execute")
    done = gpu_kernels("--dry", "--cases", "8", "--output", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    table = (tmp_path / "table.txt").read_text()
    assert table.startswith("DRY RUN, NO GPU") and table in done.stdout
    said = [line for line in table.splitlines() if "  == " in line]
    assert [line.split("  == ")[1].split(",")[0] for line in said] == [*STEPS, *CHECKERS]
    assert all(line.startswith("pass") for line in said)
    assert all(what in table for what in ("masks out, 2 at once", "read too early", "still being read")), table
    figures = [line for line in table.splitlines() if line.strip().startswith("time  mask head")]
    assert figures and all(set(line.split()[8:]) == {"-"} for line in figures), "a dry run has no times"
    for what in (
        "resize of bgr,",
        "resize of nv12,",
        "objects as bits, f16",
        "time  resize 33x20, nv12",
        "time  objects",
    ):
        assert what in table, table


def test_without_a_driver_one_line_says_how_to_go_on() -> None:
    done = gpu_kernels()
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "--dry" in done.stderr


@pytest.mark.parametrize("cases", ["0", "-1", "many"])
def test_no_cases_are_no_pass(cases: str, tmp_path: Path) -> None:
    done = gpu_kernels("--dry", "--cases", cases, "-o", str(tmp_path))
    assert done.returncode == 1 and "--cases" in done.stderr and "Traceback" not in done.stderr


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kernels.txt").write_text("mine")
    done = gpu_kernels("--dry", "-o", ".", folder=tmp_path)  # where it was called from
    assert done.returncode == 1 and "-o FOLDER" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["kernels.txt"]
    assert (tmp_path / "kernels.txt").read_text() == "mine"


def test_the_bounds_are_those_of_a_hand_calculation() -> None:
    """One instance of 8 x 16 cells in float32: one band, so that no row is computed twice."""
    case = HeadCase.random(np.random.default_rng(0), "f32", (1, 1, 8, 16)).filled()
    found = least_seconds(case, Machine(memory=1e9, products=1e9, shared=1e9))
    cells = 8 * 16
    assert found["fp32"] == pytest.approx(cells * (10 * 8 + 64 + 8) * 1e-9)
    assert found["memory"] == pytest.approx((cells * 8 * 4 + 169 * 4 + 2 * 4 + 4 + 4 + cells * 4 * 4) * 1e-9)
    assert found["shared"] == pytest.approx(cells / 2 * 169 * 4 * 1e-9)


def test_a_clock_that_the_driver_does_not_say_leaves_its_bounds_open() -> None:
    case = HeadCase.random(np.random.default_rng(0), "f16", (1, 1, 8, 16)).filled()
    found = least_seconds(case, Machine(memory=None, products=1e12, shared=None))
    assert found["memory"] is None and found["shared"] is None and found["fp32"]


@pytest.mark.parametrize("text", ["exit 1", "nonsense"])
def test_a_python_without_numpy_is_told_in_one_line(text: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{text}\n")
    python.chmod(0o755)
    done = gpu_kernels("--dry", python=str(python))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "PYTHON=" in done.stderr
