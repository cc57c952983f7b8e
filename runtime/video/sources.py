"""From what a user types to a `Source`: a file, a folder of pictures, a camera or a URL."""

from __future__ import annotations

import select
from dataclasses import replace
from pathlib import Path

from stc.errors import InputError
from stc.runtime.video import instead
from stc.runtime.video.frame import PICTURE_SUFFIXES, Source
from stc.runtime.video.live.handover import DropPolicy
from stc.runtime.video.live.lifecycle import ReconnectPolicy
from stc.runtime.video.live.source import LiveSource
from stc.runtime.video.live.wire import Task
from stc.runtime.video.shown import redact


def open_source(
    spec: str | Path,
    every: int = 1,
    *,
    policy: DropPolicy = "drop-oldest",
    capacity: int = 2,
    reconnect: ReconnectPolicy | None = None,
    hwaccel: str | None = None,
) -> Source:
    """Open `spec` and check that it can be read; `every=N` keeps frames 0, N, 2N, …

    `spec`: a video file, a picture, a folder of pictures, a camera (`0` or `/dev/video0`), or a URL
    (rtsp, rtmp, http(s), udp; credentials in it never reach a message or the source's name). `clip.mp4#1` is the second
    video stream of a file. An animated picture (GIF, PNG, WebP) is a video.

    hwaccel: the device that decodes video, as FFmpeg calls it: "cuda", "vaapi", …, or with the number or path of one,
    "cuda:1". Where it does not decode this video, the CPU does, and a warning says so.

    The rest is for cameras and live URLs; files, folders and recordings on a server give every frame:

    policy: what happens when frames come faster than they are taken and `capacity` of them wait: "drop-oldest" keeps
        the newest, "wait" holds the sender back and loses nothing that was received.
    reconnect: time limits and pauses; None: those of `ReconnectPolicy()`, which never gives up a source that was
        once reached.

    Raises InputError when it is missing, unreadable, without pictures, or an argument is out of range.
    """
    check_every(every)
    check(str(spec))
    if hwaccel is not None:
        from stc.runtime.video import hardware

        hardware.check(hwaccel)
    reconnect = reconnect or ReconnectPolicy()
    task = _live_task(str(spec), every, (reconnect.open_timeout, reconnect.read_timeout))
    if task is None:
        return _open_path(Path(spec), every, hwaccel)
    return LiveSource(redact(task.target), replace(task, hwaccel=hwaccel), policy, capacity, reconnect)


def check_every(every: int) -> None:
    """Raise InputError for no step."""
    if every < 1:
        raise InputError(f"every={every}: must be 1 or more")


def check(spec: str) -> None:
    """Raise InputError for what is known to be no source before anything is opened or connected."""
    instead.check_spec(spec)
    if is_live(spec) and not hasattr(select, "poll"):
        raise InputError(
            f"{redact(spec)}: cameras and addresses are read on Linux and macOS only, not on this system; record it as "
            "a file, and give that: ffmpeg -i ADDRESS -c copy clip.mkv"
        )
    if "://" in spec:
        instead.check_scheme(spec.split("://", 1)[0].lower(), spec)
    elif not is_live(spec) and not (path := Path(spec)).is_dir():
        instead.check_path(_stream_number(path)[0])


def _live_task(spec: str, every: int, timeouts: tuple[float, float]) -> Task | None:
    """How a URL or a camera is read; None for a path."""
    if "://" in spec:
        scheme, address = spec.split("://", 1)
        scheme = scheme.lower()
        options = {"rtsp_transport": "tcp"} if scheme.startswith("rtsp") else {}
        # A web server ends a stream as agreed or hangs up, and FFmpeg tells; of the others an end is always a loss.
        return Task(f"{scheme}://{address}", None, options, timeouts, scheme.startswith("http"), every)
    if is_live(spec):
        device = _camera(f"/dev/video{spec}" if spec.isdecimal() else spec)
        return Task(device, "v4l2", {}, timeouts, False, every)
    return None


def is_live(spec: str) -> bool:
    """Whether `spec` is a camera or a URL. Only opening a URL tells whether there is a recording behind it."""
    return "://" in spec or spec.isdecimal() or spec.startswith("/dev/video")


def _camera(device: str) -> str:
    """Cameras go through FFmpeg's v4l2 and not OpenCV: errors have a reason, and frames the driver's time stamps."""
    if not Path(device).exists():
        found = ", ".join(sorted(str(p) for p in Path("/dev").glob("video*"))) or "none"
        raise InputError(f"{device}: no such camera; found: {found}; list them with: ls /dev/video*")
    return device


def _open_path(path: Path, every: int, hwaccel: str | None) -> Source:
    if path.is_dir():
        from stc.runtime.video import pictures

        return pictures.open_folder(path, every)
    path, number = _stream_number(path)
    if is_picture(path):
        from stc.runtime.video import pictures

        return pictures.open_picture(path)
    if path.suffix.lower() in PICTURE_SUFFIXES:
        from stc.runtime.video import pictures

        return pictures.open_animation(path, every)
    from stc.runtime.video import video_file

    return video_file.open_file(path, every, number, hwaccel)


def is_picture(path: Path) -> bool:
    """Whether the file `path` is read as one still picture: by its suffix, unless it is animated."""
    if path.suffix.lower() not in PICTURE_SUFFIXES or not path.is_file():
        return False
    from stc.runtime.video import pictures

    return not pictures.is_animated(path)


def _stream_number(path: Path) -> tuple[Path, int | None]:
    """`clip.mp4#1`, unless a file is called so, is stream 1 of clip.mp4."""
    name, mark, number = path.name.rpartition("#")
    if path.exists() or not mark or not name or not (number.isascii() and number.isdecimal()):
        return path, None
    return path.with_name(name), int(number)
