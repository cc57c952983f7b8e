"""The mark that tells a file which stc wrote from any other, within the file itself.

Videos, pictures and files whose name stc chose are only replaced where they have it. The mark of a picture holds the
size of its file, so that one that somebody edited is no longer ours.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from stc.errors import InputError

MARK = "stc-track"
SHOWN = 3  # names in a message
FRAMES = r"\d{6,}\.jpg"  # what `folder_writer` calls its pictures
_JSON = (b'[\n{"video_id": ', b"[\n]\n")  # how our YTVIS results begin
_HEAD = 4096  # bytes from the beginning within which a mark is
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER = 33  # bytes of the signature and the chunk that must be first


def marked(content: bytes) -> bytes:
    """An encoded JPEG, PNG, WebP or BMP with the mark where its format has room for comments."""
    if content.startswith(b"\xff\xd8"):
        # Behind the JFIF header, which is to be the first segment.
        at = 4 + struct.unpack_from(">H", content, 4)[0] if content[2:4] == b"\xff\xe0" else 2
        text = _text(len(content) + 4 + LENGTH)
        comment = b"\xff\xfe" + struct.pack(">H", 2 + len(text)) + text
        return content[:at] + comment + content[at:]
    if content.startswith(_PNG):
        text = b"Software\0" + _text(len(content) + 21 + LENGTH)
        comment = struct.pack(">I", len(text)) + b"tEXt" + text + struct.pack(">I", zlib.crc32(b"tEXt" + text))
        return content[:_PNG_HEADER] + comment + content[_PNG_HEADER:]
    if content[:4] == b"RIFF":  # WebP: a chunk that no reader knows
        whole = content + b"STCm" + struct.pack("<I", LENGTH) + _text(len(content) + 8 + LENGTH)
        return whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:]
    return content + _text(len(content) + LENGTH)  # BMP: nothing is read behind its pixels


def _text(size: int) -> bytes:
    return f"{MARK} {size:012d}".encode()


LENGTH = len(_text(0))


def is_ours(path: Path) -> bool:
    """Whether stc wrote the file at `path`: a picture or result by its mark, a video by its comment."""
    from stc.runtime.video.frame import VIDEO_SUFFIXES

    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _is_our_video(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            file.seek(max(0, path.stat().st_size - LENGTH))
            tail = file.read()
        return _text(path.stat().st_size) in head + tail or head.startswith(_JSON)
    except OSError:
        return False


def _is_our_video(path: Path) -> bool:
    import av

    try:
        with av.open(f"file:{path}") as container:
            return any(key.lower() == "comment" and value == MARK for key, value in container.metadata.items())
    except (av.FFmpegError, OSError, ValueError):
        return False


def pictures(folder: Path, named: str = FRAMES) -> list[str]:
    """Names in `folder`, sorted, of the pictures that stc wrote there under names of the form `named`."""
    return [name for name in names(folder) if re.fullmatch(named, name) and is_ours(folder / name)]


def remove(folder: Path, named: str = FRAMES) -> None:
    """Remove these pictures. Raises InputError when the system does not let it."""
    try:
        for name in pictures(folder, named):
            (folder / name).unlink()
    except OSError as error:
        raise InputError(
            f"{error.filename}: of an earlier run, cannot be removed ({error.strerror}); check it with: ls -ld {folder}"
        ) from error


def foreign(folder: Path, beside: Iterable[Path] = (), named: str = FRAMES) -> list[str]:
    """Names in `folder` of what is none of these; hidden ones, and the files `beside` and what was kept of earlier
    ones, are left out."""
    known = set(pictures(folder, named))
    kept = [re.compile(rf"{re.escape(path.stem)}(\.\d+)?{re.escape(path.suffix)}") for path in beside]
    return [name for name in names(folder) if name not in known and not any(one.fullmatch(name) for one in kept)]


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else []


def shown(files: list[str]) -> str:
    """Some of `files`, for a message."""
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return ", ".join(files[:SHOWN]) + more


def check_folder(folder: Path, *, live: bool = False, overwrite: bool = False, beside: Sequence[Path] = ()) -> None:
    """Raise InputError when pictures written into `folder` would mix with, or replace, what stc did not write there.

    live: pictures of an earlier run count too, since they cannot be made again. beside: files that may be there.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is no folder; give one for pictures, or a video such as: {folder.name}.mp4")
    if overwrite:
        return
    if others := foreign(folder, beside):
        raise InputError(
            f"{folder}: holds files that stc did not write ({shown(others)}); choose an empty folder for the "
            "pictures, or insist with --overwrite, which replaces those of the same name"
        )
    if live and (earlier := pictures(folder)):
        raise InputError(
            f"{folder}: holds pictures of an earlier run ({shown(earlier)}) and this source cannot be read again; "
            "choose another folder, or replace them with --overwrite"
        )
