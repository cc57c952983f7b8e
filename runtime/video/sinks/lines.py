"""A file of lines that grows while others read it: every line whole, nothing lost at a restart, rotated when asked."""

from __future__ import annotations

import logging
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stc.errors import InputError
from stc.files import is_stdout, open_stream
from stc.pipes import Stream

log = logging.getLogger(__name__)

UNITS = {"kb": 10**3, "mb": 10**6, "gb": 10**9}
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Rotation:
    """When a file is closed and the next one begun: before it would exceed `size` bytes, or with each new period of
    `seconds` of the clock on the wall (UTC: of an hour, at each full hour)."""

    size: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str) -> Rotation:
        """`100MB`, `1.5GB`, `30min`, `1h`, `1d`. Raises InputError."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", text.strip())
        unit = match[2].lower() if match else ""
        if match and unit in UNITS and (size := round(float(match[1]) * UNITS[unit])) > 0:
            return cls(size=size)
        if match and unit in SECONDS and (seconds := float(match[1]) * SECONDS[unit]) >= 1:
            return cls(seconds=seconds)
        raise InputError(f"{text}: neither a size (kB, MB, GB) nor a time (s, min, h, d); give one such as 100MB or 1h")

    def due(self, size: int, written: float, more: int) -> bool:
        """Whether a file of `size` bytes, last written to at `written` (seconds, Unix), ends before `more` bytes."""
        if size == 0:
            return False
        if self.size is not None:
            return size + more > self.size
        assert self.seconds is not None
        return time.time() // self.seconds > written // self.seconds


class LineFile:
    """Lines go into `path` at once, each whole or not at all.

    A file of earlier lines is continued (`append`, behind its last whole line), replaced (`overwrite`), or else kept
    under the next free number: `gate.jsonl` becomes `gate.1.jsonl`. So does what is rotated; the highest is the newest.
    What is no regular file (a pipe, `-`) takes the lines as they come.
    """

    def __init__(
        self, path: Path, *, append: bool = False, overwrite: bool = False, rotation: Rotation | None = None
    ) -> None:
        """Open it. Raises InputError when it cannot be written, or where nobody reads a pipe."""
        self._path = path
        self._rotation = rotation if is_regular(path) else None
        if is_regular(path) and path.exists():
            if append:
                end_on_a_whole_line(path)
            elif not overwrite and path.stat().st_size and (kept := set_aside(path)) is not None:
                log.warning(
                    "%s: holds lines of an earlier run, kept as %s (--append continues it, --overwrite replaces it)",
                    path, kept.name,
                )  # fmt: skip
        self._file: Stream | None = open_stream(path, append=append)
        self._size = path.stat().st_size if self._rotation else 0
        self._written = path.stat().st_mtime if self._size else time.time()

    def write(self, line: str) -> None:
        """`line` without its end. Raises InputError as `Stream.write`; the file then ends with the line before."""
        content = f"{line}\n".encode()
        if self._rotation is not None and self._rotation.due(self._size, self._written, len(content)):
            self.close()
            set_aside(self._path)
            self._size = 0
        if self._file is None:
            self._file = open_stream(self._path)
        self._file.write(content)
        self._size, self._written = self._size + len(content), time.time()

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def is_regular(path: Path) -> bool:
    """Whether `path` is, or will be, a regular file: what can be looked at, cut and renamed."""
    return not is_stdout(path) and (path.is_file() or not path.exists())


def end_on_a_whole_line(path: Path) -> None:
    """Cut what a crash or a full disk left of a last line that never got its end. Raises InputError."""
    try:
        with path.open("rb+") as file:
            end = size = file.seek(0, os.SEEK_END)
            while end > 0:
                begin = max(0, end - (1 << 16))
                file.seek(begin)
                if (found := file.read(end - begin).rfind(b"\n")) >= 0:
                    end = begin + found + 1
                    break
                end = begin
            if end < size:  # otherwise the time of the last line stays that of the file
                file.truncate(end)
    except OSError as error:
        raise InputError(f"{path}: cannot be continued ({error.strerror}); check it with: ls -l {path}") from error


def set_aside(path: Path) -> Path | None:
    """Give an existing file (that a link leads to) the next free number before its suffix; None when there is none.

    Raises InputError when it cannot be renamed.
    """
    real = Path(os.path.realpath(path))
    numbered = re.compile(rf"{re.escape(real.stem)}\.(\d+){re.escape(real.suffix)}")
    try:
        taken = (int(match[1]) for entry in os.scandir(real.parent) if (match := numbered.fullmatch(entry.name)))
        target = real.with_name(f"{real.stem}.{max(taken, default=0) + 1}{real.suffix}")
        with suppress(FileNotFoundError):
            return real.rename(target)
    except OSError as error:
        raise InputError(
            f"{path}: an earlier file cannot be kept under another name ({error.strerror}); check the folder with: "
            f"ls -ld {real.parent}"
        ) from error
    return None
