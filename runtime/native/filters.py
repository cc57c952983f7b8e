"""The resize rules as weights, one axis at a time: Pillow's triangle, OpenCV's averages of areas, linear interpolation.

An axis is where each target pixel begins to read, int32 (target,), and its weights, int32 (target, taps), in units of
2^-22: what `stc_resize_axis` of plugins/cpu/stc_cpu.h wants.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FRACTION = 22  # bits of a weight, as in Pillow
LINEAR_BITS = 11  # of which OpenCV's linear interpolation uses so many

Axis = tuple[NDArray[np.int32], NDArray[np.int32]]


def axes(rule: str, source: tuple[int, int], target: tuple[int, int]) -> tuple[Axis, Axis]:
    """Both axes of one of `letterbox.RESIZE_RULES`, y and x, from `source` to `target` (H, W)."""
    pairs = tuple(zip(source, target, strict=True))
    if rule == "pil-bilinear":
        kind = triangle
    elif rule == "linear":
        kind = linear
    else:
        # Where either side grows, OpenCV takes a form of linear interpolation for both.
        kind = area if all(old >= new for old, new in pairs) else stretched
    y, x = (kind(old, new) for old, new in pairs)
    return y, x


@lru_cache(maxsize=16)  # eight geometries, as for all axes below
def triangle(source: int, target: int) -> Axis:
    """Pillow's BILINEAR: a triangle that reaches one pixel of the coarser grid to either side of the target pixel's
    centre; weights are normalised in float64 and rounded, halves up.
    """
    scale = source / target
    reach = max(scale, 1.0)
    centre = (np.arange(target) + 0.5) * scale
    first = np.maximum((centre - reach + 0.5).astype(np.int64), 0)
    stop = np.minimum((centre + reach + 0.5).astype(np.int64), source)
    taps = np.arange((stop - first).max())
    distance = np.abs((taps + first[:, None] - centre[:, None] + 0.5) / reach)
    weights = np.where(taps < (stop - first)[:, None], np.maximum(1 - distance, 0), 0)
    # Summed one after the other: the last bit of a sum depends on the order.
    weights /= np.add.accumulate(weights, axis=1)[:, -1:]
    return first.astype(np.int32), (weights * 2**FRACTION + 0.5).astype(np.int32)


@lru_cache(maxsize=16)
def area(source: int, target: int) -> Axis:
    """Every target pixel is the mean of what it covers of the source (`source` >= `target`): OpenCV's INTER_AREA.

    Boundaries are fractions of `target`, so that they are exact; weights add up to 1.
    """
    begin = np.arange(target, dtype=np.int64) * source  # in 1/target of a source pixel, as `end` and `edges` are
    end = begin + source
    first = begin // target
    taps = int((-(-end // target) - first).max())
    edges = np.clip((first[:, None] + np.arange(taps + 1)) * target, begin[:, None], end[:, None]) - begin[:, None]
    return first.astype(np.int32), _shares(edges / source)


@lru_cache(maxsize=16)
def linear(source: int, target: int) -> Axis:
    """Between the two source pixels nearest to the target pixel's centre; the edge's own beyond the last: for planes of
    YUV, which no one else resizes so.
    """
    position = np.clip((np.arange(target) + 0.5) * (source / target) - 0.5, 0, source - 1)
    return _between(np.floor(position), position - np.floor(position))


def interpolation(source: tuple[int, int], target: tuple[int, int]) -> tuple[Axis, Axis]:
    """Both axes of OpenCV's INTER_LINEAR, y and x, to the bit: for STC_LINEAR, which takes a `first` of -1."""
    (y, new_y), (x, new_x) = zip(source, target, strict=True)
    return _interpolated(y, new_y, at_edges=False), _interpolated(x, new_x, at_edges=True)


