"""Which stream of a file is its video, and which headers are refused before anything is decoded."""

from __future__ import annotations

import logging
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from stc.errors import InputError
from stc.runtime.video import open_source
from tests.runtime.video.clips import encode, steady
from tests.runtime.video.zoo import CLIPS, ffmpeg


@pytest.fixture
def two(tmp_path: Path) -> Path:
    clip = next(clip for clip in CLIPS if clip.name == "two-streams.mp4#0")
    return replace(clip, name="two.mp4").make(tmp_path)


def test_of_several_streams_one_is_read_with_a_warning(two: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        sizes = [open_source(spec).size for spec in (two, f"{two}#0", f"{two}#1")]
    assert sorted(sizes[1:]) == [(96, 64), (128, 80)] and sizes[0] in sizes[1:]
    chosen = sizes[1:].index(sizes[0])
    assert caplog.messages == [f"{two}: has 2 video streams; #{chosen} is read, choose another with: {two}#NUMBER"]
    for spec, size in zip((f"{two}#0", f"{two}#1"), sizes[1:], strict=True):
        assert {frame.image.shape[1::-1] for frame in open_source(spec)} == {size}


def test_a_stream_that_is_not_there(two: Path) -> None:
    with pytest.raises(InputError, match="no video stream #2 among 2, counted from #0"):
        open_source(f"{two}#2")
    for spec in (f"{two}#one", f"{two}#", f"{two}#-1", "#1"):
        with pytest.raises(InputError, match="no such file"):
            open_source(spec)


def test_a_file_whose_name_holds_the_mark(two: Path) -> None:
    path = two.rename(two.with_name("take#1"))
    assert open_source(f"{path}#1").size == (128, 80) and open_source(path).name == "take#1"


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.m4a"
    inputs = ["-f", "lavfi", "-i", "sine=duration=1", "-f", "lavfi", "-i", "color=red:size=40x40"]
    cover = ["-map", "1", "-frames:v", "1", "-c:v", "mjpeg", "-disposition:v", "attached_pic"]
    ffmpeg([*inputs, "-map", "0", *cover, str(path)])
    with pytest.raises(InputError, match="no video in it, only audio, cover picture"):
        open_source(path)


def test_an_unknown_codec(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4", steady(5))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"avc1", b"qqqq"))
    with pytest.raises(InputError, match="its codec is unknown to this build of PyAV"):
        open_source(path)


@pytest.mark.parametrize("side", [15_000, 40_000])
def test_a_header_that_states_gigantic_frames(tmp_path: Path, side: int) -> None:
    path = tmp_path / "huge.y4m"
    path.write_bytes(b"YUV4MPEG2 W%d H%d F25:1 C420\nFRAME\n" % (side, side) + bytes(1000))
    with pytest.raises(InputError, match=rf"{side}x{side} is more than 100,000,000 pixels|cannot be opened"):
        open_source(path)


def test_frames_that_are_larger_than_their_header_says(tmp_path: Path) -> None:
    """The decoder is what must refuse them: each JPEG states a size of its own."""
    path = encode(tmp_path / "clip.avi", steady(6), codec="mjpeg", pixels="yuvj420p")
    data = path.read_bytes()
    frame_header = data.index(b"\xff\xc0\x00\x11\x08", len(data) // 2)
    path.write_bytes(data[: frame_header + 5] + struct.pack(">HH", 16_000, 16_000) + data[frame_header + 9 :])
    source = open_source(path)
    assert {frame.image.shape for frame in source} == {(120, 160, 3)} and source.stats.decode_errors == 1


def test_what_pyav_raises_is_one_of_our_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import av

    def fail(*_: object, **__: object) -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr(av, "open", fail)
    with pytest.raises(
        InputError, match=r"PyAV cannot use it \(IndexError: list index out of range\); check that it plays"
    ):
        open_source(encode_nothing(tmp_path))


def encode_nothing(folder: Path) -> Path:
    (folder / "clip.mp4").write_bytes(b"x")
    return folder / "clip.mp4"
