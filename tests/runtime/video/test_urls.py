"""Network streams and cameras: live sources, connections lost or refused, and passwords that are never shown."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from stc.errors import InputError
from stc.runtime.video import ReconnectPolicy, open_source
from stc.runtime.video.sources import redact
from tests.runtime.video.clips import encode, steady


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
    policy = ReconnectPolicy(open_timeout=0.3, first_delay=0.1, give_up=1.0)
    frames = []
    with open_source(endless(False), policy="wait", reconnect=policy) as source, caplog.at_level(logging.DEBUG):
        with pytest.raises(InputError, match=r"no frame for \d s; nothing came for 0.3 s") as caught:
            for frame in source:
                frames.append(frame)  # noqa: PERF402 - the frames before the loss are wanted
    assert f"lost after {len(frames)} frames" in str(caught.value) and len(frames) > 10
    assert source.state == "failed" and caplog.text.count("connecting again") > 1
    assert "hunter2" not in str(caught.value) + caplog.text


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
