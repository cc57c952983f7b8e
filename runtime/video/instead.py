"""What people give as an input that is none, and what to give instead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from stc.errors import InputError
from stc.runtime.video.frame import PICTURE_SUFFIXES, VIDEO_SUFFIXES
from stc.runtime.video.shown import URL_SCHEMES, shown_spec

VIDEOS = (*VIDEO_SUFFIXES, ".avi", ".webm", ".m4v", ".ts", ".mts", ".mpg", ".mpeg", ".wmv", ".flv")
LISTS = (".txt", ".lst", ".list", ".csv")
PATHS = ("file", "v4l2")  # schemes of what has a path
BOARD_CAMERAS = ("csi", "argus", "libcamera")  # as other tools write a camera on a ribbon cable
STDIN = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
PIPE = (
    "video from a pipe is not read; save it as a file: cat > clip.mkv, or send it to udp://127.0.0.1:5000 and give that"
)
_PIPELINE = re.compile(r"\S\s+!\s+\S")  # elements of GStreamer
_SITES = re.compile(r"(?i)https?://(?:(?:www|m)\.)?(?:youtube\.com|youtu\.be|vimeo\.com|twitch\.tv)/[^.]*")


def check_spec(spec: str) -> None:
    """Raise InputError for what is known to be no input, whatever there is: it says what to do."""
    if _PIPELINE.search(spec) and not Path(spec).exists():
        raise InputError(
            f"{shown_spec(spec)}: a GStreamer pipeline is not run here; gst-launch-1.0 runs it, with the element "
            "stctrack model=BUNDLE in it: docs/gstreamer.md"
        )
    if spec in STDIN or re.fullmatch(r"pipe:\d*", spec):
        raise InputError(f"{spec}: {PIPE}")
    if _SITES.fullmatch(spec):
        raise InputError(f"{shown_spec(spec)}: a web page; get the video in it first, with: yt-dlp -o clip.mp4 ADDRESS")


def check_scheme(scheme: str, spec: str) -> None:
    """Raise InputError for a URL that is not read."""
    if scheme in URL_SCHEMES:
        return
    shown = shown_spec(spec)
    if scheme in PATHS:
        raise InputError(f"{shown}: give the path: {shown.partition('://')[2]}")
    if scheme in BOARD_CAMERAS:
        raise InputError(
            f"{shown}: a camera that the board's own driver reads; gst-launch-1.0 does it there, such as "
            "nvarguscamerasrc, with the element stctrack model=BUNDLE behind it: docs/gstreamer.md"
        )
    raise InputError(
        f"{shown}: scheme {scheme!r} is not one of {', '.join(URL_SCHEMES)}; pass it on as one, such as with: "
        f"ffmpeg -i {shown} -c copy -f mpegts udp://127.0.0.1:5000"
    )


def check_path(path: Path) -> None:
    """Raise InputError for a path with nothing there, and for what is neither a folder nor a video."""
    shown = shown_spec(str(path))
    if path.is_file():
        if path.suffix.lower() in LISTS:
            raise InputError(f"{path}: a list is no video; stc-track takes it as: @{path}")
        return
    if path.exists():
        raise InputError(f"{path}: neither a file nor a folder ({PIPE})")
    if re.search(r"[*?\[]", path.name):
        raise InputError(f"{shown}: no file has this name; for all that match leave out the quotes: {shown}")
    raise InputError(f"{shown}: no such file or folder; check it with: ls {Path(shown).parent}")


def without_pictures(folder: Path, names: Sequence[str]) -> InputError:
    """For a folder that holds none; `names`: what it holds."""
    held = f"{folder}: holds no pictures ({', '.join(PICTURE_SUFFIXES)})"
    suffixes = sorted({s for name in names if (s := Path(name).suffix).lower() in VIDEOS})
    if suffixes:
        given = " ".join(f"{folder}/*{suffix}" for suffix in suffixes)
        return InputError(f"{held}, but videos; give them as inputs: {given}")
    if any((folder / name).is_dir() for name in names):
        return InputError(f"{held}; folders in it are not searched: give them as inputs: {folder}/*/")
    return InputError(f"{held}; give a folder of pictures or a video")
