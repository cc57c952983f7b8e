"""OpenCV is nobody's requirement: who uses what needs it without one, or with a broken one, reads the way out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

# Where the native library is missing: the resizes of OpenCV, and outlines.
USES = {
    "resize": "from stc.runtime.letterbox import resize_frame as f; f(numpy.ones((4, 4, 3), 'u1'), (2, 2), 'area')",
    "outlines": "from stc.runtime.masks.outlines import outlines; outlines(numpy.ones((4, 4), bool))",
}


def attempt(folder: Path, code: str, module: str) -> str:
    """The error of `code` where the module cv2 is the given text; None: there is no such module."""
    program = f"""
import sys
import numpy
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
    said = attempt(tmp_path, USES[user], "sys.modules['cv2'] = None")
    assert said == "OpenCV (the module cv2) is not installed; fix: pip install opencv-python-headless"


def test_without_opencv_sessions_masks_and_results_can_be_used(tmp_path: Path) -> None:
    said = attempt(tmp_path, "import stc.runtime; stc.runtime.Session, stc.runtime.Masks", "sys.modules['cv2'] = None")
    assert said == ""


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_without_opencv_pictures_are_drawn_and_written(suffix: str, tmp_path: Path) -> None:
    """With Pillow, which everybody has; read back by OpenCV."""
    code = (
        "from stc.runtime.drawing.encode import encoded; from stc.runtime.drawing.draw import annotate; "
        "from pathlib import Path; "
        "mask = numpy.zeros((1, 40, 60), bool); mask[0, 10:30, 20:50] = True; "
        "drawn = annotate(numpy.full((40, 60, 3), 90, 'u1'), make_result(mask, [1], [0])); "
        f"path = Path({str(tmp_path / ('drawn' + suffix))!r}); path.write_bytes(encoded(drawn, path)); "
        f"numpy.save({str(tmp_path / 'drawn.npy')!r}, drawn)"
    )
    module = (
        "from tests.runtime.video.clips import make_result\n"
        "assert 'stc.runtime.drawing.draw' not in sys.modules\n"
        "sys.modules['cv2'] = None"
    )
    assert attempt(tmp_path, code, module) == ""
    drawn, read = np.load(tmp_path / "drawn.npy"), cv2.imread(str(tmp_path / f"drawn{suffix}"))
    assert (drawn != 90).any() and read.shape == drawn.shape
    assert np.abs(read.astype(int) - drawn).mean() < (6 if suffix == ".jpg" else 1e-9), "JPEG alone loses something"


def test_an_opencv_that_does_not_load_sends_to_the_doctor(tmp_path: Path) -> None:
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "__init__.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    said = attempt(tmp_path, USES["resize"], f"sys.path.insert(0, {str(tmp_path)!r})")
    assert said == "OpenCV does not import (libGL.so.1: cannot open shared object file); see: stc-doctor"
