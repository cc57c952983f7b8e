"""The raw frames: of the sizes they are called by, cut from the photograph without stretching it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PIL import Image

from stc.benchmarks.originals.frames import moving_camera, raw_frames
from tests.installs import ROOT


def test_frames_have_the_sizes_they_are_called_by_and_something_in_them() -> None:
    frames = raw_frames()
    assert list(frames) == ["1280x720", "640x480", "720x1280", "854x480", "1000x300"]
    for name, frame in frames.items():
        assert (frame.dtype, name) == (np.uint8, f"{frame.shape[1]}x{frame.shape[0]}")
        assert frame.flags.c_contiguous and frame.std() > 20


def test_the_photograph_is_in_the_middle_and_not_stretched() -> None:
    """A cut of full height, back at the photograph's scale, is the photograph but for two resamplings."""
    photograph = np.asarray(Image.open(ROOT / "assets/scene.jpg").convert("RGB"))[:, :, ::-1]
    height, width = photograph.shape[:2]
    cut_width = height * 640 // 480
    back = np.asarray(Image.fromarray(raw_frames()["640x480"]).resize((cut_width, height)))
    left = (width - cut_width) // 2
    off = np.abs(back.astype(int) - photograph[:, left : left + cut_width])
    assert off.mean() < 3  # of 255


def test_the_camera_moves_a_little_each_frame() -> None:
    frames = list(moving_camera(5))
    assert {frame.shape for frame in frames} == {(360, 640, 3)}
    steps = [np.abs(a.astype(int) - b).mean() for a, b in pairwise(frames)]
    assert min(steps) > 2
