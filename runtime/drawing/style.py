"""How objects are drawn."""

from __future__ import annotations

from dataclasses import dataclass

from stc.errors import InputError

MOST_THICK = 255  # pixels; what OpenCV draws
LONGEST_TRAIL = 300  # positions: ten seconds of most cameras; each costs time in every frame


@dataclass(frozen=True)
class Style:
    """What is drawn of objects. Raises InputError for an `alpha` beyond 0..1, a `thickness` beyond 0..255 and `trails`
    beyond 0..10,000.

    alpha: of the tint inside a mask; 0: none. thickness: of outlines and boxes, pixels; 0: none; None: by the size of
    the frame. labels: `#id class score`. boxes: the box too. trails: how many of the last positions of a
    track are joined to a path, in a video (`stc.runtime.video.drawing`); a single frame has none.
    """

    alpha: float = 0.25
    thickness: int | None = None
    labels: bool = True
    boxes: bool = False
    trails: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise InputError(f"alpha {self.alpha:g}: must be from 0, no tint, to 1, nothing shines through")
        if self.thickness is not None and not 0 <= self.thickness <= MOST_THICK:
            raise InputError(f"thickness {self.thickness}: must be from 0 to {MOST_THICK} pixels")
        if not 0 <= self.trails <= LONGEST_TRAIL:
            raise InputError(f"trails {self.trails}: must be from 0, none, to {LONGEST_TRAIL} positions")
