"""A frame in GPU memory: what a caller gives, and where its bytes lie. Nothing is copied, no other library imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, NoReturn, get_args

import numpy as np

from stc.errors import InputError, ProcessBoundError
from stc.runtime.backends.tensorrt.strided import Strided, receive
from stc.runtime.frames.yuv import MATRICES, Colours, colours

Layout = Literal["bgr", "rgb", "bgra", "rgba", "gray", "nv12"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
_CHANNELS = {"bgr": 3, "rgb": 3, "bgra": 4, "rgba": 4, "gray": 1}
MOST_BYTES = 4  # from one pixel to the next
GpuOf = Callable[[int], "int | None"]  # the GPU whose memory an address is; None: of none


@dataclass(frozen=True, eq=False)
class DeviceFrame:
    """A frame in GPU memory, uint8: `picture` is another library's array with `__dlpack__` or
    `__cuda_array_interface__` (PyTorch, CuPy, Numba, pycuda, decoders). Rows may lie apart, as those of a part of a
    picture do; the bytes of a pixel lie side by side, pixels at most 4 bytes apart, and of NV12 all bytes of a row.

    layout: "bgr" or "rgb" (H, W, 3), "bgra" or "rgba" (H, W, 4, alpha is passed over), "gray" (H, W) or (H, W, 1), or
    "nv12": luma (H, W) with `chroma` (H / 2, W / 2, 2) or (H / 2, W), halves rounded up; without `chroma`, `picture` is
    both in one surface of 3 H / 2 rows. matrix and full_range: of NV12, as `YuvFrame` has them.

    An array that is given without a DeviceFrame counts as "bgr". It must not be written to until the call that takes
    the frame has returned. Raises InputError for an unknown layout or matrix.
    """

    picture: Any
    layout: Layout = "bgr"
    chroma: Any = None
    matrix: str = "bt601"
    full_range: bool = False

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise InputError(f"unknown layout {self.layout!r}; known: {', '.join(LAYOUTS)}")
        if self.matrix not in MATRICES:
            raise InputError(f"unknown colour matrix {self.matrix!r}; known: {', '.join(MATRICES)}")
        if self.chroma is not None and self.layout != "nv12":
            raise InputError(f"chroma belongs to layout 'nv12'; got {self.layout!r}")

    def __reduce__(self) -> NoReturn:
        raise ProcessBoundError("a DeviceFrame is memory of a GPU in this process; pass on a NumPy array")


@dataclass(frozen=True)
class Plane:
    """Bytes (rows, columns, …) at `address`; `row`, `pixel` and `channel` bytes from one to the next."""

    address: int
    row: int
    pixel: int
    channel: int = 0


@dataclass(frozen=True, eq=False)
class Placed:
    """A frame of `size` (H, W) where it lies: one plane of pixels, whose channels are read as blue, green and red, or
    NV12's two `planes` with its `colours` (`yuv.colours`; None: no YUV).

    streams: what is still being written, is written there. owner: keeps the memory alive.
    """

    size: tuple[int, int]
    planes: tuple[Plane, ...]
    colours: Colours | None
    streams: frozenset[int]
    owner: object


def on_device(frame: Any) -> bool:
    """Whether it is meant to be in GPU memory: neither NumPy's nor YUV, but an array of some library."""
    speaks = hasattr(frame, "__dlpack__") or hasattr(frame, "__cuda_array_interface__")
    return isinstance(frame, DeviceFrame) or (speaks and not isinstance(frame, np.ndarray))


def place(frame: Any, stream: int, gpu: int, gpu_of: GpuOf) -> Placed:
    """Where a frame lies, to be read on the CUDA stream `stream` of GPU number `gpu`, after `Placed.streams`.

    Raises InputError when it is no uint8 frame of its layout, or not in that GPU's memory.
    """
    given = frame if isinstance(frame, DeviceFrame) else DeviceFrame(frame)
    arrays = [receive(array, stream) for array in (given.picture, given.chroma) if array is not None]
    for array in arrays:
        _check(array, gpu, gpu_of)
    streams = frozenset(array.stream for array in arrays if array.stream is not None)
    if given.layout == "nv12":
        size, planes = _nv12(*arrays)
        return Placed(size, planes, colours(given.matrix, given.full_range), streams, arrays)
    size, plane = _pixels(arrays[0], given.layout)
    return Placed(size, (plane,), None, streams, arrays)


