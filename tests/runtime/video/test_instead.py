"""What people try as an input and what is none: each is told what to give instead, and nothing waits for it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from stc.errors import InputError
from stc.runtime.video import open_source
from tests.runtime.video.clips import encode, steady


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("list.txt", "a list is no video; stc-track takes it as: @list.txt"),
        ("cameras.CSV", "a list is no video"),
        ("clips", "holds no pictures (.png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff), but videos; give them as inputs: "),
        ("clips", "clips/*.mkv clips/*.mp4"),
        ("nested", "folders in it are not searched: give them as inputs: nested/*/"),
        ("empty", "holds no pictures"),
        ("clips/*.mp4", "leave out the quotes: clips/*.mp4"),
        ("clips/clip[0-9].mp4", "leave out the quotes"),
        (
            "v4l2src device=/dev/video0 ! videoconvert ! appsink",
            "a GStreamer pipeline is not run here; gst-launch-1.0 runs it, with the element stctrack",
        ),
        ("rtspsrc location=rtsp://u:hunter2@cam/1 ! decodebin ! appsink", "a GStreamer pipeline is not run here"),
        ("-", "video from a pipe is not read; save it as a file: cat > clip.mkv"),
        ("/dev/stdin", "video from a pipe is not read"),
        ("pipe:0", "video from a pipe is not read"),
        ("fifo", "neither a file nor a folder (video from a pipe is not read"),
        ("/dev/null", "neither a file nor a folder"),
        ("tcp://cam:5", "scheme 'tcp' is not one of rtsp, rtsps, rtmp, http, https, udp; pass it on as one, such as"),
        ("srt://u:hunter2@cam", "ffmpeg -i srt://***@cam -c copy -f mpegts udp://127.0.0.1:5000"),
        ("file:///data/a.mp4", "give the path: /data/a.mp4"),
        ("v4l2:///dev/video0", "give the path: /dev/video0"),
        (
            "csi://0",
            "a camera that the board's own driver reads; gst-launch-1.0 does it there, such as nvarguscamerasrc",
        ),
        ("https://www.youtube.com/watch?v=hunter2", "a web page; get the video in it first, with: yt-dlp"),
        ("https://youtu.be/abc", "a web page"),
        ("nowhere/a.mp4", "no such file or folder; check it with: ls nowhere"),
    ],
)
def test_what_to_give_instead(
    spec: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("clips", "nested/a", "empty"):
        Path(folder).mkdir(parents=True)
    for name in ("list.txt", "cameras.CSV", "clips/a.mp4", "clips/b.mkv", "clips/notes.md", "nested/a/x.mp4"):
        Path(name).write_text("rtsp://u:hunter2@cam/1\n")
    os.mkfifo("fifo")
    with pytest.raises(InputError) as caught:
        open_source(spec)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert "hunter2" not in f"{caught.value}{caplog.text}"


def test_names_that_look_like_these_are_read_where_there_is_such_a_file(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mp4", steady(2))
    for name in ("take [1].mp4", "why?.mp4", "a ! b.mp4", "pipe:0"):
        assert len(list(open_source(clip.rename(clip := tmp_path / name)))) == 2


def test_a_video_on_a_server_is_asked_for_wherever_it_is() -> None:
    """Only the pages of known sites are refused unseen."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for path in ("watch", "youtube.com/a.mp4"):
        with pytest.raises(InputError, match="Connection refused"):
            open_source(f"http://127.0.0.1:{port}/{path}")
