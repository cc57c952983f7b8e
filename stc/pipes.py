"""Writing to what may not take it: pipes, devices, sockets, stdout, a full disk. No wait is without an end."""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import time
from pathlib import Path
from types import TracebackType

from stc import signals
from stc.boundary import reason
from stc.errors import InputError

PATIENCE = 30.0  # seconds that a reader may take nothing, or not be there
GRACE = 2.0  # the same, once a signal has asked the command to end
_GLANCE = 0.1  # seconds between two looks at whether a signal came, or a reader
_PIECE = 4096  # bytes that a pipe takes at once when it takes any (PIPE_BUF)
_SPACE = {errno.ENOSPC, errno.EDQUOT}


class Stream:
    """Bytes into an open descriptor, which it owns.

    kept: it is a regular file of this process's own, which a write that fails leaves as it was.
    """

    def __init__(self, descriptor: int, name: Path | str, *, kept: bool = False) -> None:
        self._descriptor = descriptor
        self._name = name
        self._kept = kept

    def write(self, content: bytes | memoryview) -> None:
        """All of it, or an error. Raises InputError, also when a reader takes nothing for `PATIENCE` seconds;
        BrokenPipeError when the reader of stdout left.
        """
        before = os.fstat(self._descriptor).st_size if self._kept else 0
        try:
            self._write_all(memoryview(content))
        except OSError as error:
            if self._kept:
                os.ftruncate(self._descriptor, before)
            if isinstance(error, BrokenPipeError):
                if self._name == "stdout":
                    raise
                raise InputError(f"{self._name}: its reader closed it before the end; start the reader again") from None
            raise unwritable(self._name, error) from error
        except BaseException:  # a second signal
            if self._kept:
                os.ftruncate(self._descriptor, before)
            raise

    def close(self) -> None:
        """Raises InputError for what the system could not write, which some disks say only now."""
        try:
            os.close(self._descriptor)
        except OSError as error:
            raise unwritable(self._name, error) from error

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_all(self, content: memoryview) -> None:
        while content:
            if not self._kept:
                self._wait()
            try:
                written = os.write(self._descriptor, content if self._kept else content[:_PIECE])
            except BlockingIOError:  # another writer was faster
                continue
            content = content[written:]

    def _wait(self) -> None:
        if not hasattr(select, "poll"):  # Windows
            return
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        begin = time.monotonic()
        while not poll.poll(1000 * _GLANCE):
            if time.monotonic() - begin > _patience():
                raise InputError(
                    f"{self._name}: its reader took nothing for {_patience():g} s; let it read, or write into a file"
                )


def open_special(path: Path) -> Stream:
    """Open what exists and is no regular file. Raises InputError; for a pipe without a reader after `PATIENCE`."""
    mode = path.stat().st_mode
    if stat.S_ISBLK(mode):
        raise InputError(f"{path}: a disk, which is not written over; give a file")
    try:
        if stat.S_ISSOCK(mode):
            return Stream(_connect(path), path)
        return Stream(_open_pipe(path) if stat.S_ISFIFO(mode) else os.open(path, os.O_WRONLY | _FLAGS), path)
    except OSError as error:
        raise unwritable(path, error) from error


_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


def _open_pipe(path: Path) -> int:
    begin = time.monotonic()
    while True:
        try:
            return os.open(path, os.O_WRONLY | _FLAGS)
        except OSError as error:
            if error.errno != errno.ENXIO:  # no reader
                raise
        if time.monotonic() - begin > _patience():
            raise InputError(f"{path}: a pipe that nobody read for {_patience():g} s; start its reader: cat {path}")
        time.sleep(_GLANCE)


def _connect(path: Path) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_patience())
        connection.connect(str(path))
        return os.dup(connection.fileno())


def _patience() -> float:
    return GRACE if signals.asked() else PATIENCE


def unwritable(path: Path | str, error: OSError) -> InputError:
    """The error of an output that the system refuses: which, why, and what to look at."""
    folder = Path(path).parent
    if error.errno in _SPACE:
        fix = f"free some space, or choose another place; see: df -h {folder}"
    elif error.errno == errno.EFBIG:
        fix = "larger than files may be here; see: ulimit -f"
    elif error.errno == errno.ENAMETOOLONG:
        fix = "choose a shorter name"
    else:
        fix = f"choose another place, or check it with: ls -ld {folder}"
    return InputError(f"{path}: cannot be written ({reason(error)}); {fix}")