def _check(array: Strided, gpu: int, gpu_of: GpuOf) -> None:
    """The driver says where both ends are: CUDA breaks for the whole process when a kernel reads what is not there."""
    if array.dtype != np.uint8 or len(array.shape) not in (2, 3):
        raise InputError(f"a frame in GPU memory must be uint8 (H, W, 3); got {array.dtype} {array.shape}")
    if 0 in array.shape:
        raise InputError(f"a frame must have at least one pixel; got {array.shape}")
    if not array.pointer:
        raise InputError(f"a frame uint8 {array.shape} at address 0: the decoder or library that gave it has failed")
    if any(step < 0 < size - 1 for size, step in zip(array.shape, array.strides, strict=True)):
        raise InputError(f"a frame in GPU memory with negative strides {array.strides}; make it contiguous first")
    last = array.pointer + sum((size - 1) * step for size, step in zip(array.shape, array.strides, strict=True))
    found = [gpu_of(array.pointer), gpu_of(last)]
    if None in found:
        raise InputError(
            f"a frame uint8 {array.shape} with strides {array.strides} that is not, or not whole, in GPU memory; give "
            "a NumPy array, or one there"
        )
    if strangers := {other for other in found if other != gpu}:
        (other,) = strangers if len(strangers) == 1 else (found[0],)
        raise InputError(
            f"a frame in the memory of cuda:{other}, while the engine runs on cuda:{gpu}; copy it there, or open the "
            f"session on its GPU: device='cuda:{other}'"
        )


def _pixels(array: Strided, layout: str) -> tuple[tuple[int, int], Plane]:
    channels = _CHANNELS[layout]
    shape, strides = array.shape, array.strides
    if channels == 1 and len(shape) == 2:
        shape, strides = (*shape, 1), (*strides, 0)
    if len(shape) != 3 or shape[2] != channels:
        wanted = f"(H, W, {channels})" if channels > 1 else "(H, W)"
        last = " channels come last: array.permute(1, 2, 0)" if len(shape) == 3 and shape[0] == channels else ""
        raise InputError(f"a frame of layout {layout!r} must be uint8 {wanted}; got {array.shape}{last and ';' + last}")
    row, pixel, channel = strides
    if layout in ("rgb", "rgba"):  # blue is the third
        plane = Plane(array.pointer + 2 * channel, row, pixel, -channel)
    else:
        plane = Plane(array.pointer, row, pixel, 0 if layout == "gray" else channel)
    if shape[1] == 1:  # of one pixel NumPy and DLPack may say any stride
        plane = replace(plane, pixel=channels)
    if not channels <= plane.pixel <= MOST_BYTES or (channels > 1 and channel != 1):
        raise InputError(
            f"a frame uint8 {array.shape} with strides {array.strides}: the bytes of a pixel must lie side by side, "
            "and pixels at most 4 bytes apart; make it contiguous, channels last: array.contiguous()"
        )
    return shape[:2], plane


def _nv12(luma: Strided, chroma: Strided | None = None) -> tuple[tuple[int, int], tuple[Plane, ...]]:
    if len(luma.shape) == 3 and luma.shape[2] == 1:
        luma = Strided(luma.pointer, luma.shape[:2], luma.strides[:2], luma.dtype, luma.owner)
    if len(luma.shape) != 2:
        raise InputError(f"luma of NV12 must be uint8 (H, W); got {luma.shape}")
    height, width = luma.shape
    row, pixel = luma.strides
    if chroma is None:
        if height % 3 or width % 2:
            raise InputError(
                f"a surface of NV12 has 3 H / 2 rows, of even H and W; got {luma.shape}: give chroma by itself"
            )
        height = height // 3 * 2
        below = luma.pointer + height * row
        chroma = Strided(below, (height // 2, width), luma.strides, luma.dtype, luma.owner)
    half = (height + 1) // 2, (width + 1) // 2
    if pixel != 1 and width > 1:
        raise InputError(f"luma of NV12 {luma.shape} with strides {luma.strides}: bytes of a row must lie side by side")
    if chroma.shape == (half[0], 2 * half[1]):
        down, unit = chroma.strides
        across = 2 * unit
    elif chroma.shape == (*half, 2):
        down, across, unit = chroma.strides
    else:
        raise InputError(f"chroma of NV12 {(height, width)} must be uint8 {(*half, 2)}; got {chroma.shape}")
    if unit != 1 or (across != 2 and half[1] > 1):
        raise InputError(
            f"chroma of NV12 {chroma.shape} with strides {chroma.strides}: bytes of a row must lie side by side"
        )
    return (height, width), (Plane(luma.pointer, row, 1), Plane(chroma.pointer, down, 2))
