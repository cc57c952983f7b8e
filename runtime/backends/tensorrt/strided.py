"""Other libraries' arrays in GPU memory as they lie there, without a copy and without importing those libraries.

Of those who speak both DLPack and the CUDA array interface DLPack is asked: there the producer makes our stream wait
for its own, while PyTorch's interface (version 2) names no stream.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from stc.boundary import foreign
from stc.errors import InputError
from stc.runtime.backends.tensorrt.dlpack import CUDA, CUDA_MANAGED, Borrowed
from stc.runtime.backends.tensorrt.readers import LEGACY

_FIX = "give a contiguous uint8 array in GPU memory"


@dataclass(frozen=True, eq=False)
class Strided:
    """An array at `pointer` in GPU memory; `strides` in bytes, one per axis. `owner` keeps the memory alive.

    `device` is DLPack's (type, index); the CUDA array interface tells no index, so the driver must be asked. `stream`
    is where the content is still being written, as the CUDA array interface numbers streams; None: the reader's stream
    already waits for it.
    """

    pointer: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: object
    device: tuple[int, int] = (CUDA, 0)
    stream: int | None = None


def packed(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """The strides in bytes of a contiguous array."""
    return tuple(itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def receive(array: Any, stream: int) -> Strided:
    """Another library's GPU array, to be read on the CUDA stream `stream`, or after `Strided.stream`.

    Raises InputError when it is no array in GPU memory or cannot be shared.
    """
    name = type(array).__name__
    if hasattr(array, "__dlpack__"):
        with foreign("DLPack", f"a {name}", _FIX):
            kind, index = (int(number) for number in array.__dlpack_device__())
            if kind not in {CUDA, CUDA_MANAGED}:
                raise InputError(f"a {name} in CPU memory; give a NumPy array, or one on the GPU")
            return _from_capsule(array, array.__dlpack__(stream=stream), (kind, index))
    with foreign("the CUDA array interface", f"a {name}", _FIX):
        if (interface := getattr(array, "__cuda_array_interface__", None)) is not None:
            return _from_interface(array, interface)
    raise InputError(f"not an array: {name} has neither __dlpack__ nor __cuda_array_interface__")


def _from_interface(array: Any, interface: dict[str, Any]) -> Strided:
    """What does not say where it is being written (before version 3, or None there) counts as written on the legacy
    default stream, which waits for every stream but those made non-blocking.
    """
    if interface.get("mask") is not None:
        raise InputError("an array with a mask, which an engine cannot take")
    shape, dtype = tuple(int(size) for size in interface["shape"]), np.dtype(interface["typestr"])
    said = interface.get("strides")
    strides = packed(shape, dtype.itemsize) if said is None else tuple(int(step) for step in said)
    if len(strides) != len(shape):
        raise InputError(f"an array {shape} with strides {strides}: one for each axis is needed")
    stream = int(interface.get("stream") or LEGACY)
    return Strided(int(interface["data"][0] or 0), shape, strides, dtype, array, stream=stream)


def _from_capsule(array: Any, capsule: Any, device: tuple[int, int]) -> Strided:
    """DLPack counts strides in elements."""
    lent = Borrowed(capsule)
    size = lent.dtype.itemsize
    strides = packed(lent.shape, size) if lent.strides is None else tuple(step * size for step in lent.strides)
    return Strided(lent.pointer, lent.shape, strides, lent.dtype, (array, lent), device)
