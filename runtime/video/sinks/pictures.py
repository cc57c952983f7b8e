"""Annotated frames as pictures: one file, or a folder with one file per frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stc.errors import InputError
from stc.files import write_bytes
from stc.runtime.drawing.encode import encoded
from stc.runtime.video.frame import Frame, Image, Writer
from stc.runtime.video.sinks import made


@contextmanager
def picture_writer(path: Path) -> Iterator[Writer]:
    """Write the one frame of a source to `path`; the format follows its suffix. Raises InputError for a second one."""
    written = False

    def write(picture: Image, frame: Frame) -> None:
        nonlocal written
        if written:
            raise InputError(f"{path}: one picture cannot hold many frames; use -o out.mp4 or -o FOLDER")
        written = True
        write_picture(path, picture)

    yield write


@contextmanager
def folder_writer(folder: Path) -> Iterator[Writer]:
    """Write frames as `folder/000000.jpg` …, named by their index in the source. Each file is whole at any moment.

    The first one removes the pictures of an earlier run, and no other files: `made.check_folder` tells of those.
    """
    begun = False

    def write(picture: Image, frame: Frame) -> None:
        nonlocal begun
        if not begun:
            made.remove(folder)
            begun = True
        write_picture(folder / f"{frame.index:06d}.jpg", picture)

    yield write


def write_picture(path: Path, picture: Image) -> None:
    """Write uint8 (H, W, 3) BGR, whole or not at all. Raises InputError when the format cannot hold it."""
    write_bytes(path, made.marked(encoded(picture, path)))
