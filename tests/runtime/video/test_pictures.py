"""Pictures as a source, single or as a folder: their order, their formats, and what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stc.errors import InputError
from stc.runtime.video import open_source
from stc.runtime.video.pictures import natural_key, read_picture
from tests.runtime.video.clips import square_picture


def test_folder_in_natural_order(tmp_path: Path) -> None:
    for value in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f"img{value}.PNG"), np.full((8, 8, 3), value, np.uint8))
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".img0.png").write_bytes(b"hidden")
    source = open_source(tmp_path)
    frames = list(source)
    assert [int(f.image[0, 0, 0]) for f in frames] == [1, 2, 10]
    assert [f.time for f in frames] == pytest.approx([0, 1 / 30, 2 / 30])
    assert (source.size, source.length, source.fps, source.live) == ((8, 8), 3, 30.0, False)
    assert [(f.index, int(f.image[0, 0, 0])) for f in open_source(tmp_path, every=2)] == [(0, 1), (2, 10)]


@given(st.permutations(["1", "01", "1a", "2", "10", "a1", "a2", "a10", "a10b", "b", "²", "_", "."]))
def test_natural_order_is_the_same_from_any_order(names: list[str]) -> None:
    ordered = sorted(names, key=natural_key)
    assert ordered == ["01", "1", "1a", "2", "10", ".", "_", "a1", "a2", "a10", "a10b", "b", "²"]


def test_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="holds no pictures"):
        open_source(tmp_path)


def test_unreadable_picture_in_a_folder(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), square_picture(0))
    (tmp_path / "2.png").write_bytes((tmp_path / "1.png").read_bytes()[:200])
    frames = iter(open_source(tmp_path))
    assert np.array_equal(next(frames).image, square_picture(0))
    with pytest.raises(InputError, match=r"2.png: unreadable picture"):
        next(frames)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp"])
def test_single_picture(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    cv2.imwrite(str(path), square_picture(0), [cv2.IMWRITE_WEBP_QUALITY, 101])  # 101: lossless
    source = open_source(path)
    (frame,) = source
    assert np.array_equal(frame.image, square_picture(0))
    assert (frame.time, frame.index, frame.source, source.length) == (0.0, 0, path.name, 1)


def test_jpeg_matches_opencv(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    cv2.imwrite(str(path), square_picture(0))
    difference = np.abs(read_picture(path).astype(int) - cv2.imread(str(path)))
    assert difference.max() <= 2  # two builds of libjpeg may round differently


def test_picture_formats_become_bgr_bytes(tmp_path: Path) -> None:
    gray16 = np.arange(256 * 200, dtype=np.uint16).reshape(200, 256)
    color = square_picture(0)
    alpha = np.dstack((color, np.full(color.shape[:2], 7, np.uint8)))
    cases = {
        "gray.png": (color[:, :, 0], np.repeat(color[:, :, :1], 3, axis=2)),
        "gray16.png": (gray16, np.repeat((gray16 >> 8).astype(np.uint8)[:, :, None], 3, axis=2)),
        "color16.png": (color.astype(np.uint16) * 257, color),
        "alpha.png": (alpha, color),
        "alpha16.png": (alpha.astype(np.uint16) * 257, color),
    }
    for name, (stored, expected) in cases.items():
        cv2.imwrite(str(tmp_path / name), stored)
        found = read_picture(tmp_path / name)
        assert found.dtype == np.uint8 and found.flags.c_contiguous, name
        assert np.array_equal(found, expected), name


def test_picture_is_turned_upright(tmp_path: Path) -> None:
    from PIL import Image

    upright = square_picture(0)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored a quarter turn to the left of upright
    stored = np.ascontiguousarray(np.rot90(upright)[:, :, ::-1])
    Image.fromarray(stored).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(read_picture(tmp_path / "turned.png"), upright)
