"""Pictures, as files and as sources: a still one, an animated one, or a folder in natural order.

Read by Pillow, which raises on a truncated file, and only in the formats of FORMATS: for others it may start programs.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from stc.boundary import foreign, reason
from stc.errors import InputError
from stc.runtime.video.frame import MAX_PIXELS, PICTURE_SUFFIXES, CutShort, FileSource, Frame, Image, Loss
from stc.runtime.video.instead import without_pictures
from stc.runtime.video.orientation import UPRIGHT, Orientation, of_exif

log = logging.getLogger(__name__)

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
FPS = 30.0  # pictures carry no time; they are shown at this rate
ANIMATED = ("PNG", "WEBP")  # of other formats, further pictures are pages or previews
SHORTEST, USUAL = 0.02, 0.1  # seconds: an animation's picture that is shown for less is shown so long, as by browsers
NAMED = 5  # files left out that a warning names
_ORIENTATION = 0x0112  # EXIF tag


def open_picture(path: Path) -> FileSource:
    """One picture as a source of one frame at time 0."""
    return _source(path.name, [path], 1)


def open_folder(path: Path, every: int) -> FileSource:
    """The pictures directly in `path` in natural order (`2.png` before `10.png`), picture i at i/30 s.

    Pictures may differ in size. A warning names the files that are none, and says when they seem to be of several
    videos. Raises InputError when there are none, and while iterating when one is unreadable.
    """
    names = sorted((f.name for f in path.iterdir() if not f.name.startswith(".")), key=natural_key)
    files = [path / name for name in names if Path(name).suffix.lower() in PICTURE_SUFFIXES]
    files = [file for file in files if file.is_file()]  # neither a folder nor a pipe, at which reading would wait
    if not files:
        raise without_pictures(path, names)
    taken = {file.name for file in files}
    if left := [name for name in names if name not in taken]:
        known = ", ".join(PICTURE_SUFFIXES)
        more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
        log.warning("%s: %s%s left out; pictures are files named %s", path, ", ".join(left[:NAMED]), more, known)
    if len(series := {re.sub(r"[0-9]+", "0", file.stem) for file in files}) > 1:
        log.warning(
            "%s: %d ways to name a picture (%s) are read as one video, in order of their names; give each a folder of "
            "its own if they are several", path, len(series), ", ".join(sorted(series)[:NAMED]),
        )  # fmt: skip
    return _source(path.resolve().name, files, every)


def open_animation(path: Path, every: int) -> FileSource:
    """An animated PNG or WebP as a video. Raises InputError when not one picture can be decoded."""
    with _opened(path) as picture:
        length = -(-int(getattr(picture, "n_frames", 1)) // every)
        seconds = _seconds(picture)
        size = _orientation(picture).size(*picture.size)
    return FileSource(path.name, 1 / (seconds * every), size, length, partial(_animation, path, every))


def is_animated(path: Path) -> bool:
    """Whether it holds several pictures to be shown one after the other. False for what cannot be read."""
    try:
        with _opened(path) as picture:
            return picture.format in ANIMATED and bool(getattr(picture, "is_animated", False))
    except InputError:
        return False


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key that compares runs of digits as numbers, and equal ones (`01`, `1`) by their text."""
    parts = re.split(r"([0-9]+)", name.lower())
    return [(int(part), "") if i % 2 else (0, part) for i, part in enumerate(parts)], name


def picture_size(path: Path) -> tuple[int, int]:
    """(W, H) of `read_picture`, from the header alone. Raises InputError when it is none."""
    with _opened(path) as picture:
        upright = _orientation(picture)
        if (
            picture.format == "TIFF" and upright != UPRIGHT
        ):  # Pillow turns these itself, some of it before they are loaded
            picture.load()
            upright = _orientation(picture)
        return upright.size(*picture.size)


def read_picture(path: Path) -> Image:
    """A picture as uint8 (H, W, 3) BGR, turned upright by its EXIF orientation.

    Grayscale is repeated, alpha is dropped, of 16 bits the upper 8 are kept; of a TIFF the first page is read. Raises
    InputError when it is of none of the FORMATS, has more than MAX_PIXELS, or cannot be decoded whole.
    """
    with _opened(path) as picture:
        picture.load()  # Pillow turns a TIFF itself, and forgets its orientation then
        return _orientation(picture).apply(_to_bgr(picture, path))


@contextmanager
def _opened(path: Path) -> Iterator[Pillow.Image]:
    """Only the header is read. What goes wrong in the block is an InputError."""
    with foreign("Pillow", path, "open it in a viewer, or leave it out"):
        try:
            with Pillow.open(path, formats=FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise InputError(
                        f"{path}: {picture.width}x{picture.height} is more than {MAX_PIXELS:,} pixels; shrink it, or "
                        "leave it out"
                    )
                yield picture
        except UnidentifiedImageError as error:
            raise InputError(
                f"{path}: unreadable picture (none of {', '.join(FORMATS)}); open it in a viewer, or leave it out"
            ) from error
        except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
            raise InputError(
                f"{path}: unreadable picture ({reason(error)}); open it in a viewer, or leave it out"
            ) from error


def _orientation(picture: Pillow.Image) -> Orientation:
    return of_exif(picture.getexif().get(_ORIENTATION))


def _to_bgr(picture: Pillow.Image, path: Path) -> Image:
    if picture.mode == "F" or (picture.mode == "I" and picture.format == "TIFF"):
        raise InputError(
            f"{path}: 32 bits per pixel, of which nothing says what is black and white; store 8 or 16 bits"
        )
    if picture.mode.startswith("I"):  # 16-bit grayscale, which convert("RGB") would clip to 255
        gray = (np.asarray(picture) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    pixels = picture.convert("RGB").tobytes("raw", "BGR")
    return np.frombuffer(bytearray(pixels), np.uint8).reshape(picture.height, picture.width, 3)


def _source(name: str, files: list[Path], every: int) -> FileSource:
    kept = files[::every]
    return FileSource(name, FPS / every, picture_size(kept[0]), len(kept), partial(_frames, name, kept, every))


def _frames(name: str, files: list[Path], every: int) -> Iterator[Frame]:
    for i, path in enumerate(files):
        yield Frame(read_picture(path), i * every / FPS, i * every, name)


def _animation(path: Path, every: int) -> Iterator[Frame | Loss]:
    time, index = 0.0, 0
    try:
        with _opened(path) as picture:
            upright = _orientation(picture)
            for index in range(int(getattr(picture, "n_frames", 1))):
                picture.seek(index)
                picture.load()  # of a WebP, this alone tells for how long it is shown
                image = upright.apply(_to_bgr(picture, path)) if index % every == 0 else None
                shown = _seconds(picture)
                if image is not None:
                    yield Frame(image, time, index, path.name)
                time += shown
    except InputError as error:
        if index == 0:
            raise
        log.warning("%s; ends after %d frames, %.1f s", error, index, time)
        yield CutShort()


def _seconds(picture: Pillow.Image) -> float:
    """How long an animation shows this picture."""
    seconds = float(picture.info.get("duration", 0)) / 1000
    return seconds if seconds >= SHORTEST else USUAL
