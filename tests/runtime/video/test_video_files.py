"""Videos read from files: the frames and times they give, whole or damaged, and what is refused."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime.video import open_source
from stc.runtime.video.sinks.video import video_writer
from tests.runtime.video.clips import CODING_ERROR, encode, square_picture, steady


def mean_error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b).mean())


def test_constant_rate_video(tmp_path: Path) -> None:
    source = open_source(encode(tmp_path / "clip.mp4", steady(12)))
    frames = list(source)
    assert (source.name, source.size, source.length, source.live) == ("clip.mp4", (160, 120), 12, False)
    assert source.fps == pytest.approx(30, rel=2e-3)
    assert [f.index for f in frames] == list(range(12))
    # The clip is stored in milliseconds: times are exact to half of one, and the rate follows from them.
    assert [f.time for f in frames] == pytest.approx(steady(12), abs=0.0006)
    for index, frame in enumerate(frames):
        assert frame.image.dtype == np.uint8 and frame.image.flags.c_contiguous
        assert mean_error(frame.image, square_picture(index)) < CODING_ERROR
    assert [f.time for f in source] == [f.time for f in frames], "a file can be read again"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_rate_keeps_presentation_times(tmp_path: Path, suffix: str) -> None:
    steps = np.random.default_rng(3).integers(20, 300, 25) / 1000
    times = np.concatenate(([0], np.cumsum(steps))).tolist()
    source = open_source(encode(tmp_path / f"vfr{suffix}", times))
    assert [f.time for f in source] == pytest.approx(times, abs=1e-6)


def test_times_start_at_the_first_frame(tmp_path: Path) -> None:
    path = encode(tmp_path / "late.mkv", [5.0, 5.1, 5.25])
    assert [f.time for f in open_source(path)] == pytest.approx([0, 0.1, 0.25], abs=1e-6)


def test_every_keeps_time_and_index_of_the_source(tmp_path: Path) -> None:
    source = open_source(encode(tmp_path / "clip.mp4", steady(10)), every=4)
    frames = list(source)
    assert [f.index for f in frames] == [0, 4, 8]
    assert [f.time for f in frames] == pytest.approx([0, 4 / 30, 8 / 30], abs=0.0006)
    assert source.length == 3 and source.fps == pytest.approx(7.5, rel=2e-3)
    assert mean_error(frames[1].image, square_picture(4)) < CODING_ERROR
    with pytest.raises(InputError, match="every=0"):
        open_source(tmp_path / "clip.mp4", every=0)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("gray.mkv", "ffv1", "gray"),
        ("alpha.mkv", "ffv1", "bgra"),
        ("deep.mkv", "ffv1", "yuv420p10le"),
        ("deepgray.mkv", "ffv1", "gray16le"),
        ("full.mkv", "ffv1", "yuv444p"),
    ],
)
def test_pixel_formats_come_out_bgr(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    (frame,) = open_source(encode(tmp_path / name, [0.0], codec=codec, pixels=pixels))
    expected = square_picture(0).astype(float)
    if "gray" in pixels:
        expected = np.repeat(expected @ [[0.114], [0.587], [0.299]], 3, axis=2)
    assert frame.image.shape == (120, 160, 3) and frame.image.dtype == np.uint8
    # Lossless codecs: what is left is the rounding of colour conversion and, at edges, of halved chroma.
    assert mean_error(frame.image, expected) < 3


def test_odd_size_and_single_frame(tmp_path: Path) -> None:
    (frame,) = open_source(encode(tmp_path / "one.mkv", [0.0], size=(121, 161), codec="ffv1", pixels="bgr0"))
    assert np.array_equal(frame.image, square_picture(0, (121, 161)))  # lossless
    assert frame.image.flags.c_contiguous


def test_truncated_video_keeps_what_was_decoded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = encode(tmp_path / "whole.mp4", steady(40), options={"movflags": "faststart"}, noise=True).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: int(len(whole) * 0.6)])
    with caplog.at_level(logging.WARNING):
        frames = list(open_source(path))
    assert 10 < len(frames) < 40
    assert "cut.mp4: truncated or damaged" in caplog.text and f"after {len(frames)} frames" in caplog.text


def test_truncated_video_without_frame_count_warns_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = encode(tmp_path / "whole.mkv", steady(120), noise=True, size=(32, 32)).read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole[: int(len(whole) * 0.4)])
    with caplog.at_level(logging.WARNING):
        frames = list(open_source(path))
    assert 0 < len(frames) < 120
    assert "truncated or damaged" in caplog.text


def test_damage_in_the_middle_keeps_the_frames_before_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = encode(tmp_path / "clip.mp4", steady(60), options={"movflags": "faststart"}, noise=True)
    data = bytearray(path.read_bytes())
    start = int(len(data) * 0.7)
    data[start : start + 40_000] = np.random.default_rng(0).integers(0, 255, 40_000, np.uint8).tobytes()
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING):
        frames = list(open_source(path))
    assert 10 < len(frames) < 60
    assert "truncated or damaged" in caplog.text


def test_whole_video_gives_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        list(open_source(encode(tmp_path / "clip.mkv", steady(5))))
        list(open_source(encode(tmp_path / "clip.mp4", steady(5)), every=2))
    assert not caplog.records


def test_truncated_mp4_with_its_index_at_the_end(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.mp4", steady(20)).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: int(len(whole) * 0.6)])
    with pytest.raises(InputError, match=r"cut.mp4: cannot be opened as video \(Invalid data"):
        open_source(path)


def test_no_decodable_frame_is_an_error(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4", steady(10), options={"movflags": "faststart"}, noise=True)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = np.random.default_rng(0).integers(0, 255, len(data) - start, np.uint8).tobytes()
    path.write_bytes(data)
    with pytest.raises(InputError, match="not one frame could be decoded"):
        list(open_source(path))


@pytest.mark.parametrize("content", [b"", b"this is no video\n" * 50])
def test_text_named_mp4(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"notes.mp4: cannot be opened as video"):
        open_source(path)


def test_playlist_file_cannot_reach_the_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        path = tmp_path / "list.m3u8"
        url = f"http://127.0.0.1:{server.getsockname()[1]}/part.ts"
        path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}\n#EXT-X-ENDLIST\n")
        with pytest.raises(InputError):
            list(open_source(path))
        with pytest.raises(TimeoutError):
            server.accept()


def test_sound_without_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(InputError, match="no video in it, only audio"):
        open_source(path)


@pytest.mark.parametrize("spec", ["missing.mp4", "missing.png", "no/such/folder"])
def test_missing_path(tmp_path: Path, spec: str) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        open_source(tmp_path / spec)


def test_named_pipe_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        open_source(tmp_path / "pipe.mp4")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts its threads in /proc")
def test_under_a_quota_of_one_processor_ffmpeg_starts_no_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts the processors itself, and knows nothing of a container's quota."""
    clip = encode(tmp_path / "clip.mp4", steady(12), codec="libx264")

    def threads() -> list[str]:
        names = []
        for task in Path("/proc/self/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
                names.append((task / "comm").read_text())
        return [name for name in names if name.startswith("av:")]

    def at_work() -> set[int]:
        seen = set()
        with video_writer(tmp_path / "out.mp4", 30) as write:
            for frame in open_source(clip):
                write(frame.image, frame)
                seen.add(len(threads()))
        return seen

    monkeypatch.setattr("stc.runtime.processors.os.cpu_count", lambda: 16)
    monkeypatch.setattr("stc.runtime.processors.processors", lambda root: 3)
    assert max(at_work()) >= 3, "such threads are seen by this test"
    monkeypatch.setattr("stc.runtime.processors.processors", lambda root: 1)
    assert at_work() == {0}
