"""From what a user types to a `Source`: a file, a folder of pictures, a camera or a URL."""

from __future__ import annotations

import re
from pathlib import Path

from stc.errors import InputError
from stc.runtime.video.frame import Source

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
URL_SCHEMES = ("rtsp", "rtsps", "rtmp", "http", "https", "udp")


def open_source(spec: str | Path, every: int = 1) -> Source:
    """Open `spec` and check that it can be read; `every=N` keeps frames 0, N, 2N, …

    `spec`: a video file, a picture, a folder of pictures, a camera (`0` or `/dev/video0`), or a URL
    (rtsp, rtmp, http(s), udp; credentials in it never reach a message or the source's name).

    Raises InputError when it is missing, unreadable, without pictures, or `every` is below 1.
    """
    if every < 1:
        raise InputError(f"every={every}: must be 1 or more")
    text = str(spec)
    if "://" in text:
        return _open_url(text, every)
    if text.isdecimal() or text.startswith("/dev/video"):
        from stc.runtime.video import decode

        return decode.open_camera(f"/dev/video{text}" if text.isdecimal() else text, every)
    return _open_path(Path(spec), every)


def _open_path(path: Path, every: int) -> Source:
    if path.is_dir():
        from stc.runtime.video import pictures

        return pictures.open_folder(path, every)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check it with: ls {path.parent}")
    if not path.is_file():
        raise InputError(f"{path}: neither a file nor a folder; give a video, a picture, a folder, a camera or a URL")
    if path.suffix.lower() in PICTURE_SUFFIXES:
        from stc.runtime.video import pictures

        return pictures.open_picture(path)
    from stc.runtime.video import decode

    return decode.open_file(path, every)


def _open_url(url: str, every: int) -> Source:
    scheme = url.split("://", 1)[0].lower()
    if scheme not in URL_SCHEMES:
        raise InputError(f"{redact(url)}: scheme {scheme!r} is not one of {', '.join(URL_SCHEMES)}")
    from stc.runtime.video import decode

    return decode.open_url(url, redact(url), every)


def redact(url: str) -> str:
    """`url` without user, password and query, fit for a message.

    Greedy on purpose: everything up to the last `@` goes, because cameras accept passwords that hold `/`, `?` and `@`;
    so do `password=…` pairs, which some put into the path.
    """
    shown = re.sub(r"://.*@", "://***@", url, flags=re.DOTALL)
    shown = re.sub(r"[?#].*", "?***", shown, flags=re.DOTALL)
    return re.sub(r"(?i)(user|pass|pwd|token|auth|key)([a-z]*)=[^/&;_]*", r"\1\2=***", shown)
