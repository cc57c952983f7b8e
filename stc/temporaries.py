"""Files and folders that are not finished: known by their name, locked while their process lives.

What a killed process left is removed by the next one that writes into the same folder. The lock, not a process number,
says who lives: numbers repeat, and mean nothing in another container or machine that shares the disk.
"""

from __future__ import annotations

import os
import secrets
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WINDOWS = os.name == "nt"  # a file that is open cannot be removed there: that is its lock
if not WINDOWS:
    import fcntl

PREFIX = ".stc-part-"
LOCK = "lock"  # the file in a temporary folder that is locked for all of it
_LONGEST_SUFFIX = 16  # longer ones are no file format, and the name must fit where that of the target does
_FAR = 1 << 62
_TO_LOCK = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
swept: set[Path] = set()


class Part:
    """A file at `path` that is being written, and its lock."""

    def __init__(self, folder: Path, suffix: str = "", mode: int = 0o666) -> None:
        self.path, self._descriptor = _create(folder, suffix if len(suffix) <= _LONGEST_SUFFIX else "", mode)

    def move_to(self, target: Path) -> None:
        """Take the place of `target`, content first: after a power cut there is the old file or the new one."""
        with self.path.open("rb+") as handle:  # Windows flushes only what is open for writing
            os.fsync(handle.fileno())
        if WINDOWS:
            self._close()
        self.path.replace(target)
        sync_folder(target.parent)

    def discard(self) -> None:
        """Remove the file unless it was moved, and let the lock go."""
        if WINDOWS:
            self._close()
        self.path.unlink(missing_ok=True)
        self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextmanager
def part_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder within `folder`, which is removed with all that it holds when the block ends."""
    outer, descriptor = _create_folder(folder)
    try:
        (outer / "made").mkdir()
        yield outer / "made"
    finally:
        _remove_folder(outer, descriptor)


def sweep(folder: Path) -> None:
    """Remove what dead processes left in `folder`; once per folder and process, as it looks at every name there."""
    if folder in swept:
        return
    swept.add(folder)
    try:
        with os.scandir(folder) as entries:
            left = [Path(entry.path) for entry in entries if entry.name.startswith(PREFIX)]
    except OSError:
        return
    for path in left:
        with suppress(OSError):  # of another user, or gone meanwhile
            if path.is_dir() and not path.is_symlink():
                _sweep_folder(path)
            else:
                _remove_dead(path)


def sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the platform can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _create(folder: Path, suffix: str, mode: int) -> tuple[Path, int]:
    sweep(folder)
    while True:
        path = folder / f"{PREFIX}{secrets.token_hex(4)}{suffix}"
        try:
            # The mode of any new file: the system takes the umask off, which must not be touched where threads run.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        except FileExistsError:
            continue
        if _lock(descriptor) and os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)  # another process swept it before it was locked


def _create_folder(folder: Path) -> tuple[Path, int]:
    sweep(folder)
    while True:
        path = folder / f"{PREFIX}{secrets.token_hex(4)}"
        try:
            path.mkdir()
            descriptor = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except (FileExistsError, FileNotFoundError):
            if not folder.is_dir():
                raise
            continue
        if _lock(descriptor) and os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)


def _sweep_folder(path: Path) -> None:
    if not (path / LOCK).exists():
        path.rmdir()  # killed before it was locked, or at the very end; one that is not empty stays
    elif WINDOWS:
        (path / LOCK).unlink()
        shutil.rmtree(path, ignore_errors=True)
    else:
        descriptor = os.open(path / LOCK, _TO_LOCK)
        if _lock(descriptor, unknown=False):
            _remove_folder(path, descriptor)
        else:
            os.close(descriptor)


def _remove_folder(path: Path, descriptor: int) -> None:
    """The lock last: whoever is killed before leaves a folder that is known to be dead."""
    shutil.rmtree(path / "made", ignore_errors=True)
    if WINDOWS:
        os.close(descriptor)
    with suppress(OSError):
        (path / LOCK).unlink()
        path.rmdir()
    if not WINDOWS:
        os.close(descriptor)


def _remove_dead(path: Path) -> None:
    """Remove a file unless a process holds its lock."""
    if WINDOWS:
        path.unlink()
        return
    descriptor = os.open(path, _TO_LOCK)
    try:
        if _lock(descriptor, unknown=False):
            path.unlink()
    finally:
        os.close(descriptor)


def _lock(descriptor: int, unknown: bool = True) -> bool:
    """Take the lock of a temporary; False when another process has it, `unknown` on a disk without locks."""
    if WINDOWS:
        return True
    try:
        if hasattr(fcntl, "F_OFD_SETLK"):
            # One byte far behind any content: on some network disks a lock keeps all other handles from writing, and
            # writers open the file by its name. It belongs to this handle; closing theirs does not release it.
            wish = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, _FAR, 1, 0)
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wish)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return unknown
    return True
