"""Resizing by the native library.

"pil-bilinear" is Pillow's BILINEAR to the bit, columns first, then rows: Pillow's order up to version 12. Version 13
takes the other one for some pictures that change their shape; the two differ by at most one grey level. "linear" is
OpenCV's INTER_LINEAR to the bit, as its packages for x86-64 compute it (4.8 and 5.0 were compared; on other machines
OpenCV may use vendors' code). "area" is its INTER_AREA within one grey level, which OpenCV computes in float32.
"""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.frames.yuv import YuvFrame
from stc.runtime.native import filters
from stc.runtime.native.interface import Plane, Resize, ResizeAxis, ResizeYuv, YuvColours
from stc.runtime.native.library import FAILURES, Library

COLUMNS_FIRST, ROWS_FIRST, LINEAR = 0, 1, 2  # STC_COLUMNS_FIRST, STC_ROWS_FIRST, STC_LINEAR
COLOUR_BITS = 13  # of the factors of stc_yuv_colours


def resize(library: Library, picture: NDArray[np.uint8], target: NDArray[np.uint8], rule: str) -> None:
    """Fill `target`, uint8 (h, w, 3), with `picture`, uint8 (H, W, 3), resized by one of `letterbox.RESIZE_RULES`.

    `picture` may be any view and is not copied: `rgba[..., 2::-1]` is RGBA as BGR, `numpy.broadcast_to(grey[..., None],
    (H, W, 3))` a grey picture. Rows of `target` may lie apart, as those of a larger picture do. Raises InputError when
    the library refuses, which it does not for arrays like these.
    """
    order, axes = _order(rule, picture.shape[:2], target.shape[:2])
    op = Resize(
        picture.ctypes.data,
        target.ctypes.data,
        *picture.strides,
        _pitch(target),
        *picture.shape[:2],
        order,
        *map(_axis, axes),
    )
    if status := library.handle.stc_cpu_resize(ctypes.byref(op), library.threads):
        raise InputError(f"picture {picture.shape} to {target.shape}: {FAILURES[status]}")


def _order(
    rule: str, source: tuple[int, int], target: tuple[int, int]
) -> tuple[int, tuple[filters.Axis, filters.Axis]]:
    """In which order a rule computes, and its axes."""
    if rule == "linear":
        if all(old == 2 * new for old, new in zip(source, target, strict=True)):
            return ROWS_FIRST, filters.axes("area", source, target)  # OpenCV averages such pictures, exactly
        return LINEAR, filters.interpolation(source, target)
    return COLUMNS_FIRST if rule == "pil-bilinear" else ROWS_FIRST, filters.axes(rule, source, target)


def resize_yuv(library: Library, frame: YuvFrame, target: NDArray[np.uint8], rule: str) -> None:
    """Fill `target`, uint8 (h, w, 3) BGR, with `frame` resized by one of `letterbox.RESIZE_RULES`, planes first.

    Equal to converting first, within two grey levels, but where pixels of the frame are no colours: a conversion clips
    each of them, and here what they are averaged to is clipped.
    """
    axes, chroma = filters.of_planes(rule, frame.size, (target.shape[0], target.shape[1]))
    # NV12's chroma is read as it is; pixels that lie any other way are copied.
    planes = [p if p.strides[1] in (1, 2) else np.ascontiguousarray(p) for p in (frame.y, frame.u, frame.v)]
    black, *factors = frame.colours
    op = ResizeYuv(
        (Plane * 3)(*(Plane(plane.ctypes.data, *plane.strides) for plane in planes)),
        target.ctypes.data,
        _pitch(target),
        *frame.size,
        *map(_axis, (*axes, *chroma)),
        YuvColours(black, *(round(factor * 2**COLOUR_BITS) for factor in factors)),
    )
    if status := library.handle.stc_cpu_resize_yuv(ctypes.byref(op), library.threads):
        raise InputError(f"frame {frame.size} to {target.shape}: {FAILURES[status]}")


def _pitch(target: NDArray[np.uint8]) -> int:
    """Bytes from row to row; of one row NumPy may say anything."""
    return target.strides[0] if target.shape[0] > 1 else target[0].nbytes


def _axis(axis: filters.Axis) -> ResizeAxis:
    first, weights = axis
    return ResizeAxis(first.ctypes.data, weights.ctypes.data, *weights.shape)
