"""What is asked of a frame's masks while they are on the GPU: in the engine's buffer, as the engine gave them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.backends.tensorrt.bindings import Tensor
from stc.runtime.backends.tensorrt.resident.kernels import Launch
from stc.runtime.backends.tensorrt.resident.masks import FrameOrigin
from stc.runtime.backends.tensorrt.resident.memory import Buffer, Tables
from stc.runtime.backends.tensorrt.resident.objects import frame_masks
from stc.runtime.backends.tensorrt.resident.path import Shared
from stc.runtime.bundle.contract import MASKS
from stc.runtime.native.cuda_interface import WORD, Rows


def probabilities(shared: Shared, origin: FrameOrigin, rows: NDArray[np.int32]) -> NDArray[Any]:
    """(n, Hm, Wm) of rows of a picture whose run is over. Raises DeviceError."""
    masks = _masks(origin)
    found = np.empty((len(rows), *masks.row[1:]), masks.dtype)
    size = found[:1].nbytes
    for target, row in zip(found, rows.tolist(), strict=True):
        shared.cuda.fetch(target.ctypes.data, origin.masks + row * size, size)
    return found


def frame_bits(shared: Shared, origin: FrameOrigin, rows: NDArray[np.int32]) -> Buffer:
    """uint32 (n, H0, ceil(W0 / 32)) of rows of a picture whose run is over, complete. Raises DeviceError."""
    cuda, stream = shared.cuda, shared.lanes.compute
    n, (height, width) = len(rows), origin.letterbox.frame_size
    pitch = -(-width // WORD)
    op, storage = frame_masks(_masks(origin), origin.masks, origin.letterbox, shared.stride, shared.tables)
    told: list[NDArray[Any]] = [
        rows,
        np.array([n], np.int32),
        np.tile(np.array([0, 0, width, height], np.int32), (n, 1)),
        np.arange(n + 1, dtype=np.int64) * height * pitch,
    ]
    words = Buffer(cuda, stream)
    with ExitStack() as release:
        release.callback(words.close)
        words.reserve(max(1, 4 * n * height * pitch))
        own = Tables(cuda, stream)
        with ExitStack() as after:
            after.callback(own.close)
            where, count, boxes, offsets = own.put("rows", told)
            room = n * height * pitch
            launch = Launch(
                "stc_cuda_box_bits", (op, storage, Rows(where, count, n), boxes, offsets, words.address, room)
            )
            shared.enqueue([launch], stream)
        cuda.synchronize(stream)
        release.pop_all()
    return words


def _masks(origin: FrameOrigin) -> Tensor:
    return next(tensor for tensor in origin.bindings.rows if tensor.name == MASKS)
