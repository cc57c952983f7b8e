"""The native library's C interface as ctypes sees it: the structs and functions of plugins/cpu/stc_cpu.h, all of them.

Arguments have their types, so a wrong one is a Python error, and the sizes of the structs are compared with the
library's when it is loaded.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_void_p

ABI = 6  # STC_CPU_ABI
Functions = Mapping[str, tuple[type, tuple[type, ...]]]  # name -> types of the result and of the arguments


class Op(ctypes.Structure):
    """stc_dynamic_mask_head"""

    _fields_ = [
        *((name, c_void_p) for name in ("mask_feats", "params", "locations", "sizes", "count", "masks")),
        *((name, c_int32) for name in ("batch", "instances", "height", "width")),
        *((name, c_int32) for name in ("channels", "layers", "stride", "upsample", "storage")),
    ]


class FrameAxis(ctypes.Structure):
    """stc_frame_axis"""

    _fields_ = [("cells", c_void_p), ("shares", c_void_p), ("size", c_int32)]


class FrameMasks(ctypes.Structure):
    """stc_frame_masks"""

    _fields_ = [
        ("probabilities", c_void_p),
        ("y", FrameAxis),
        ("x", FrameAxis),
        *((name, c_int32) for name in ("instances", "rows", "cols")),
    ]


class ResizeAxis(ctypes.Structure):
    """stc_resize_axis"""

    _fields_ = [("first", c_void_p), ("weights", c_void_p), ("size", c_int32), ("taps", c_int32)]


class Resize(ctypes.Structure):
    """stc_resize"""

    _fields_ = [
        ("source", c_void_p),
        ("target", c_void_p),
        *((name, c_int64) for name in ("source_row", "source_pixel", "source_channel", "target_pitch")),
        *((name, c_int32) for name in ("height", "width", "order")),
        ("y", ResizeAxis),
        ("x", ResizeAxis),
    ]


class Plane(ctypes.Structure):
    """stc_plane"""

    _fields_ = [("data", c_void_p), ("row", c_int64), ("pixel", c_int64)]


class YuvColours(ctypes.Structure):
    """stc_yuv_colours"""

    _fields_ = [(name, c_int32) for name in ("black", "luma", "blue_u", "green_u", "green_v", "red_v")]


class ResizeYuv(ctypes.Structure):
    """stc_resize_yuv"""

    _fields_ = [
        ("planes", Plane * 3),
        ("target", c_void_p),
        ("target_pitch", c_int64),
        ("height", c_int32),
        ("width", c_int32),
        *((name, ResizeAxis) for name in ("y", "x", "chroma_y", "chroma_x")),
        ("colours", YuvColours),
    ]


class Outlines(ctypes.Structure):
    """stc_outlines"""

    _fields_ = [
        *((name, c_void_p) for name in ("xy", "ring")),
        *((name, c_int64) for name in ("corner_room", "ring_room", "corners", "rings")),
    ]


NO_ROOM = -4  # STC_NO_ROOM
STRUCTS = (Op, FrameMasks, Resize, Outlines, ResizeYuv)  # in the order of stc_cpu_struct_size
FUNCTIONS: Functions = {
    "stc_cpu_struct_size": (c_int32, (c_int32,)),
    "stc_cpu_kernels": (c_char_p, ()),
    "stc_cpu_dynamic_mask_head": (c_int32, (POINTER(Op), c_int32)),
    "stc_cpu_dense_masks": (c_int32, (POINTER(FrameMasks), c_int32, c_void_p, c_void_p, c_int32)),
    "stc_cpu_bit_masks": (c_int32, (POINTER(FrameMasks), c_int32, c_void_p, c_int32)),
    "stc_cpu_rle_masks": (c_int64, (POINTER(FrameMasks), c_int32, c_void_p, c_int64, c_void_p, c_void_p, c_int32)),
    "stc_cpu_outline_masks": (c_int32, (POINTER(FrameMasks), c_int32, POINTER(Outlines), c_int32)),
    "stc_cpu_resize": (c_int32, (POINTER(Resize), c_int32)),
    "stc_cpu_resize_yuv": (c_int32, (POINTER(ResizeYuv), c_int32)),
}


def mismatch(handle: ctypes.CDLL) -> str | None:
    """Declare all functions; why the loaded library is not the one described here, or None."""
    return declared(handle, "stc_cpu", ABI, FUNCTIONS, STRUCTS)


def declared(
    handle: ctypes.CDLL, prefix: str, abi: int, functions: Functions, structs: Sequence[type[ctypes.Structure]]
) -> str | None:
    """`mismatch` of any of our libraries, whose names begin with `prefix`."""
    try:
        version = getattr(handle, f"{prefix}_abi")
        version.restype, version.argtypes = c_int32, ()
        if (found := int(version())) != abi:
            return f"has interface {found}, this version of stc needs {abi}"
        for name, (result, arguments) in functions.items():
            function = getattr(handle, name)
            function.restype, function.argtypes = result, arguments
    except AttributeError as error:
        return f"is no library of stc ({error})"
    size = getattr(handle, f"{prefix}_struct_size")
    sizes = [(int(size(index)), ctypes.sizeof(struct)) for index, struct in enumerate(structs)]
    if any(theirs != ours for theirs, ours in sizes):
        return f"has structs of other sizes than this version of stc: {sizes}"
    return None
