"""How a stored picture must be turned and mirrored to be upright: what EXIF and a video's display matrix say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stc.runtime.video.frame import Image


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to lay a rectangle down: first rows and columns are exchanged, then columns, then rows are
    reversed, each where it is asked for."""

    transpose: bool = False
    mirror: bool = False
    flip: bool = False

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(W, H) of what `apply` makes of a picture of this width and height."""
        return (height, width) if self.transpose else (width, height)

    def apply(self, image: Image) -> Image:
        """`image` (H, W, 3) upright and C-contiguous; not copied where it already is."""
        if self.transpose:
            image = image.swapaxes(0, 1)
        if self.mirror:
            image = image[:, ::-1]
        if self.flip:
            image = image[::-1]
        return np.ascontiguousarray(image)


UPRIGHT = Orientation()

_EXIF = {  # the values of the tag 0x0112
    2: Orientation(mirror=True),
    3: Orientation(mirror=True, flip=True),
    4: Orientation(flip=True),
    5: Orientation(transpose=True),
    6: Orientation(transpose=True, mirror=True),
    7: Orientation(transpose=True, mirror=True, flip=True),
    8: Orientation(transpose=True, flip=True),
}


def of_exif(value: object) -> Orientation:
    """Of the orientation tag; upright where it is missing or says nothing that is defined."""
    return _EXIF.get(value, UPRIGHT) if isinstance(value, int) else UPRIGHT


def of_display_matrix(data: bytes) -> Orientation:
    """Of the 3 x 3 fixed-point matrix of a video frame: a pixel (x, y) is shown at (a x + c y, b x + d y).

    An angle between is taken as the nearest quarter turn, as players do; a matrix that is no turn is passed over.
    """
    if len(data) != 36:
        return UPRIGHT
    a, b, _, c, d = np.frombuffer(data, np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(mirror=a < 0, flip=d < 0)
    return Orientation(transpose=True, mirror=c < 0, flip=b < 0)
