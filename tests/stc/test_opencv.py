"""OpenCV is nobody's requirement: who uses what needs it without one, or with a broken one, reads the way out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

USES = ("stc.runtime.drawing.draw", "stc.runtime.video.sinks.video", "stc.runtime.drawing.encode")


def attempt(folder: Path, code: str, module: str) -> str:
    """The error of `code` where the module cv2 is the given text; None: there is no such module."""
    program = f"""
import sys
from stc.errors import MissingDependencyError
{module}
try:
    {code}
except MissingDependencyError as error:
    print(error)
"""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@pytest.mark.parametrize("user", USES)
def test_without_opencv_the_command_that_brings_one_is_named(user: str, tmp_path: Path) -> None:
    said = attempt(tmp_path, f"import {user}", "sys.modules['cv2'] = None")
    assert said == "OpenCV (the module cv2) is not installed; fix: pip install opencv-python-headless"


def test_without_opencv_sessions_masks_and_results_can_be_used(tmp_path: Path) -> None:
    said = attempt(tmp_path, "import stc.runtime; stc.runtime.Session, stc.runtime.Masks", "sys.modules['cv2'] = None")
    assert said == ""


def test_an_opencv_that_does_not_load_sends_to_the_doctor(tmp_path: Path) -> None:
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "__init__.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    said = attempt(tmp_path, f"import {USES[0]}", f"sys.path.insert(0, {str(tmp_path)!r})")
    assert said == "OpenCV does not import (libGL.so.1: cannot open shared object file); see: stc-doctor"
