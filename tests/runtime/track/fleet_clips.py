"""Lossless clips of what the tiny model finds; nothing of a codec gets between its exact colours."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.runtime import tiny_model


def to_and_fro(index: int) -> int:
    return 8 + abs(index % 40 - 20)


def clip(path: Path, frames: int, slot: int = 0, place: Callable[[int], int] = to_and_fro) -> Path:
    """One object of `slot`, 32 x 32 pixels whose left side is at `place` of the frame's number, at 25 FPS."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 60, 96, "bgr0"
        for index in range(frames):
            x = place(index)
            picture = np.ascontiguousarray(tiny_model.frame((slot, (x, 12, x + 32, 44))))
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
