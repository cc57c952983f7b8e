"""One picture of a video with its place in time, and the source it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Image: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """`image` uint8 (H, W, 3) BGR; `time` seconds since the first frame of the source; `index` in the source, from 0.

    Times grow strictly. With `every=N` the frames N apart keep the time and index they have in the source.
    """

    image: Image
    time: float
    index: int
    source: str


@dataclass(frozen=True)
class Source:
    """Frames to iterate over, and what is known of them beforehand.

    `fps` and `length` count the frames that iteration gives (those left out by `every` are not in them). `size` is (W,
    H) of the first frame, `length` what a file or folder states; both None where only reading can tell. A file or
    folder starts again with each iteration; a live source is read once. Iterating raises InputError when nothing (or,
    live, nothing more) can be read.
    """

    name: str
    fps: float
    size: tuple[int, int] | None
    length: int | None
    live: bool
    read: Callable[[], Iterator[Frame]]

    def __iter__(self) -> Iterator[Frame]:
        return self.read()
