"""The CUDA library's C interface as ctypes sees it: the structs and functions of plugins/cuda/stc_cuda.h, all of them.

Arrays are addresses in GPU memory; a function returns 0 or a cudaError_t.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_void_p

from stc.runtime.native.interface import FrameMasks, Op, YuvColours

ABI = 2  # STC_CUDA_ABI
MOST_PARTS = 12  # STC_MOST_PARTS
WORD = 32  # pixels of a word of bits


class ShortAxis(ctypes.Structure):
    """stc_short_axis"""

    _fields_ = [("first", c_void_p), ("weights", c_void_p), *((name, c_int32) for name in ("size", "taps", "bits"))]


class Slot(ctypes.Structure):
    """stc_slot"""

    _fields_ = [
        ("pixels", c_void_p),
        ("row", c_int64),
        ("height", c_int32),
        ("width", c_int32),
        ("border", ctypes.c_uint8 * 4),
    ]


class DeviceResize(ctypes.Structure):
    """stc_device_resize"""

    _fields_ = [
        ("source", c_void_p),
        ("row", c_int64),
        *((name, c_int32) for name in ("pixel", "channel", "height", "width")),
        ("y", ShortAxis),
        ("x", ShortAxis),
        ("slot", Slot),
    ]


class DeviceResizeYuv(ctypes.Structure):
    """stc_device_resize_yuv"""

    _fields_ = [
        *((name, c_void_p) for name in ("luma", "chroma")),
        *((name, c_int64) for name in ("luma_row", "chroma_row")),
        *((name, c_int32) for name in ("height", "width")),
        *((name, ShortAxis) for name in ("y", "x", "chroma_y", "chroma_x")),
        ("colours", YuvColours),
        ("slot", Slot),
    ]


class Selection(ctypes.Structure):
    """stc_selection"""

    _fields_ = [
        *((name, c_void_p) for name in ("scores", "labels", "count", "wanted")),
        *((name, c_int32) for name in ("most", "classes")),
        ("threshold", ctypes.c_float),
    ]


class Rows(ctypes.Structure):
    """stc_rows"""

    _fields_ = [("rows", c_void_p), ("count", c_void_p), ("most", c_int32)]


class Part(ctypes.Structure):
    """stc_part"""

    _fields_ = [("table", c_void_p), ("row_bytes", c_int32), ("gathered", c_int32)]


# In the order of stc_cuda_struct_size.
STRUCTS = (Op, FrameMasks, DeviceResize, DeviceResizeYuv, Selection, Rows, Part)
_MASKS = (POINTER(FrameMasks), c_int32)
FUNCTIONS: dict[str, tuple[type, tuple[type, ...]]] = {
    "stc_cuda_struct_size": (c_int32, (c_int32,)),
    "stc_cuda_built_with": (c_char_p, ()),
    "stc_cuda_dynamic_mask_head": (c_int32, (POINTER(Op), c_void_p)),
    "stc_cuda_bit_masks": (c_int32, (*_MASKS, c_void_p, c_void_p)),
    "stc_cuda_dense_masks": (c_int32, (*_MASKS, c_void_p, c_void_p)),
    "stc_cuda_resize": (c_int32, (POINTER(DeviceResize), c_void_p)),
    "stc_cuda_resize_yuv": (c_int32, (POINTER(DeviceResizeYuv), c_void_p)),
    "stc_cuda_select": (c_int32, (POINTER(Selection), c_void_p, c_void_p, c_void_p)),
    "stc_cuda_mask_boxes": (c_int32, (*_MASKS, POINTER(Rows), c_void_p, c_void_p)),
    "stc_cuda_box_offsets": (c_int32, (c_void_p, c_int32, c_void_p, c_void_p)),
    "stc_cuda_box_bits": (c_int32, (*_MASKS, POINTER(Rows), *(c_void_p,) * 3, c_int64, c_void_p)),
    "stc_cuda_box_facts": (
        c_int32,
        (c_void_p, c_void_p, c_int32, c_void_p, c_int64, c_void_p, c_void_p, c_void_p),
    ),
    "stc_cuda_pack": (c_int32, (POINTER(Part), c_int32, POINTER(Rows), *(c_void_p,) * 3, c_int64, c_void_p)),
}


def mismatch(handle: ctypes.CDLL) -> str | None:
    """Declare all functions; why the loaded library is not the one described here, or None."""
    try:
        handle.stc_cuda_abi.restype, handle.stc_cuda_abi.argtypes = c_int32, ()
        if (abi := int(handle.stc_cuda_abi())) != ABI:
            return f"has interface {abi}, this version of stc needs {ABI}"
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(handle, name)
            function.restype, function.argtypes = result, arguments
    except AttributeError as error:
        return f"is no library of stc ({error})"
    sizes = [(int(handle.stc_cuda_struct_size(index)), ctypes.sizeof(struct)) for index, struct in enumerate(STRUCTS)]
    if any(theirs != ours for theirs, ours in sizes):
        return f"has structs of other sizes than this version of stc: {sizes}"
    return None
