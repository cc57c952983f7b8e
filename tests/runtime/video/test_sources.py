"""What `open_source` accepts, the frames and times it gives, and how it refuses the rest."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stc.errors import InputError
from stc.runtime.video import open_source
from stc.runtime.video.decode import Clock
from stc.runtime.video.pictures import natural_key, read_picture
from stc.runtime.video.sources import redact
from tests.runtime.video.clips import encode, square_picture, steady

# H.264 at its default quality: the mean error per channel stays far below the 200 levels between square and ground.
CODING_ERROR = 6


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


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=30))
def test_any_time_stamps_become_strictly_increasing(stamps: list[float | None]) -> None:
    clock = Clock(1 / 25)
    times = [clock(stamp) for stamp in stamps]
    assert times[:1] in ([], [0.0])
    assert all(b > a for a, b in pairwise(times))


def test_repeated_and_missing_time_stamps_advance_by_one_frame() -> None:
    clock = Clock(0.5)
    assert [clock(s) for s in (10.0, 10.0, None, 10.2, 13.0)] == pytest.approx([0, 0.5, 1.0, 1.5, 3.0])


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


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_refused_url_hides_credentials(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]  # free again once the block ends: nothing listens
    with pytest.raises(InputError, match="Connection refused") as caught:
        open_source(f"{scheme}://admin:hunter2@127.0.0.1:{port}/live?token=swordfish")
    assert f"{scheme}://***@127.0.0.1:{port}/live" in str(caught.value)
    assert not any(secret in str(caught.value) for secret in ("admin", "hunter2", "swordfish"))
    assert caught.value.__suppress_context__, (
        "a log with the chain of errors would show PyAV's text, with the whole URL"
    )


def test_silent_server_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stc.runtime.video.decode.TIMEOUT", (0.5, 0.5))
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(InputError, match="cannot be opened"):
            open_source(f"rtsp://127.0.0.1:{server.getsockname()[1]}/live")


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[Callable[[bool], str]]:
    """URL of a server that sends 20 frames without stating a length, then ends the stream properly or just hangs up."""
    body = encode(tmp_path / "clip.ts", steady(20)).read_bytes()
    with ExitStack() as cleanup:
        server = cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve(proper: bool) -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                if proper:
                    head, chunked = "Transfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
                else:
                    head, chunked = "", body
                connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n{head}\r\n".encode() + chunked)

        def start(proper: bool) -> str:
            thread = threading.Thread(target=serve, args=(proper,))
            thread.start()
            cleanup.callback(thread.join)
            return f"http://user:hunter2@127.0.0.1:{server.getsockname()[1]}/clip.ts"

        yield start


def test_stream_without_stated_duration_is_live(endless: Callable[[bool], str]) -> None:
    source = open_source(endless(True))
    frames = list(source)
    assert source.live and source.length is None
    assert "hunter2" not in source.name and all("hunter2" not in f.source for f in frames)
    assert len(frames) == 20
    assert all(b.time > a.time for a, b in pairwise(frames))


def test_lost_stream_is_an_error_that_says_what_to_do(endless: Callable[[bool], str]) -> None:
    frames = []
    with pytest.raises(InputError, match="not reconnected, start the command again") as caught:
        for frame in open_source(endless(False)):
            frames.append(frame)  # noqa: PERF402 - the frames before the loss are wanted
    assert f"lost after {len(frames)} frames" in str(caught.value) and len(frames) > 10
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:hunter2@cam/live",
        "rtsp://admin:hun/hunter2@cam/live",
        "rtsp://admin:p@hunter2@cam/live",
        "rtsp://admin:what?hunter2@cam/live",
        "http://cam/live?password=hunter2",
        "http://cam/live#hunter2",
        "rtsp://cam/user=admin_password=hunter2_channel=1/live",
        "rtsp://cam/token=hunter2;x/live",
    ],
)
def test_redaction(url: str) -> None:
    assert "hunter2" not in redact(url)
    assert "admin" not in redact(url)
    assert "cam" in redact(url)


def test_redaction_leaves_a_plain_url_alone() -> None:
    assert redact("rtsp://cam:554/live/1") == "rtsp://cam:554/live/1"


def test_unknown_scheme() -> None:
    with pytest.raises(InputError, match="scheme 'gopher'"):
        open_source("gopher://user:hunter2@host/x")


def test_missing_camera() -> None:
    with pytest.raises(InputError, match=r"/dev/video97: no such camera; found:"):
        open_source("97")
