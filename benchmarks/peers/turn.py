"""What every contender does when it is its turn, whoever runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Task:
    """Frames to show: `frames` are indices into the clip, `boxes` (n, 4) the objects of each, in frame pixels. new: of
    another video than those before, with a tracker that knows nothing.
    """

    frames: Sequence[int]
    boxes: Sequence[Array]
    new: bool


@dataclass(frozen=True)
class Turn:
    """Of each frame: seconds of the wall and of the process's processors, ids given, and the shape of the masks."""

    wall: list[float]
    cpu: list[float]
    ids: list[int]
    masks: list[list[int]]


class Contender(Protocol):
    """From a decoded BGR frame to ids, boxes, and one dense mask of the frame's size for each."""

    side: str  # "ours" or "peer"
    name: str
    engine: str

    def turn(self, task: Task) -> Turn: ...
