"""How much of each pixel outlines, lines and letters cover, and colours laid on so: NumPy, and Pillow's font."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
Coverage = NDArray[np.uint8]  # 0..255
Pixels = tuple[NDArray[np.intp], ...]  # rows and columns
SOFT = 9  # pixels that the coverage beside a stroke is the mean of: three by three


def lay(canvas: Image, coverage: Coverage, left: int, top: int, colour: Colour) -> None:
    """`colour` onto `canvas` (H, W, 3) through `coverage` (h, w) with its corner at (left, top), outside too."""
    height, width = canvas.shape[:2]
    part = coverage[max(0, -top) : max(0, height - top), max(0, -left) : max(0, width - left)]
    where = np.nonzero(part)
    _mix(canvas[max(0, top) :, max(0, left) :], where, part[where], colour)


def tint(region: Image, mask: NDArray[np.bool_], colour: Colour, alpha: float) -> None:
    """`region` (h, w, 3) where `mask` (h, w) is: `alpha` of the colour over 1 - `alpha` of what was there."""
    weight = round(256 * alpha)
    mixed = (region.astype(np.uint16) * (256 - weight) + (np.array(colour, np.uint16) * weight + 128)) >> 8
    np.copyto(region, mixed.astype(np.uint8), where=mask[..., None])


def outline(mask: NDArray[np.bool_], thickness: int) -> tuple[Coverage, int]:
    """Of the edge of `mask` (h, w), half of it inside: (h + 2m, w + 2m), and its margin m around the mask."""
    outside = thickness // 2
    margin = outside + 1
    padded = np.pad(mask, margin)
    edge = _grown(padded, outside) & _grown(~padded, thickness - outside)
    near = edge.view(np.uint8)
    for axis in (0, 1):
        total = near.copy()
        for way in (1, -1):
            _shifted(total, way, axis)[...] += _shifted(near, -way, axis)
        near = total
    coverage = near * np.uint8(255 // SOFT)
    coverage[edge] = 255
    return coverage, margin


def line(canvas: Image, points: tuple[tuple[int, int], ...], closed: bool, colour: Colour, thickness: int) -> None:
    """Through `points`, xy pixels, and back to the first where it is `closed`."""
    where, coverage = _stroke(points, closed, (canvas.shape[0], canvas.shape[1]), thickness)
    _mix(canvas, where, coverage, colour)


def path(canvas: Image, points: Sequence[tuple[int, int]], colour: Colour, thickness: int) -> None:
    """As an open `line`, of a track that moves: nothing of it is kept for the next frame.

    Points nearer to the one before than the line is thick are left out, but for the last: they cost what far ones do.
    """
    kept = [points[0]]
    for point in points[1:-1]:
        if max(abs(point[0] - kept[-1][0]), abs(point[1] - kept[-1][1])) >= thickness:
            kept.append(point)
    where, coverage = _cover((*kept, points[-1]), (canvas.shape[0], canvas.shape[1]), thickness)
    _mix(canvas, where, coverage, colour)


@lru_cache(maxsize=256)
def text(string: str, size: int, stroke: int = 0) -> Coverage:
    """`string` in one line, (h, w): letters of `size` pixels, `stroke` pixels bolder all around."""
    from PIL import Image as Pictures
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(size)
    left, _, right, _ = font.getbbox(string, stroke_width=stroke)
    _, top, _, bottom = font.getbbox("Hg", stroke_width=stroke)
    picture = Pictures.new("L", (max(1, round(right - left)), max(1, round(bottom - top))))
    ImageDraw.Draw(picture).text((-left, -top), string, fill=255, font=font, stroke_width=stroke)
    return np.asarray(picture)


@lru_cache(maxsize=64)
def _stroke(
    points: tuple[tuple[int, int], ...], closed: bool, size: tuple[int, int], thickness: int
) -> tuple[Pixels, Coverage]:
    """`_cover`, kept: zones do not move."""
    return _cover((*points, points[0]) if closed else points, size, thickness)


def _cover(points: tuple[tuple[int, int], ...], size: tuple[int, int], thickness: int) -> tuple[Pixels, Coverage]:
    """Which pixels of a canvas of `size` (H, W) the line covers, by row and column, and how much.

    That is how far a pixel lies from the line, and what of it is nearer than half the thickness.
    """

    def around(ends: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The first pixel xy of the canvas that a line through `ends` may cover, and the one after the last."""
        low, high = np.floor(ends.min(axis=0) - thickness), np.ceil(ends.max(axis=0) + thickness + 1)
        return low.clip(0, size[::-1]).astype(np.intp), high.clip(0, size[::-1]).astype(np.intp)

    ends = np.array(points, np.float64)
    corner, opposite = around(ends)
    covered = np.zeros((opposite - corner)[::-1], np.float32)
    for start, end in pairwise(ends):
        low, high = around(np.stack([start, end]))
        x, y = np.arange(low[0], high[0]) - start[0], np.arange(low[1], high[1])[:, None] - start[1]
        along = end - start
        share = ((x * along[0] + y * along[1]) / max(1e-9, float(along @ along))).clip(0, 1)
        distance = np.hypot(x - share * along[0], y - share * along[1])
        first, last = low - corner, high - corner
        window = covered[first[1] : last[1], first[0] : last[0]]
        np.maximum(window, (thickness / 2 + 0.5 - distance).clip(0, 1), out=window)
    rows, columns = np.nonzero(covered)
    coverage = (covered[rows, columns] * 255).round().astype(np.uint8)
    return (rows + corner[1], columns + corner[0]), coverage


def _mix(canvas: Image, where: Pixels, coverage: Coverage, colour: Colour) -> None:
    share = coverage[:, None] / np.float32(255)
    before = canvas[where]
    canvas[where] = np.rint(before + (np.array(colour, np.float32) - before) * share).astype(np.uint8)


def _grown(mask: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """With all that is at most so many pixels away along either axis, corners too."""
    for axis in (0, 1):
        grown = mask.copy()
        for step in range(1, steps + 1):
            for way in (step, -step):
                _shifted(grown, way, axis)[...] |= _shifted(mask, -way, axis)
        mask = grown
    return mask


def _shifted(array: NDArray[Any], steps: int, axis: int) -> NDArray[Any]:
    """Without the first, or where it is negative the last, so many rows or columns."""
    part = slice(steps, None) if steps > 0 else slice(None, steps)
    return array[part] if axis == 0 else array[:, part]
