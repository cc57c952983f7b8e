"""Calling the CUDA kernels of libstc_tensorrt.so on arrays of the host."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.backends.tensorrt.cuda import Cuda
from stc.runtime.native.interface import Op
from stc.runtime.native.mask_head import MaskHead
from tests.plugins.kernel_cases import FrameCase

Array = NDArray[Any]


@contextmanager
def on_gpu(cuda: Cuda, arrays: Sequence[Array]) -> Iterator[tuple[list[int], Any]]:
    """The addresses of copies in GPU memory, and a stream; released at the end."""
    stream = cuda.create_stream()
    pointers: list[int] = []
    pinned: list[int] = []
    try:
        for array in arrays:
            values = np.ascontiguousarray(array)
            size = max(1, values.nbytes)
            pointers.append(cuda.malloc(size))
            pinned.append(cuda.malloc_host(size))
            ctypes.memmove(pinned[-1], values.ctypes.data, values.nbytes)
            cuda.upload(pointers[-1], pinned[-1], values.nbytes, stream)
        cuda.synchronize(stream)
        yield pointers, stream
    finally:
        for pointer in pointers:
            cuda.free(pointer)
        for pointer in pinned:
            cuda.free_host(pointer)
        cuda.destroy_stream(stream)


def fetch(cuda: Cuda, pointer: int, like: Array, stream: Any) -> Array:
    size = max(1, like.nbytes)
    pinned = cuda.malloc_host(size)
    try:
        cuda.download(pinned, pointer, like.nbytes, stream)
        cuda.synchronize(stream)
        return np.frombuffer(ctypes.string_at(pinned, like.nbytes), like.dtype).reshape(like.shape)
    finally:
        cuda.free_host(pinned)


def frame_masks(cuda: Cuda, kernels: ctypes.CDLL, case: FrameCase, form: str) -> Array:
    """Masks at the frame's size on the GPU; form: "words" or "pixels"."""
    out = getattr(case, form)
    function = {"words": kernels.stc_cuda_bit_masks, "pixels": kernels.stc_cuda_dense_masks}[form]
    with on_gpu(cuda, [*case.inputs, out]) as (pointers, stream):
        places = {id(array): pointer for array, pointer in zip(case.inputs, pointers, strict=False)}
        op = case.op(lambda array: places[id(array)])
        storage = int(case.storage == "f16")
        assert function(ctypes.byref(op), storage, ctypes.c_void_p(pointers[-1]), ctypes.c_void_p(int(stream))) == 0
        return fetch(cuda, pointers[-1], out, stream)


def mask_head(cuda: Cuda, kernels: ctypes.CDLL, head: MaskHead, arrays: Sequence[Array]) -> Array:
    """The op on the GPU; `arrays` are its five inputs."""
    mask_feats, params = arrays[:2]
    batch, _, height, width = mask_feats.shape
    instances = params.shape[1]
    masks = np.full((batch, instances, height * head.upsample, width * head.upsample), np.nan, mask_feats.dtype)
    with on_gpu(cuda, [*arrays, masks]) as (pointers, stream):
        sizes = (batch, instances, height, width, head.channels, head.layers, head.stride, head.upsample)
        op = Op(*pointers, *sizes, int(mask_feats.dtype == np.float16))
        assert kernels.stc_cuda_dynamic_mask_head(ctypes.byref(op), ctypes.c_void_p(int(stream))) == 0
        return fetch(cuda, pointers[-1], masks, stream)
