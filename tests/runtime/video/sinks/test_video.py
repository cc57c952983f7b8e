"""Videos written: their times, colours and sizes, and that no half video stays."""

from __future__ import annotations

import itertools
import logging
import math
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime.video import Frame, open_source
from stc.runtime.video.sinks import video as module
from stc.runtime.video.sinks.video import video_writer
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


HOUR = 3600.0


def write_at(path: Path, times: Sequence[float]) -> None:
    with video_writer(path, 25) as write:
        for index, time in enumerate(times):
            write(square_picture(index % 40), Frame(square_picture(index % 40), time, index, "cam"))


def shown_at(path: Path) -> np.ndarray:
    """Times of the pictures as PyAV reads them, seconds, after a check that they increase."""
    with av.open(str(path)) as container:
        times = np.array([frame.time for frame in container.decode(video=0)])
    assert (np.diff(times) > 0).all()
    return times


def check_holds(path: Path, times: Sequence[float]) -> np.ndarray:
    shown = shown_at(path)
    for time in times:
        assert np.abs(shown - time).min() < 0.0011, "mkv counts in milliseconds"
    return shown


def bridges(times: Sequence[float]) -> int:
    """How often a picture is repeated: every 3 h."""
    return sum(math.ceil(round((b - a) / (3 * HOUR), 6)) - 1 for a, b in itertools.pairwise(times))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("hours", [9.9, 10, 12, 60, 10_000])
def test_a_gap_of_any_length_loses_no_frame(tmp_path: Path, suffix: str, hours: float) -> None:
    times = [i / 25 for i in range(10)]
    for gap in (hours, 2 * hours):  # one follows the other
        times += [times[-1] + gap * HOUR + i / 25 for i in range(10)]
    path = tmp_path / f"night{suffix}"
    write_at(path, times)
    shown = check_holds(path, times)
    assert len(shown) == len(times) + (0 if suffix == ".mkv" else bridges(times))
    assert left_over(tmp_path) == [path.name]


@pytest.mark.parametrize("hours", [10, 60])
def test_ffmpeg_reads_a_video_with_a_long_gap(tmp_path: Path, hours: float) -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    times = [i / 25 for i in range(10)] + [hours * HOUR + i / 25 for i in range(10)]
    write_at(tmp_path / "night.mp4", times)
    command = [ffmpeg, "-v", "error", "-i", tmp_path / "night.mp4", "-fps_mode", "passthrough", "-copyts"]
    command += ["-f", "framecrc", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    assert len(lines) == len(times) + bridges(times)


@pytest.mark.slow  # encodes four videos
def test_pictures_hours_apart_are_written_whatever_the_encoder_reorders(tmp_path: Path) -> None:
    """Of pictures that are far apart none may wait for a later one: their delays would add up."""
    random = np.random.default_rng(1)
    steps = [0.04, 1, 600, 3500, 3700, 9000, 10_800, 20_000, 40_000, 1e6]
    for trial in range(10):
        times = np.cumsum(random.choice(steps, 100))
        write_at(tmp_path / f"{trial}.mp4", times.tolist())
        check_holds(tmp_path / f"{trial}.mp4", times.tolist())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_broken_clock_loses_no_frame(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST", 10 * module.BRIDGE)  # 30 h; the true one takes seconds to bridge
    times = [0.0, 0.04, 1e12, 1e12 + 0.04]
    with caplog.at_level(logging.WARNING):
        write_at(tmp_path / f"out{suffix}", times)
    shown = shown_at(tmp_path / f"out{suffix}")
    assert shown[:2] == pytest.approx(times[:2], abs=0.0011)
    assert shown[-2:] == pytest.approx([30 * HOUR + 0.04, 30 * HOUR + 0.08], abs=0.0011)
    (warning,) = caplog.messages
    assert "without video before frame 2 are written as 30 h" in warning


def test_what_the_muxer_refuses_ends_the_video_and_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the bridge, the muxer refuses the gap: the frames before it stay, whoever handles the error."""
    monkeypatch.setattr(module, "BRIDGE", 1 << 60)
    monkeypatch.setattr(module, "FAR", 1 << 60)
    times = [i / 25 for i in range(30)] + [12 * HOUR + i / 25 for i in range(60)]
    with pytest.raises(
        InputError, match=r"out.mp4: cannot be written \(.*\); it ends after \d+ frames; check the disk"
    ):
        write_at(tmp_path / "out.mp4", times)
    assert len(shown_at(tmp_path / "out.mp4")) >= 25
    assert left_over(tmp_path) == ["out.mp4"]


def test_a_video_is_completed_before_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = iter([10_000_000] * 20 + [9_000] * 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: (100_000_000, 0, next(free)))
    with pytest.raises(InputError, match=r"out.mp4: the disk is nearly full \(0.0 MB free\); it ends after 20 frames"):
        write_at(tmp_path / "out.mp4", [i / 25 for i in range(60)])
    assert len(shown_at(tmp_path / "out.mp4")) == 20
    assert left_over(tmp_path) == ["out.mp4"]


def test_options_of_one_container_are_not_given_to_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_at(tmp_path / "out.mkv", [0.0, 0.04])
    assert caplog.messages == []
