"""A contact sheet: annotated frames spread over a clip, in one picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from stc.errors import InputError
from stc.runtime.drawing import strokes
from stc.runtime.letterbox import resize_frame
from stc.runtime.video.frame import Frame, Image, Writer
from stc.runtime.video.sinks.pictures import write_picture

COUNT = 12
CELL_WIDTH = 640
CELL_HEIGHT = 1280  # at most: of pictures that are taller, a cell is narrower
GAP = 6
BACKGROUND = 24
LETTERS = 15  # pixels of the font


@contextmanager
def contact_writer(path: Path, count: int = COUNT, columns: int = 4) -> Iterator[Writer]:
    """Write `count` frames, evenly spread over however many come, as one sheet.

    The length need not be known: at most 2 * count small copies are held, and when they are full every second one goes.
    """
    kept: list[Image] = []
    seen, step = 0, 1

    def write(picture: Image, frame: Frame) -> None:
        nonlocal seen, step
        if seen % step == 0:
            kept.append(_cell(picture, frame.time))
        seen += 1
        if len(kept) == 2 * count:
            del kept[1::2]
            step *= 2

    yield write
    chosen = np.linspace(0, len(kept) - 1, min(count, len(kept))).round().astype(int)
    contact_sheet([kept[i] for i in chosen], path, columns)


def contact_sheet(frames: Sequence[Image], path: Path, columns: int = 4) -> None:
    """Write pictures uint8 (H, W, 3) BGR in reading order as a grid; cells take the shape of the largest picture.

    Raises InputError when there are none.
    """
    if not frames:
        raise InputError(f"{path}: no frame to write")
    columns = min(columns, len(frames))
    rows = -(-len(frames) // columns)
    height, width = max(f.shape[0] for f in frames), max(f.shape[1] for f in frames)
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), BACKGROUND, np.uint8)
    for i, frame in enumerate(frames):
        top = GAP + i // columns * (height + GAP)
        left = GAP + i % columns * (width + GAP)
        sheet[top : top + frame.shape[0], left : left + frame.shape[1]] = frame
    write_picture(path, sheet)


def _cell(picture: Image, time: float) -> Image:
    """A copy as large as a cell with its time in the lower left corner."""
    height, width = picture.shape[:2]
    scale = min(CELL_WIDTH / width, CELL_HEIGHT / height)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    cell = resize_frame(picture, size, "pil-bilinear")
    for colour, stroke in (((0, 0, 0), 1), ((255, 255, 255), 0)):
        letters = strokes.text(f"{time:.2f} s", LETTERS, stroke)
        strokes.lay(cell, letters, 8 - stroke, size[0] - 8 - letters.shape[0] + stroke, colour)
    return cell
