"""A line or an area in the picture, and on which side of it a box is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError

Anchor = Literal["bottom", "center", "corners"]
Points = tuple[tuple[float, float], ...]
_SHARES: dict[Anchor, list[tuple[float, float]]] = {  # of a box's width and height
    "bottom": [(0.5, 1)],
    "center": [(0.5, 0.5)],
    "corners": [(0, 0), (1, 0), (0, 1), (1, 1)],
}
MOST_POINTS = 1000


@dataclass(frozen=True)
class Zone:
    """A line (two points) or an area (three and more), xy in frame pixels.

    Over a line that is drawn from left to right, in is upwards, and so on around: on the left hand of who walks on the
    picture from the first point to the second. A crossing counts beside the line only, between the
    perpendiculars at its ends. What is in an area says the even-odd rule.

    anchor: what of an object must be there: the middle of its box's lower side, where things stand; its centre; or all
    four corners.
    """

    name: str
    points: Points
    anchor: Anchor = "bottom"

    def __post_init__(self) -> None:
        """Raises InputError for too few or too many points, one that is no number, or a line without length."""
        if not 2 <= len(self.points) <= MOST_POINTS:
            raise InputError(
                f"zone {self.name!r}: has {len(self.points)} points; a line has two, an area three or more"
            )
        if not np.isfinite(np.array(self.points, float)).all():
            raise InputError(f"zone {self.name!r}: its points must be finite numbers")
        if len(set(self.points)) < min(len(self.points), 3):
            raise InputError(f"zone {self.name!r}: two of its points are one; a line has two, an area three or more")
        if self.anchor not in get_args(Anchor):
            raise InputError(
                f"zone {self.name!r}: unknown anchor {self.anchor!r}; known: {', '.join(get_args(Anchor))}"
            )

    @property
    def is_line(self) -> bool:
        return len(self.points) == 2

    def sides(self, boxes: NDArray[np.floating[Any]]) -> list[bool | None]:
        """For each box (n, 4) xyxy: in, out (False), or None where that is not to be said."""
        corner, size = boxes[:, None, :2].astype(float), (boxes[:, 2:] - boxes[:, :2])[:, None].astype(float)
        anchors = corner + size * np.array(_SHARES[self.anchor])  # (n, anchors, 2)
        if not self.is_line:
            inside: NDArray[np.bool_] = np.asarray(_inside(anchors, np.array(self.points)).all(axis=1))
            return [bool(side) for side in inside]
        start, end = np.array(self.points)
        along, across = end - start, anchors - start
        hand = (along[0] * across[..., 1] - along[1] * across[..., 0]) < 0
        share = across @ along / (along @ along)
        certain = ((share >= 0) & (share <= 1)).all(axis=1) & (hand.all(axis=1) | ~hand.any(axis=1))
        return [bool(hand[i, 0]) if sure else None for i, sure in enumerate(certain)]


def _inside(points: NDArray[np.float64], outline: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of `points` (…, 2) lie in the polygon: an odd number of its edges crosses the ray to their right."""
    inside = np.zeros(points.shape[:-1], np.bool_)
    x, y = points[..., 0], points[..., 1]
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        crosses = (y0 > y) != (y1 > y)
        inside ^= crosses & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return inside
