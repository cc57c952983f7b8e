"""Pictures for training are those that the runtime sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stc.errors import Problems
from stc.runtime.video.pictures import read_picture
from stc.training.data.annotations import Clip, Frame
from stc.training.data.frame_files import locate_frames
from stc.training.data.views import PictureCache, read_reduced
from tests.runtime.video.clips import encode, steady
from tests.runtime.video.zoo import ffmpeg


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    """80 pixels wide and 120 high once it is upright, stored the other way round."""
    exif = Image.Exif()
    exif[0x0112] = 6
    rows = np.arange(80, dtype=np.uint8)[:, None, None]
    Image.fromarray(np.broadcast_to(rows, (80, 120, 3)).copy()).save(tmp_path / "photo.jpg", exif=exif, quality=95)
    return tmp_path / "photo.jpg"


def problems_of(path: Path, size: tuple[int, int], folder: Path) -> list[str]:
    problems = Problems("the data")
    locate_frames(Clip("clip", (Frame(path, size, ()),), False), folder, problems)
    return problems.found


def test_a_photograph_is_upright_as_in_the_runtime(photograph: Path) -> None:
    picture = read_reduced(photograph, 999)
    assert picture.shape == (120, 80, 3) and np.array_equal(picture, read_picture(photograph))
    assert np.array_equal(PictureCache(999, 1 << 20).get(photograph), picture)
    assert read_reduced(photograph, 60).shape == (60, 40, 3)


def test_annotations_are_checked_against_the_upright_picture(photograph: Path) -> None:
    assert problems_of(photograph, (120, 80), photograph.parent) == []
    (problem,) = problems_of(photograph, (80, 120), photograph.parent)
    assert "photo.jpg: is 80x120 (width x height), its annotations are for 120x80" in problem


def test_annotations_are_checked_against_the_upright_video(tmp_path: Path) -> None:
    stored = encode(tmp_path / "stored.mp4", steady(4))
    ffmpeg(["-display_rotation", "90", "-i", str(stored), "-c", "copy", str(tmp_path / "clip.mp4")])
    assert problems_of(tmp_path / "clip" / "0.jpg", (160, 120), tmp_path) == []
    (problem,) = problems_of(tmp_path / "clip" / "0.jpg", (120, 160), tmp_path)
    assert "clip.mp4: is 120x160 (width x height), its annotations are for 160x120" in problem


def test_an_eps_or_a_pipe_is_no_picture(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "x.eps")
    (tmp_path / "x.eps").rename(tmp_path / "x.png")
    (problem,) = problems_of(tmp_path / "x.png", (8, 8), tmp_path)
    assert "none of PNG, JPEG, WEBP, BMP, TIFF" in problem
