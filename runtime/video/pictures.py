"""Pictures as sources: one file, or a folder in natural order. Read by Pillow, which raises on a truncated file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from stc.errors import InputError
from stc.runtime.video.frame import FileSource, Frame, Image
from stc.runtime.video.sources import PICTURE_SUFFIXES

FPS = 30.0  # pictures carry no time; they are shown at this rate


def open_picture(path: Path) -> FileSource:
    """One picture as a source of one frame at time 0."""
    return _source(path.name, [path], 1)


def open_folder(path: Path, every: int) -> FileSource:
    """The pictures directly in `path` in natural order (`2.png` before `10.png`), picture i at i/30 s.

    Pictures may differ in size. Raises InputError when there are none, and while iterating when one is unreadable.
    """
    files = sorted(
        (f for f in path.iterdir() if f.suffix.lower() in PICTURE_SUFFIXES and not f.name.startswith(".")),
        key=lambda f: natural_key(f.name),
    )
    if not files:
        raise InputError(
            f"{path}: holds no pictures ({', '.join(PICTURE_SUFFIXES)}); give a folder of pictures or a video"
        )
    return _source(path.resolve().name, files, every)


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key that compares runs of digits as numbers, and equal ones (`01`, `1`) by their text."""
    parts = re.split(r"([0-9]+)", name.lower())
    return [(int(part), "") if i % 2 else (0, part) for i, part in enumerate(parts)], name


def read_picture(path: Path) -> Image:
    """A picture as uint8 (H, W, 3) BGR, turned upright by its EXIF orientation.

    Grayscale is repeated, alpha is dropped, of 16 bits the upper 8 are kept. Raises InputError when it cannot be
    decoded whole.
    """
    try:
        with Pillow.open(path) as opened:
            picture = ImageOps.exif_transpose(opened)
            if picture.mode.startswith("I"):  # 16-bit grayscale, which convert("RGB") would clip to 255
                gray = (np.asarray(picture) >> 8).clip(0, 255).astype(np.uint8)
                return np.repeat(gray[:, :, None], 3, axis=2)
            return np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise InputError(f"{path}: unreadable picture ({error}); open it in a viewer, or leave it out") from error


def _source(name: str, files: list[Path], every: int) -> FileSource:
    kept = files[::every]
    height, width = read_picture(kept[0]).shape[:2]
    return FileSource(name, FPS / every, (width, height), len(kept), partial(_frames, name, kept, every))


def _frames(name: str, files: list[Path], every: int) -> Iterator[Frame]:
    for i, path in enumerate(files):
        yield Frame(read_picture(path), i * every / FPS, i * every, name)
