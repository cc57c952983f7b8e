"""Resizing by the native library.

"pil-bilinear" is Pillow's BILINEAR to the bit, columns first, then rows: Pillow's order up to version 12. Version 13
takes the other one for some pictures that change their shape; the two differ by at most one grey level. "area" and
"linear" are OpenCV's INTER_AREA and INTER_LINEAR within one grey level: rounded once, where OpenCV rounds weights.
"""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.native import filters
from stc.runtime.native.interface import Resize, ResizeAxis
from stc.runtime.native.library import FAILURES, Library

COLUMNS_FIRST, ROWS_FIRST = 0, 1  # STC_COLUMNS_FIRST, STC_ROWS_FIRST


def resize(library: Library, picture: NDArray[np.uint8], target: NDArray[np.uint8], rule: str) -> None:
    """Fill `target`, uint8 (h, w, 3), with `picture`, uint8 (H, W, 3), resized by one of `letterbox.RESIZE_RULES`.

    `picture` may be any view and is not copied: `rgba[..., 2::-1]` is RGBA as BGR, `numpy.broadcast_to(grey[..., None],
    (H, W, 3))` a grey picture. Rows of `target` may lie apart, as those of a larger picture do. Raises InputError when
    the library refuses, which it does not for arrays like these.
    """
    axes = filters.axes(rule, picture.shape[:2], target.shape[:2])
    op = Resize(
        picture.ctypes.data,
        target.ctypes.data,
        *picture.strides,
        target.strides[0] if target.shape[0] > 1 else target[0].nbytes,  # of one row NumPy may say anything
        *picture.shape[:2],
        COLUMNS_FIRST if rule == "pil-bilinear" else ROWS_FIRST,
        *(ResizeAxis(first.ctypes.data, weights.ctypes.data, *weights.shape) for first, weights in axes),
    )
    if status := library.handle.stc_cpu_resize(ctypes.byref(op), library.threads):
        raise InputError(f"picture {picture.shape} to {target.shape}: {FAILURES[status]}")
