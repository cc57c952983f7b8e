"""A frame in GPU memory into a picture of the model's input: the tables of its axes, and the launch.

"area" is the CPU library's to the bit. "pil-bilinear" goes rows first here, where Pillow 12 goes columns first, and
"linear" has other weights than OpenCV's: within a grey level of them.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stc.runtime.backends.tensorrt.resident.frame import Placed
from stc.runtime.backends.tensorrt.resident.kernels import Launch
from stc.runtime.backends.tensorrt.resident.memory import MOST_TABLES, Tables
from stc.runtime.letterbox import Letterbox
from stc.runtime.native import filters
from stc.runtime.native.cuda_interface import DeviceResize, DeviceResizeYuv, ShortAxis, Slot
from stc.runtime.native.interface import YuvColours
from stc.runtime.native.resize import COLOUR_BITS

BITS = (22, 16)  # of weights along y and x at most


def launch(frame: Placed, letterbox: Letterbox, tables: Tables, target: int) -> Launch:
    """Fill the picture at `target`, uint8 (*letterbox.input_size, 3). Raises DeviceError where tables have no room."""
    axes = _axes(letterbox, frame.colours is not None, tables)
    height, width = letterbox.input_size
    border = (ctypes.c_uint8 * 4)(*letterbox.border)
    slot = Slot(target, 3 * width, height, width, border)
    if frame.colours is None:
        (plane,) = frame.planes
        return Launch(
            "stc_cuda_resize",
            (DeviceResize(plane.address, plane.row, plane.pixel, plane.channel, *frame.size, *axes, slot),),
        )
    luma, chroma = frame.planes
    black, *factors = frame.colours
    colours = YuvColours(black, *(round(factor * 2**COLOUR_BITS) for factor in factors))
    op = DeviceResizeYuv(luma.address, chroma.address, luma.row, chroma.row, *frame.size, *axes, colours, slot)
    return Launch("stc_cuda_resize_yuv", (op,))


def _axes(letterbox: Letterbox, yuv: bool, tables: Tables) -> list[ShortAxis]:
    """y and x, and for YUV those of chroma."""
    key = (letterbox.frame_size, letterbox.resized_size, letterbox.resize, yuv)
    axes = _weights(*key)
    found = tables.get(key) or tables.put(key, [array for first, weights, _ in axes for array in (first, weights)])
    return [
        ShortAxis(found[2 * number], found[2 * number + 1], weights.shape[1], weights.shape[0], bits)
        for number, (_, weights, bits) in enumerate(axes)
    ]


@lru_cache(maxsize=MOST_TABLES)
def _weights(
    source: tuple[int, int], target: tuple[int, int], rule: str, yuv: bool
) -> list[tuple[NDArray[np.int32], NDArray[np.int16], int]]:
    """`first`, weights and their bits of each axis."""
    pair = filters.axes(rule, source, target)
    if yuv or rule == "pil-bilinear":  # whose weights may add up to a bit more than 1
        pair = filters.capped(pair[0]), filters.capped(pair[1])
    axes = [*pair, *map(filters.halved, pair)] if yuv else list(pair)
    return [(axis[0], *filters.shortened(axis, bits)) for axis, bits in zip(axes, BITS * 2, strict=False)]
