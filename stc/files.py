"""Where every output goes, and how: one rule for files, links, pipes, devices and stdout.

- A file appears whole or not at all; it keeps the permissions of the one that it replaces.
- A link is followed and stays. What exists and is no regular file is written through, never replaced.
- `-`, `/dev/stdout` and links to it are stdout; messages for people then belong on stderr (`messages`).
- Nothing waits without an end, and whatever the system refuses is an InputError that names the file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from stc.boundary import OF_THE_DISK
from stc.errors import InputError
from stc.pipes import Stream, open_special, unwritable
from stc.temporaries import Part, part_folder, sweep

STDOUT = Path("-")
_NAMED = {"/dev/stdout": 1, "/dev/stderr": 2}


@dataclass(frozen=True)
class _Place:
    """Where a path leads. `descriptor`: an open one of this process, such as stdout; `special`: no regular file."""

    path: Path
    descriptor: int | None = None
    special: bool = False

    @property
    def through(self) -> bool:
        return self.special or self.descriptor is not None

    @property
    def folder(self) -> Path:
        """Where unfinished files go: beside the target, or among the system's where there is no beside."""
        return Path(tempfile.gettempdir()) if self.through else self.path.parent


def check_output(path: Path) -> None:
    """Raise InputError when a file at `path` could not be written; before the work, so that none is lost.

    A missing folder is none: it is made when the file is. Removes what killed processes left there unfinished.
    """
    place = _place(path)
    if place.descriptor is not None:
        return
    try:
        if place.special:
            if not os.access(place.path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        if place.path.exists() and not os.access(place.path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        check_folder(place.path.parent)
    except OSError as error:
        raise unwritable(path, error) from error


def check_outputs(outputs: Sequence[Path | None], inputs: Sequence[str | Path | None] = ()) -> None:
    """`check_output` for those given. Raises InputError also for one given twice, and for one that is an input."""
    given = [path for path in outputs if path is not None]
    read = [found for name in inputs if name is not None and (found := _identity(Path(name))) is not None]
    written: list[object] = []
    for path in given:
        check_output(path)
        found = _identity(path)
        if found is not None and found in read:
            raise InputError(f"{path}: is an input itself; choose another output")
        if found is not None and found in written:
            raise InputError(f"{path}: given for two outputs; choose another for one")
        written.append(found)


def _identity(path: Path) -> object:
    """What two names of one file have in common; None for what can be written by many, such as /dev/null."""
    if (descriptor := _descriptor(path)) is not None:
        return descriptor
    real = Path(os.path.realpath(path))
    try:
        known = real.stat()
    except OSError:
        return real
    return (known.st_dev, known.st_ino) if stat.S_ISREG(known.st_mode) else None


def check_folder(folder: Path) -> None:
    """Raise InputError when nothing could be written into `folder`, which may still be missing."""
    there = folder
    try:
        while not there.exists():
            there = there.parent
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        Part(there).discard()  # the only answer that holds for every disk and user
    except OSError as error:
        raise unwritable(folder, error) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path; what is there when the block succeeds becomes `path`, whole; otherwise it is removed.

    The temporary name keeps the suffix of `path`, so that writers that choose a format by suffix work. What is no
    regular file is filled from it at the end. Raises InputError when the disk or the reader does not take it.
    """
    place = _place(path)
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        part = Part(place.folder, path.suffix, 0o600 if place.through else 0o666)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        try:
            yield part.path
        except BrokenPipeError:
            raise
        except OSError as error:
            # Other files may fail inside the block too; this one did when it is named, or when its disk is full.
            if error.filename == str(part.path) or (error.filename is None and error.errno in OF_THE_DISK):
                raise unwritable(path, error) from error
            raise
        if place.through:
            _pour(part.path, place)
        else:
            try:
                _finish(part, place.path)
            except OSError as error:
                raise unwritable(path, error) from error
    finally:
        with suppress(OSError):
            part.discard()


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path`, whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, values: Any, *, allow_nan: bool = True) -> None:
    """Write `values` as indented JSON, whole or not at all. Without `allow_nan` a NaN in them is a ValueError."""
    write_text(path, json.dumps(values, indent=1, allow_nan=allow_nan) + "\n")


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all. Raises InputError."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def open_stream(path: Path, *, append: bool = False) -> Stream:
    """Open what is written as it comes. A regular file is there at once; each write is in it whole or not at all.

    append: go on behind what the file holds, instead of emptying it. Raises InputError.
    """
    place = _place(path)
    if place.through:
        return _open(place)
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        sweep(place.folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | (0 if append else os.O_TRUNC)
        return Stream(os.open(place.path, flags, 0o666), path, kept=True)
    except OSError as error:
        raise unwritable(path, error) from error


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder for what the output `path` is made from; on its disk, and gone when the block ends."""
    place = _place(path)
    with ExitStack() as stack:
        try:
            place.folder.mkdir(parents=True, exist_ok=True)
            made = stack.enter_context(part_folder(place.folder))
        except OSError as error:
            raise unwritable(path, error) from error
        yield made


def is_stdout(path: Path | None) -> bool:
    """Whether `path` is `-`, `/dev/stdout` or a link to it."""
    return path is not None and _descriptor(path) == 1


def messages(*outputs: Path | None) -> TextIO:
    """Where a command talks to people: stdout, or stderr when one of its outputs is stdout."""
    return sys.stderr if any(map(is_stdout, outputs)) else sys.stdout


def keep_permissions(old: Path, new: Path) -> None:
    """Give `new` the owner and the mode of `old`, if there is one. Raises OSError."""
    try:
        known = old.stat()
    except FileNotFoundError:
        return
    if hasattr(os, "chown") and (known.st_uid, known.st_gid) != ((ours := new.stat()).st_uid, ours.st_gid):
        with suppress(PermissionError):  # only root gives files away
            os.chown(new, known.st_uid, known.st_gid)
    new.chmod(stat.S_IMODE(known.st_mode) & 0o777)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _place(path: Path) -> _Place:
    """Raises InputError for a folder, and for links in a circle."""
    if (descriptor := _descriptor(path)) is not None:
        return _Place(path, descriptor)
    real = Path(os.path.realpath(path))
    try:
        mode = real.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return _Place(real)
    except OSError as error:
        raise unwritable(path, error) from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: a folder, and a file is meant; give a name in it, such as: {path / 'NAME'}")
    return _Place(real, special=not stat.S_ISREG(mode))


def _descriptor(path: Path) -> int | None:
    """The open descriptor that a path means. Its file must not be replaced: what was printed would go with the old."""
    if path == STDOUT:
        return 1
    for _ in range(40):  # as many links as Linux follows
        if str(path) in _NAMED:
            return _NAMED[str(path)]
        folder = os.path.realpath(path.parent)
        if folder in {f"/proc/{os.getpid()}/fd", "/dev/fd"} and path.name.isdecimal():
            return int(path.name)
        if not os.path.islink(path):  # noqa: PTH114  (pathlib's raises for a name that is too long)
            return None
        path = path.parent / path.readlink()
    return None


def _open(place: _Place) -> Stream:
    if place.descriptor is None:
        return open_special(place.path)
    name = {1: "stdout", 2: "stderr"}.get(place.descriptor, str(place.path))
    stream = {1: sys.stdout, 2: sys.stderr}.get(place.descriptor)
    if place.descriptor in {1, 2} and stream is None:
        raise InputError(f"{name} is closed; give a file")
    try:
        if stream is not None:
            stream.flush()  # what was printed before comes before
        return Stream(os.dup(place.descriptor), name)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritable(name, error) from error


def _pour(source: Path, place: _Place) -> None:
    with source.open("rb") as handle, _open(place) as stream:
        while block := handle.read(1 << 20):
            stream.write(block)


def _finish(part: Part, target: Path) -> None:
    keep_permissions(target, part.path)
    try:
        part.move_to(target)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        shutil.copyfile(part.path, target)  # a file mounted into a container can only be written in its place
