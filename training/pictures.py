"""Pictures from disk, decoded once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stc.runtime.video.pictures import read_picture


class PictureCache:
    """Decoded pictures, at most `max_side` pixels long, kept in memory until `max_bytes` are used.

    What does not fit any more is decoded again at every use: random access has no better order to forget in.
    """

    def __init__(self, max_side: int, max_bytes: int) -> None:
        self.max_side = max_side
        self.free = max_bytes
        self.pictures: dict[Path, NDArray[np.uint8]] = {}

    def get(self, path: Path) -> NDArray[np.uint8]:
        """(H, W, 3) BGR, read-only use. Raises InputError when the file is no picture."""
        if path in self.pictures:
            return self.pictures[path]
        picture = read_reduced(path, self.max_side)
        if picture.nbytes <= self.free:
            self.free -= picture.nbytes
            self.pictures[path] = picture
        return picture


def read_reduced(path: Path, max_side: int) -> NDArray[np.uint8]:
    """A picture (H, W, 3) BGR as the runtime reads it, reduced by area averaging when longer than `max_side`."""
    import cv2

    picture = read_picture(path)
    scale = max_side / max(picture.shape[:2])
    if scale < 1:
        height, width = (max(1, int(side * scale + 0.5)) for side in picture.shape[:2])
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return picture