@lru_cache(maxsize=16)
def _interpolated(source: int, target: int, *, at_edges: bool) -> Axis:
    """Where OpenCV reads, in float32 as it computes them, and its weights of 11 bits. at_edges: a target pixel beyond
    the outermost centres is the edge's alone, as OpenCV has it along x; along y it blends the edge with itself, which
    rounding makes another thing.
    """
    position = ((np.arange(target) + 0.5) * (1 / (target / source)) - 0.5).astype(np.float32)
    first = np.floor(position)
    share = position - first
    if at_edges:
        share = np.where((first < 0) | (first >= source - 1), np.float32(0), share)
        first = first.clip(0, source - 1)
    weights = np.rint(np.stack((1 - share, share), axis=1) * np.float32(2**LINEAR_BITS)).astype(np.int32)
    return first.astype(np.int32), weights << (FRACTION - LINEAR_BITS)


@lru_cache(maxsize=16)
def stretched(source: int, target: int) -> Axis:
    """What OpenCV's INTER_AREA takes for both axes where a picture grows along one: a target pixel is its source pixel,
    or blends two in the shares in which it covers them.

    Floats are rounded as OpenCV does: where a boundary falls on a pixel's, the last bit decides between two pixels.
    """
    growth = target / source
    pixel = np.arange(target)
    first = np.floor(pixel * (1 / growth))
    share = ((pixel + 1) - (first + 1) * growth).astype(np.float32)
    share = np.where((share <= 0) | (first >= source - 1), 0, share - np.floor(share))
    return _between(np.minimum(first, source - 1), share)


def capped(axis: Axis) -> Axis:
    """The same where rounding has made weights add up to a bit more than 1: the greatest gives it back."""
    first, weights = axis
    weights = weights.copy()
    greatest = weights.argmax(axis=1)
    weights[np.arange(len(first)), greatest] -= np.maximum(weights.sum(axis=1) - 2**FRACTION, 0).astype(np.int32)
    return first, weights


def halved(axis: Axis) -> Axis:
    """The same for a plane of half the size, whose pixels stand for two each."""
    first, weights = axis
    pixel = (first[:, None] + np.arange(weights.shape[1])) // 2 - first[:, None] // 2
    merged = np.zeros((len(first), weights.shape[1] // 2 + 1), np.int32)
    np.add.at(merged, (np.arange(len(first))[:, None], pixel), weights)
    return first // 2, merged


@lru_cache(maxsize=8)
def of_planes(
    rule: str, source: tuple[int, int], target: tuple[int, int]
) -> tuple[tuple[Axis, Axis], tuple[Axis, Axis]]:
    """Of luma, and of chroma of half the size."""
    y, x = map(capped, axes(rule, source, target))
    return (y, x), (halved(y), halved(x))


def shortened(axis: Axis, most_bits: int) -> tuple[NDArray[np.int16], int]:
    """The weights in 16 bits, int16 (taps, target), and of how many of them are the fraction: as many as fit, at most
    `most_bits`. As the CPU library uses those of STC_ROWS_FIRST: at most 22 bits along y, 16 along x.
    """
    weights = axis[1].astype(np.int64)
    greatest, bits = max(1, int(weights.max())), most_bits
    while (greatest << bits >> FRACTION) + 1 > np.iinfo(np.int16).max:
        bits -= 1
    # The sums are rounded and not the weights, so that rounding adds up to nothing.
    sums = np.cumsum(weights, axis=1) + (1 << (FRACTION - bits) >> 1) >> FRACTION - bits
    return np.ascontiguousarray(np.diff(sums, axis=1, prepend=0).T.astype(np.int16)), bits


def _between(first: NDArray[np.float64], share: NDArray[np.float64]) -> Axis:
    """Two taps: `share` (0..1) of the second."""
    return first.astype(np.int32), _shares(np.stack((np.zeros_like(share), 1 - share, np.ones_like(share)), axis=1))


def _shares(edges: NDArray[np.float64]) -> NDArray[np.int32]:
    """Weights from edges (target, taps + 1) that rise from 0 to 1; rounded edges, so that the weights add up to 1."""
    weights: NDArray[np.int32] = np.diff(np.rint(edges * 2**FRACTION), axis=1).astype(np.int32)
    return weights
