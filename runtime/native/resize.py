"""Pillow's BILINEAR by the native library: columns first, then rows, to the bit.

That is Pillow's order up to version 12. Version 13 takes the other one for some pictures that change their shape; the
two differ by at most one grey level.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.native.interface import Resize, ResizeAxis
from stc.runtime.native.library import FAILURES, Library

FRACTION = 22  # bits of a weight, as in Pillow


def resize(library: Library, picture: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
    """Fill `target`, uint8 (h, w, 3), with `picture`, uint8 (H, W, 3), resized as Pillow's BILINEAR does.

    Rows of `target` may lie apart, as those of a larger picture do; a `picture` whose rows are not contiguous is
    copied. Raises InputError when the library refuses, which it does not for arrays like these.
    """
    if picture.strides[1:] != (3, 1) or picture.strides[0] < 0:
        picture = np.ascontiguousarray(picture)
    (height, width), (target_h, target_w) = picture.shape[:2], target.shape[:2]
    axes = triangle(height, target_h), triangle(width, target_w)
    op = Resize(
        picture.ctypes.data,
        target.ctypes.data,
        _pitch(picture),
        _pitch(target),
        height,
        width,
        *(ResizeAxis(first.ctypes.data, weights.ctypes.data, *weights.shape) for first, weights in axes),
    )
    if status := library.handle.stc_cpu_resize(ctypes.byref(op), library.threads):
        raise InputError(f"picture {picture.shape} to {target.shape}: {FAILURES[status]}")


def _pitch(picture: NDArray[np.uint8]) -> int:
    """Bytes from row to row; NumPy may say anything where there is only one."""
    return picture.shape[1] * 3 if picture.flags.c_contiguous else picture.strides[0]


@lru_cache(maxsize=16)  # eight geometries
def triangle(source: int, target: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """One axis from `source` to `target` pixels: where each target pixel begins to read, int32 (target,), and its
    weights, int32 (target, taps), in units of 2^-22.

    The filter is a triangle that reaches one pixel of the coarser grid to either side of the target pixel's centre;
    weights are normalised in float64 and rounded, halves up.
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
