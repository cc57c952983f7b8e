"""Masks as polygons along the edges of their pixels, so that filling one gives the mask back to the pixel.

The native library finds the rings itself (`plugins/cpu/encodings/outlines.h`). Without it OpenCV does: the outline that
it follows runs through the centres of the outermost pixels and loses half a pixel all around. In a picture twice as
large every pixel is a block of two by two, and the half that lies on the outline tells which edge.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.annotations.masks import MOST_POINTS, tight_box

Ring = NDArray[np.int64]  # (m, 2) xy, closed: the last point is followed by the first
Part = tuple[Ring, list[Ring]]  # what goes around a connected part (8 neighbours), and around each of its holes


def outlines(mask: NDArray[np.bool_], *, holes: bool = True) -> list[NDArray[np.float32]]:
    """One polygon per connected part (8 neighbours) of a mask (H, W): float32 (m, 2), m >= 4, xy, where pixel (x, y)
    covers x to x + 1 and y to y + 1.

    holes: cut them out, each joined to the outline around it by a slit of no width; False: outer outlines only. Where a
    polygon would have more than 100,000 points, the mask is cut in two, and its halves have polygons of their own.
    """
    if not mask.any():
        return []
    left, top, right, bottom = tight_box(mask)
    window = mask[top:bottom, left:right]
    found = polygons(_parts(window, holes), holes=holes)
    if found is not None:
        return [polygon + np.array([left, top], np.float32) for polygon in found]
    axis = int(window.shape[1] > window.shape[0])
    offset = np.array([left, top], np.float32)
    found = []
    for half in np.array_split(window, 2, axis=axis):
        found += [polygon + offset for polygon in outlines(half, holes=holes)]
        offset[1 - axis] += half.shape[axis]
    return found


def polygons(parts: list[Part], *, holes: bool) -> list[NDArray[np.float32]] | None:
    """One polygon per part, float32 (m, 2); None where one would have more than 100,000 points.

    Whoever found the rings, polygons of one mask are the same: in the order of their first points, row by row.
    """
    whole = [(_ordered(outer), sorted(map(_ordered, inner), key=_first) if holes else []) for outer, inner in parts]
    parts = sorted(whole, key=lambda part: _first(part[0]))
    if any(len(outer) + sum(len(hole) + 4 for hole in inner) > MOST_POINTS for outer, inner in parts):
        return None
    return [_joined(*part).astype(np.float32) for part in parts]


def _ordered(ring: Ring) -> Ring:
    """From its uppermost corner, of several the leftmost, clockwise on the picture."""
    x, y = ring.T
    if x @ np.roll(y, -1) < y @ np.roll(x, -1):
        ring = ring[::-1]
    return np.roll(ring, -int(np.lexsort(ring.T)[0]), axis=0)


def _first(ring: Ring) -> tuple[int, int]:
    x, y = ring[0].tolist()
    return y, x


def _parts(mask: NDArray[np.bool_], holes: bool) -> list[Part]:
    from stc.opencv import cv2

    doubled = mask.view(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    mode = cv2.RETR_CCOMP if holes else cv2.RETR_EXTERNAL
    found, hierarchy = cv2.findContours(doubled, mode, cv2.CHAIN_APPROX_SIMPLE)
    parts: dict[int, Part] = {}
    around = hierarchy[0, :, 3]
    for index in np.flatnonzero(around < 0).tolist():
        parts[index] = _edges(found[index]), []
    for index in np.flatnonzero(around >= 0).tolist():
        parts[int(around[index])][1].append(_edges(found[index]))
    return list(parts.values())


def _edges(contour: NDArray[Any]) -> Ring:
    """From pixels of the doubled picture to corners of pixels: of pixel k, 2k lies at its side k, 2k + 1 at k + 1."""
    ring: Ring = (contour.reshape(-1, 2).astype(np.int64) + 1) // 2
    ring = ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)]  # where the contour cuts an inner corner, twice
    before, behind = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    corners: Ring = ring[before[:, 0] * behind[:, 1] != before[:, 1] * behind[:, 0]]
    return corners


def _joined(outer: Ring, inner: list[Ring]) -> Ring:
    """One ring: along `outer`, and from a corner level with each hole (or the next above) to the hole, round, and back.

    There and back runs along the edges of pixels: filling cancels such a slit exactly, an oblique one not always.
    """
    if not inner:
        return outer
    starts = np.array([hole[0] for hole in inner])
    scale = int(outer[:, 0].max()) + 1
    order = np.lexsort((outer[:, 0], outer[:, 1]))
    level = outer[order, 1] * scale + outer[order, 0]
    nearest = order[np.searchsorted(level, starts[:, 1] * scale + starts[:, 0], side="right") - 1]
    pieces, begin = [], 0
    for index in np.argsort(nearest, kind="stable"):
        corner, hole = outer[nearest[index]], inner[index]
        bend = (corner[0], hole[0, 1])
        pieces += [outer[begin : nearest[index] + 1], np.stack((bend, *hole, hole[0], bend, corner))]
        begin = nearest[index] + 1
    return np.concatenate((*pieces, outer[begin:]))
