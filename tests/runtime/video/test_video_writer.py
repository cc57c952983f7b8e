"""Videos written: their times, colours and sizes, and that no half video stays."""

from __future__ import annotations

import logging
from pathlib import Path

import av
import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime.video import Frame, open_source
from stc.runtime.video.video_writer import video_writer
from tests.runtime.video.clips import CODING_ERROR, left_over, make_frame, square_picture


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_video_keeps_times_and_content(tmp_path: Path, suffix: str) -> None:
    times = [0.0, 0.021, 0.3, 0.334, 1.7]
    path = tmp_path / f"out{suffix}"
    with video_writer(path, 29.97) as write:
        for index, time in enumerate(times):
            write(square_picture(index), Frame(square_picture(index), time, index, "clip"))
    frames = list(open_source(path))
    assert [f.time for f in frames] == pytest.approx(times, abs=0.0011), "mkv counts in milliseconds"
    for index, frame in enumerate(frames):
        assert np.abs(frame.image.astype(float) - square_picture(index)).mean() < CODING_ERROR
    with av.open(str(path)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt, int(codec.colorspace)) == ("h264", "yuv420p", 1)  # 1: BT.709
    assert left_over(tmp_path) == [path.name]


def test_colours_survive_the_video(tmp_path: Path) -> None:
    """A wrong matrix or range would shift saturated colours by 10 to 20 levels."""
    colours = np.array([[40, 40, 200], [40, 200, 40], [200, 40, 40], [128, 128, 128]], np.uint8)
    picture = colours.repeat(32, axis=0)[None].repeat(64, axis=0)
    with video_writer(tmp_path / "out.mp4", 30) as write:
        write(picture, make_frame(0))
    (frame,) = open_source(tmp_path / "out.mp4")
    for i, colour in enumerate(colours):
        assert np.abs(frame.image[20:44, i * 32 + 8 : i * 32 + 24].astype(int) - colour).max() <= 4


def test_odd_sizes_grow_to_even(tmp_path: Path) -> None:
    picture = square_picture(0, (121, 161))
    with video_writer(tmp_path / "out.mp4", 30) as write:
        write(picture, make_frame(0))
    (frame,) = open_source(tmp_path / "out.mp4")
    assert frame.image.shape == (122, 162, 3)
    assert np.abs(frame.image[:121, :161].astype(float) - picture).mean() < CODING_ERROR


def test_times_closer_than_the_clock_stay_apart(tmp_path: Path) -> None:
    with video_writer(tmp_path / "out.mp4", 30) as write:
        for index in range(4):
            write(square_picture(index), Frame(square_picture(index), index * 1e-7, index, "clip"))
    times = [f.time for f in open_source(tmp_path / "out.mp4")]
    assert len(set(times)) == 4


def test_frames_of_another_size_are_scaled_to_fit_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wide, tall = np.full((30, 80, 3), 200, np.uint8), np.full((480, 320, 3), 200, np.uint8)
    with caplog.at_level(logging.WARNING), video_writer(tmp_path / "out.mp4", 30) as write:
        for index, picture in enumerate((square_picture(0), wide, tall, square_picture(3))):
            write(picture, make_frame(index))
    first, second, third, last = (f.image.astype(int) for f in open_source(tmp_path / "out.mp4"))
    assert np.abs(first - square_picture(0)).mean() < CODING_ERROR
    assert np.abs(last - square_picture(3)).mean() < CODING_ERROR
    for image, inside, outside in (
        (second, np.s_[4:56, 4:-4], np.s_[64:, :]),
        (third, np.s_[4:-4, 4:76], np.s_[:, 84:]),
    ):
        assert np.abs(image[inside] - 200).mean() < CODING_ERROR and image[outside].mean() < CODING_ERROR
    (warning,) = caplog.messages
    assert "here 160x120, but frame 1 is 80x30" in warning and "-o FOLDER" in warning


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_no_half_video(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), video_writer(tmp_path / "out.mp4", 30) as write:
        write(square_picture(0), make_frame(0))
        raise error
    assert left_over(tmp_path) == []


def test_video_without_frames_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frame to write"), video_writer(tmp_path / "out.mp4", 30):
        pass
    assert left_over(tmp_path) == []


def test_missing_h264_encoder_is_said_aloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    with caplog.at_level(logging.WARNING), video_writer(tmp_path / "out.mp4", 30) as write:
        write(square_picture(0), make_frame(0))
    assert "no H.264 encoder" in caplog.text
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
