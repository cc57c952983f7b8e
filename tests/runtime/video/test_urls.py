"""Network streams and cameras: live sources, connections lost or refused, and passwords that are never shown."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from time import monotonic, sleep

import cv2
import numpy as np
import pytest

from stc.errors import InputError
from stc.runtime.video import ReconnectPolicy, Stats, open_source
from stc.runtime.video.shown import redact, shown_spec
from tests.runtime.video.clips import encode, square_picture, steady
from tests.runtime.video.zoo import CLIPS, ffmpeg, overwrite_packet


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_refused_url_hides_credentials(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]  # free again once the block ends: nothing listens
    with pytest.raises(InputError, match="Connection refused") as caught:
        open_source(f"{scheme}://admin:hunter2@127.0.0.1:{port}/live?token=swordfish")
    assert f"{scheme}://***@127.0.0.1:{port}/live" in str(caught.value)
    assert not any(secret in str(caught.value) for secret in ("admin", "hunter2", "swordfish"))
    assert caught.value.__context__ is None, "a log with the chain of errors would show PyAV's text, with the whole URL"


def test_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(InputError, match=r"cannot be opened as video \(nothing came for 0.5 s\)"):
            open_source(f"rtsp://127.0.0.1:{server.getsockname()[1]}/live", reconnect=ReconnectPolicy(open_timeout=0.5))


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
    with open_source(endless(True), policy="wait") as source:
        frames = list(source)
    assert source.live and source.length is None and source.state == "ended"
    assert "hunter2" not in source.name and all("hunter2" not in f.source for f in frames)
    assert len(frames) == source.stats.received == 20
    assert [f.time for f in frames] == pytest.approx(steady(20), abs=1e-3), "as in the file"


def test_lost_stream_is_connected_again_until_given_up(
    endless: Callable[[bool], str], caplog: pytest.LogCaptureFixture
) -> None:
    policy = ReconnectPolicy(open_timeout=0.3, first_delay=0.1, give_up=4.0)  # two readers start in it, also slowly
    frames = []
    with open_source(endless(False), policy="wait", reconnect=policy) as source, caplog.at_level(logging.DEBUG):
        with pytest.raises(InputError, match=r"no frame for [\d.]+ s; nothing came for 0.3 s") as caught:
            for frame in source:
                frames.append(frame)  # noqa: PERF402 - the frames before the loss are wanted
    assert f"lost after {len(frames)} frames" in str(caught.value) and len(frames) > 10
    assert source.state == "failed" and caplog.text.count("connecting again") > 1
    assert "hunter2" not in str(caught.value) + caplog.text


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[bytes, dict[str, str], float], str]]:
    """URL at which one body is served, with headers, in 20 pieces with a pause after each."""
    with ExitStack() as cleanup:

        def start(body: bytes, headers: dict[str, str], pause: float) -> str:
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    self.send_response(200)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    size = -(-len(body) // 20)
                    with suppress(OSError):
                        for begin in range(0, len(body), size):
                            self.wfile.write(body[begin : begin + size])
                            sleep(pause)

                def log_message(self, *_: object) -> None:
                    pass

            server = cleanup.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            cleanup.callback(thread.join)
            cleanup.callback(server.shutdown)
            return f"http://user:hunter2@127.0.0.1:{server.server_port}/x"

        yield start


def test_a_recording_on_a_server_is_read_whole(
    tmp_path: Path, served: Callable[[bytes, dict[str, str], float], str]
) -> None:
    path = encode(tmp_path / "clip.mp4", steady(20), options={"movflags": "faststart"})
    url = served(path.read_bytes(), {"Content-Length": str(path.stat().st_size)}, 0)
    with open_source(url, policy="drop-oldest", capacity=1) as source:
        frames = []
        for frame in source:
            frames.append(frame)
            sleep(0.005)
    expected = list(open_source(path))
    assert not source.live and source.state == "ended" and source.stats == Stats(received=20)
    assert [(f.time, f.index) for f in frames] == [(f.time, f.index) for f in expected]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, expected, strict=True))


@pytest.mark.parametrize(
    "name",
    ["turned90m.mp4", "sar2.mp4", "damaged.mp4", "cover-first.mp4", "edit-list.mp4", "concealed plain.mp4"],
)
def test_a_recording_on_a_server_is_read_as_from_a_file(
    name: str, tmp_path: Path, served: Callable[[bytes, dict[str, str], float], str]
) -> None:
    path = next(clip for clip in CLIPS if clip.name == name.removeprefix("concealed ")).make(tmp_path)
    if name.startswith("concealed"):
        overwrite_packet(path, 5, part=0.5)
    body = faststart(path).read_bytes()
    with open_source(served(body, {"Content-Length": str(len(body))}, 0)) as source:
        frames = list(source)
    file = open_source(path)
    expected = list(file)
    assert source.size == file.size == expected[0].image.shape[1::-1]
    assert (source.stats, source.loss) == (file.stats, file.loss)
    assert (file.stats.concealed > 0) == name.startswith("concealed")
    assert [f.time for f in frames] == [f.time for f in expected]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, expected, strict=True))


def test_a_stray_time_stamp_of_a_recording_on_a_server(
    tmp_path: Path, served: Callable[[bytes, dict[str, str], float], str]
) -> None:
    path = tmp_path / "stray.mkv"
    stray = "setts=pts='if(eq(N,8),PTS+37600/TB,PTS)'"
    ffmpeg(["-i", str(encode(tmp_path / "clip.mkv", steady(20))), "-c", "copy", "-bsf:v", stray, str(path)])
    url = served(path.read_bytes(), {"Content-Length": str(path.stat().st_size)}, 0)
    with open_source(url, reconnect=ReconnectPolicy(give_up=1.0)) as source:
        frames = list(source)
    assert [f.index for f in frames] == list(range(20))
    assert [f.time for f in frames] == pytest.approx(steady(20), abs=1e-3)


def faststart(path: Path) -> Path:
    """The same with its index in front, so that it can be read without seeking."""
    out = path.with_name(f"fast-{path.name}")
    ffmpeg(["-i", str(path), "-map", "0", "-c", "copy", "-movflags", "faststart", str(out)])
    return out


def test_a_recording_that_breaks_off_is_not_begun_anew(
    tmp_path: Path, served: Callable[[bytes, dict[str, str], float], str]
) -> None:
    path = encode(tmp_path / "clip.mp4", steady(60), options={"movflags": "faststart"}, noise=True)
    body = path.read_bytes()
    url = served(body[: len(body) // 2], {"Content-Length": str(len(body))}, 0)
    frames = []
    with pytest.raises(InputError, match=r"lost after \d+ frames") as caught, open_source(url) as source:
        for frame in source:
            frames.append(frame)  # noqa: PERF402 - the frames before the loss are wanted
    assert 10 < len(frames) < 60 and "hunter2" not in str(caught.value)
    assert source.stats.reconnects == 0 and [f.index for f in frames] == list(range(len(frames)))


def test_a_camera_without_time_stamps_has_the_times_of_arrival(
    served: Callable[[bytes, dict[str, str], float], str],
) -> None:
    """Multipart JPEG; FFmpeg makes up 25 pictures per second."""
    parts = []
    for index in range(20):
        _, jpeg = cv2.imencode(".jpg", square_picture(index))
        parts.append(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg))
        parts[-1] += jpeg.tobytes() + b"\r\n"
    size = max(map(len, parts))  # equal pieces: JPEG readers skip what follows the picture
    body = b"".join(part.ljust(size, b"\n") for part in parts)
    url = served(body, {"Content-Type": "multipart/x-mixed-replace;boundary=frame"}, 0.1)
    start = monotonic()
    with open_source(url, policy="wait", reconnect=ReconnectPolicy(give_up=2.0)) as source:
        frames = list(islice(source, 19))
    assert source.live
    assert 1.0 < frames[-1].time < monotonic() - start, "25 per second would be 0.72 s"


def test_the_reader_does_not_outlive_a_parent_that_is_killed(
    served: Callable[[bytes, dict[str, str], float], str], tmp_path: Path
) -> None:
    body = encode(tmp_path / "clip.ts", steady(200)).read_bytes()
    url = served(body, {"Content-Type": "video/mp2t"}, 0.5)
    code = (
        "import os, pathlib, signal, sys\nfrom stc.runtime.video import open_source\n"
        "source = open_source(sys.argv[1])\nnext(iter(source))\n"
        "tasks = pathlib.Path('/proc/self/task').glob('*/children')\n"
        "print(*(task.read_text() for task in tasks), flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    reader, end = Path(f"/proc/{int(done.stdout)}"), monotonic() + 20
    while reader.exists() and "Z" not in (reader / "stat").read_text().split()[2] and monotonic() < end:
        sleep(0.02)
    assert not reader.exists() or reader.joinpath("stat").read_text().split()[2] == "Z"


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
        "rtsp://cam/apikey/hunter2/live",
        "https://cam/v1/api-key/hunter2",
        "https://cam/live/Access_Token/hunter2/index.m3u8",
        "rtmp://cam/live/stream-key/hunter2?x=1",
        "https://cam/user/admin/pass/hunter2/1",
        "https://cam/live/Aq3hunter2Zx81Qw/index.m3u8",
        "https://cam/Aq3hunter2Zx81Qw.m3u8",
        "https://cam/hls/secret/hunter2",
    ],
)
def test_redaction(url: str) -> None:
    assert "hunter2" not in redact(url)
    assert "admin" not in redact(url)
    assert "cam" in redact(url)


def test_redaction_leaves_a_plain_url_alone() -> None:
    for url in (
        *("rtsp://cam:554/live/1", "http://cam/axis-cgi/mjpg/video.cgi", "rtsp://cam/Streaming/Channels/101"),
        *("rtsp://cam/cam/realmonitor", "http://cam/keyboard/1", "http://cam/entrance-north-gate-0001/index.m3u8"),
        *("http://cam/20261128180553000.mp4", "http://cam/monkey/passage/author.mp4", "udp://:5000"),
    ):
        assert redact(url) == url


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("c0ffee0123456789abcdef/live", "***/live"),
        ("3f2504e0-4f89-11d3-9a0c-0305e82c3301/1", "***/1"),
        ("camera/7/token/x/live", "camera/7/token/***/live"),
        ("live/AbCdEf0123456789.m3u8", "live/***"),
    ],
)
def test_of_a_path_only_the_secret_is_hidden(path: str, shown: str) -> None:
    assert redact(f"http://cam/{path}") == f"http://cam/{shown}"


def test_the_scheme_may_be_in_capitals() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(InputError, match="Connection refused"):
        open_source(f"HTTP://127.0.0.1:{port}/clip.mp4")


@pytest.mark.parametrize(
    "spec",
    [
        "rtsp:/admin:hunter2@cam/live",
        "rtsp:admin:hunter2@cam/live",
        "rtsp//admin:hunter2@cam/live",
        "RTSP:/admin:hun/hunter2@cam/live",
        "https:/cam/live?password=hunter2",
        "admin:hunter2@cam/live",
        "://admin:hunter2@cam/live",
    ],
)
def test_a_mistyped_url_hides_credentials(spec: str) -> None:
    with pytest.raises(InputError) as caught:
        open_source(spec)
    assert "hunter2" not in str(caught.value) and "admin" not in str(caught.value)
    assert "cam" in str(caught.value)


def test_a_plain_path_is_shown_as_it_was_typed() -> None:
    for spec in ("clips/a.mp4", "/data/user@host/a.mp4", "take 2: b.mp4", "http_clip.mp4"):
        assert shown_spec(spec) == spec


def test_unknown_scheme() -> None:
    with pytest.raises(InputError, match="scheme 'gopher'"):
        open_source("gopher://user:hunter2@host/x")


def test_missing_camera() -> None:
    with pytest.raises(InputError, match=r"/dev/video97: no such camera; found:"):
        open_source("97")
