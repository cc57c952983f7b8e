"""Pictures as a source, single or as a folder: their order, their formats, and what is refused."""

from __future__ import annotations

import io
import logging
import os
import stat
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stc.errors import InputError
from stc.runtime.video import open_source
from stc.runtime.video.pictures import natural_key, picture_size, read_picture
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


STORED = {  # how a picture lies in the file, by the EXIF value that turns it upright
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.swapaxes(0, 1),
    6: np.rot90,
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize(("suffix", "options"), [("png", {}), ("tiff", {}), ("webp", {"lossless": True})])
@pytest.mark.parametrize("value", STORED)
def test_picture_is_turned_upright(tmp_path: Path, suffix: str, options: dict[str, Any], value: int) -> None:
    upright = square_picture(0)
    path = tmp_path / f"turned.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = value
    stored = np.ascontiguousarray(STORED[value](upright)[:, :, ::-1])
    Image.fromarray(stored).save(path, exif=exif, **options)
    found = read_picture(path)
    assert np.array_equal(found, upright) and found.flags.c_contiguous
    assert picture_size(path) == open_source(path).size == (160, 120)


def test_photographs_are_upright_as_opencv_shows_them(tmp_path: Path) -> None:
    exif = Image.Exif()
    for value in range(1, 9):
        exif[0x0112] = value
        path = tmp_path / f"{value}.jpg"
        Image.fromarray(square_picture(0)).save(path, exif=exif, quality=95)
        shown = cv2.imread(str(path)).astype(int)
        assert shown.shape == read_picture(path).shape
        assert np.abs(shown - read_picture(path)).max() <= 2  # two builds of libjpeg may round differently


def test_tiff_of_8_and_16_bits(tmp_path: Path) -> None:
    gray16 = np.arange(256 * 200, dtype=np.uint16).reshape(200, 256)
    color = square_picture(0)
    cases = {
        "gray.tif": (color[:, :, 0], np.repeat(color[:, :, :1], 3, axis=2)),
        "gray16.tif": (gray16, np.repeat((gray16 >> 8).astype(np.uint8)[:, :, None], 3, axis=2)),
        "color.TIFF": (color, color),
        "color16.tif": (color.astype(np.uint16) * 257, color),
    }
    for name, (stored, expected) in cases.items():
        cv2.imwrite(str(tmp_path / name), stored)
        assert np.array_equal(read_picture(tmp_path / name), expected), name


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_32_bits_are_refused_rather_than_guessed_at(tmp_path: Path, kind: type) -> None:
    Image.fromarray(np.zeros((8, 8), kind)).save(tmp_path / "depth.tif")
    with pytest.raises(InputError, match="32 bits per pixel"):
        read_picture(tmp_path / "depth.tif")


def test_a_folder_names_what_it_leaves_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.tif"), np.full((8, 8, 3), i, np.uint8))
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "4.gif").write_bytes(b"GIF89a")
    (tmp_path / "5.png").mkdir()
    os.mkfifo(tmp_path / "6.png")  # reading it would wait for ever
    with caplog.at_level(logging.WARNING):
        assert len(list(open_source(tmp_path))) == 3
    assert caplog.messages == [
        f"{tmp_path}: 4.gif, 5.png, 6.png, notes.txt left out; pictures are files named "
        ".png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff"
    ]


def test_a_folder_of_pipes_and_devices_holds_no_pictures(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="holds no pictures"):
        open_source(tmp_path)


def test_names_of_several_series_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(3):
        for kind in ("rgb.jpg", "depth.png"):
            cv2.imwrite(str(tmp_path / f"{i:04d}_{kind}"), square_picture(0))
    with caplog.at_level(logging.WARNING):
        assert open_source(tmp_path).length == 6
    (message,) = caplog.messages
    assert "2 ways to name a picture (0_depth, 0_rgb) are read as one video" in message


@pytest.mark.parametrize(("suffix", "options"), [("png", {}), ("webp", {"lossless": True})])
def test_an_animated_picture_is_a_video(tmp_path: Path, suffix: str, options: dict[str, Any]) -> None:
    path = tmp_path / f"moving.{suffix}"
    first, *others = (Image.fromarray(np.ascontiguousarray(square_picture(i)[:, :, ::-1])) for i in range(5))
    durations = [50, 100, 0, 40, 40]  # milliseconds; 0 is shown for 100, as browsers do
    first.save(path, save_all=True, append_images=others, duration=durations, **options)
    source = open_source(path)
    frames = list(source)
    assert (source.length, source.size, source.live) == (5, (160, 120), False)
    assert [f.time for f in frames] == pytest.approx([0, 0.05, 0.15, 0.25, 0.29])
    assert all(np.array_equal(f.image, square_picture(i)) for i, f in enumerate(frames))
    assert [(f.index, f.time) for f in open_source(path, every=2)] == [(f.index, f.time) for f in frames[::2]]


def test_the_pages_of_a_tiff_are_no_video(tmp_path: Path) -> None:
    first, *others = (Image.fromarray(square_picture(i)) for i in range(3))
    first.save(tmp_path / "pages.tif", save_all=True, append_images=others)
    assert open_source(tmp_path / "pages.tif").length == 1


def test_an_animation_that_breaks_off_gives_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "moving.png"
    noise = np.random.default_rng(0).integers(0, 255, (5, 60, 80, 3), np.uint8)
    first, *others = (Image.fromarray(picture) for picture in noise)
    first.save(path, save_all=True, append_images=others, duration=40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_source(path)
    assert 0 < len(list(source)) < 5 and source.stats.cut_short


@pytest.mark.parametrize("name", ["EPS", "GIF", "DDS", "PCX", "PPM", "ICO", "TGA"])
def test_another_format_than_promised_is_not_even_tried(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an EPS, Pillow makes a picture by starting Ghostscript."""
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    ghostscript.chmod(ghostscript.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    file = io.BytesIO()
    Image.fromarray(square_picture(0)).save(file, name)
    path = tmp_path / "picture.png"
    path.write_bytes(file.getvalue())
    with pytest.raises(InputError, match=r"picture.png: unreadable picture \(none of PNG, JPEG, WEBP, BMP, TIFF\)"):
        open_source(path)
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("side", [10_001, 13_300, 60_000])
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    Image.new("1", (64, 64)).save(tmp_path / "bomb.png")
    data = bytearray((tmp_path / "bomb.png").read_bytes())
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(InputError, match=r"bomb.png: .*(more than 100,000,000 pixels|decompression bomb)"):
        open_source(tmp_path / "bomb.png")
