"""Where each track was: the paths that are drawn behind objects."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Point = tuple[int, int]  # xy, pixels of the frame


class Placed(Protocol):
    """What is followed of a `Result`."""

    @property
    def boxes(self) -> npt.NDArray[np.float32]: ...

    @property
    def track_ids(self) -> npt.NDArray[np.int64]: ...


class Trails:
    """The last `length` positions of each confirmed track: the middle of its box's lower side, where things stand.

    A track that is not in a frame keeps its path for so many frames and then is forgotten: memory is bounded. With a
    `length` of 0 there are none.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._paths: dict[int, deque[Point]] = {}
        self._seen: dict[int, int] = {}
        self._frame = 0

    def update(self, result: Placed) -> Mapping[int, Sequence[Point]]:
        """The paths of the tracks in `result`, oldest position first, with those of this frame."""
        self._frame += 1
        here = []
        for track_id, (x0, _, x1, y1) in zip(result.track_ids.tolist(), result.boxes.tolist(), strict=True):
            if track_id < 0:
                continue
            self._paths.setdefault(track_id, deque(maxlen=self._length)).append((round((x0 + x1) / 2), round(y1)))
            self._seen[track_id] = self._frame
            here.append(track_id)
        for track_id in [t for t, frame in self._seen.items() if self._frame - frame > self._length]:
            del self._paths[track_id], self._seen[track_id]
        return {track_id: tuple(self._paths[track_id]) for track_id in here}
