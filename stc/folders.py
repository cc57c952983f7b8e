"""A folder whose files are replaced all at once, and whose other content stays.

What belongs to the one who fills it is a list of names; everything else in the folder is somebody's own. Where the
system can exchange two folders in one step there is the old content or the new at any moment; elsewhere the files are
moved in one by one, the one that vouches for the others last.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Iterator, Set
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stc.errors import InputError
from stc.files import STDOUT, check_folder, keep_permissions
from stc.pipes import unwritable
from stc.signals import finished_first
from stc.temporaries import PREFIX, Part, part_folder, sync_folder

_AT_FDCWD, _EXCHANGE = -100, 2


@dataclass(frozen=True)
class Folder:
    """One that is about to be filled. `path` has its links followed; `ours`: names in it that may be replaced, such as
    `model.onnx` or `model/1/model.onnx`.
    """

    path: Path
    ours: frozenset[str] = frozenset()

    def clashes(self, names: Set[str]) -> list[str]:
        """Those of `names` that are there and not ours."""
        return [name for name in sorted(names - self.ours) if os.path.lexists(self.path / name)]

    def left_out(self, names: Set[str]) -> list[str]:
        """What is ours, there, and not among `names`: it goes when they come."""
        return [name for name in sorted(self.ours - names) if (self.path / name).is_file()]

    @contextmanager
    def filled(self, last: str) -> Iterator[Path]:
        """Yield an empty folder; when the block succeeds, what is in it takes the place of what is `ours`.

        last: the name of the file that vouches for the others. Raises InputError when the system refuses.
        """
        with ExitStack() as stack:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                within = self.path if _movable_only_within(self.path) else self.path.parent
                made = stack.enter_context(part_folder(within))
            except OSError as error:
                raise unwritable(self.path, error) from error
            try:
                yield made
                with finished_first():
                    self._take(made, last)
            except OSError as error:
                if not (error.filename is None or str(error.filename).startswith(str(made))):
                    raise  # of a file that was read for it
                raise unwritable(self.path, error) from error

    def _take(self, made: Path, last: str) -> None:
        _sync(made)
        if not self.path.exists():
            made.rename(self.path)
        elif made.parent.parent == self.path or not self._exchange(made):
            self._move_in(made, last)
        sync_folder(self.path.parent)

    def _exchange(self, made: Path) -> bool:
        """False, with nothing changed, where this folder cannot be moved or what is in it cannot be in both."""
        carried: list[Path] = []
        try:
            self._carry_over(self.path, made, carried)
            keep_permissions(self.path, made)
            exchange(made, self.path)
        except OSError:
            for path in reversed(carried):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
            return False
        with suppress(OSError):
            self._carry_over(made, self.path, [])  # what came into the old one meanwhile
        return True

    def _carry_over(self, old: Path, new: Path, carried: list[Path]) -> None:
        """Give what is not ours a second name in `new`: nothing is copied, and nothing is ever in neither."""
        for name in _names(old):
            if name in self.ours or os.path.lexists(new / name):
                continue
            for folder in reversed([new / parent for parent in Path(name).parents]):
                if not folder.exists():
                    folder.mkdir()
                    carried.append(folder)
            if (old / name).is_dir() and not (old / name).is_symlink():
                (new / name).mkdir()
            else:
                os.link(old / name, new / name, follow_symlinks=False)
            carried.append(new / name)

    def _move_in(self, made: Path, last: str) -> None:
        new = sorted((name for name in _names(made) if (made / name).is_file()), key=lambda name: name == last)
        for name in new:
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).replace(self.path / name)
        for name in self.left_out(set(new)):
            (self.path / name).unlink()
        for parent in {parent for name in self.ours for parent in (self.path / name).parents}:
            if self.path in parent.parents:
                with suppress(OSError):  # it holds something else
                    parent.rmdir()


def find(path: Path, option: str) -> Path:
    """The folder that `path` means, links followed. Raises InputError for what is none or cannot be written into.

    option: how the message says to choose another, such as "-o DIR". Call it before the work.
    """
    if path == STDOUT:
        raise InputError(f"{path}: a folder is written, and stdout takes one stream; choose one with: {option}")
    real = Path(os.path.realpath(path))
    try:
        mode: int | None = real.stat().st_mode
    except FileNotFoundError:
        mode = None
    except OSError as error:
        raise unwritable(path, error) from error
    if mode is not None and not stat.S_ISDIR(mode):
        raise InputError(f"{path}: exists and is no folder; choose another with: {option}")
    check_folder(real if mode is not None else real.parent)
    return real


def is_empty(folder: Path) -> bool:
    """Whether nothing but what killed processes left is in `folder`, or there is none."""
    return not folder.exists() or all(path.name.startswith(PREFIX) for path in folder.iterdir())


def _names(folder: Path) -> list[str]:
    """Files, and folders that hold none, at any depth, relative to `folder` and with `/`; no links are followed."""
    names = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(PREFIX):
            continue
        inner = _names(path) if path.is_dir() and not path.is_symlink() else []
        names += [f"{path.name}/{name}" for name in inner] or [path.name]
    return names


def _movable_only_within(folder: Path) -> bool:
    """Whether `folder` itself must stay where it is: one mounted here, one that we are in, one beside which nothing
    may be written.
    """
    if not folder.exists():
        return False
    if folder in (here := Path.cwd().resolve(), *here.parents):
        return True
    try:
        part = Part(folder.parent)
    except OSError:
        return True
    try:  # a mount is told apart only by what it does: one of the same disk looks like any folder
        part.path.replace(folder / part.path.name).unlink()
    except OSError as error:
        return error.errno in {errno.EXDEV, errno.EBUSY}
    finally:
        part.discard()
    return False


def exchange(one: Path, other: Path) -> None:
    """Swap two folders in one step. Raises OSError where there is no such step."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_EXCHANGE)):
        raise OSError(number := ctypes.get_errno(), os.strerror(number))


def _sync(folder: Path) -> None:
    """Bring all files to the disk, before they take the place of what is there."""
    for name in _names(folder):
        if (folder / name).is_file():
            with (folder / name).open("rb+") as handle:
                os.fsync(handle.fileno())
    sync_folder(folder)
