"""The op `stc::DynamicMaskHead` by the native library."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.native import FAILURES, Library
from stc.runtime.native_interface import Op

_MOST = 2**15 - 1  # of any attribute: no kernel is near it, and products of two stay in 32 bits
_STORAGE = {np.dtype(np.float32): 0, np.dtype(np.float16): 1}


@dataclass(frozen=True)
class MaskHead:
    """The op's attributes: `channels` of features, `layers` of each instance's network, `stride` in input pixels per
    cell, `upsample` times finer masks.
    """

    channels: int = 8
    layers: int = 3
    stride: int = 8
    upsample: int = 2

    @cached_property
    def parameters(self) -> int:
        """Parameters per instance: all weights, then all biases."""
        inputs = [self.channels + 2, *[self.channels] * (self.layers - 1)]
        outputs = [*[self.channels] * (self.layers - 1), 1]
        return sum((i + 1) * o for i, o in zip(inputs, outputs, strict=True))

    def __call__(
        self,
        library: Library,
        mask_feats: NDArray[Any],
        params: NDArray[Any],
        locations: NDArray[np.float32],
        sizes: NDArray[np.float32],
        count: NDArray[np.int32],
    ) -> NDArray[Any]:
        """Mask probabilities (B, K, h * upsample, w * upsample), 0..1, in the type of `mask_feats`.

        mask_feats (B, channels, h, w) and params (B, K, P) are float32 or float16, both alike; locations (B, K, 2) xy
        and sizes (B, K) float32, input pixels; count (B,) int32: rows from it on are zero. Arrays that are not
        contiguous are copied. Raises InputError for other shapes or types, or when no kernel fits.
        """
        if not self._counted:
            raise InputError(f"{self}: its numbers must be whole, from 1 to {_MOST}")
        arrays = self._checked(mask_feats, params, locations, sizes, count)
        batch, _, height, width = mask_feats.shape
        instances = params.shape[1]
        masks = np.empty((batch, instances, height * self.upsample, width * self.upsample), mask_feats.dtype)
        op = Op(
            *(array.ctypes.data for array in (*arrays, masks)),
            batch,
            instances,
            height,
            width,
            self.channels,
            self.layers,
            self.stride,
            self.upsample,
            _STORAGE[mask_feats.dtype],
        )
        status = library.handle.stc_cpu_dynamic_mask_head(ctypes.byref(op), library.threads)
        if status:
            raise InputError(f"{self} on features {mask_feats.shape}: {FAILURES[status]}")
        return masks

    @property
    def _counted(self) -> bool:
        """The library counts in 32 bits, to which ctypes cuts what is larger."""
        numbers = (self.channels, self.layers, self.stride, self.upsample)
        return all(type(number) is int and 1 <= number <= _MOST for number in numbers)

    def supported(self, library: Library) -> bool:
        """Whether the library has a kernel for these attributes, which may be any numbers."""
        if not self._counted:
            return False
        nothing = np.zeros((0, self.channels, 1, 1), np.float32)
        op = Op(*[nothing.ctypes.data] * 6, 0, 0, 1, 1, self.channels, self.layers, self.stride, self.upsample, 0)
        return bool(library.handle.stc_cpu_dynamic_mask_head(ctypes.byref(op), 1) == 0)

    def _checked(self, *arrays: NDArray[Any]) -> list[NDArray[Any]]:
        if strangers := [type(array).__name__ for array in arrays if not isinstance(array, np.ndarray)]:
            raise InputError(f"the op takes NumPy arrays; got {', '.join(strangers)}")
        mask_feats, params = arrays[:2]
        if mask_feats.ndim != 4:
            raise InputError(f"mask_feats must be (B, {self.channels}, h, w); got {mask_feats.shape}")
        batch, instances = (*params.shape, 0, 0)[:2]
        storage = mask_feats.dtype
        wanted = (
            ("mask_feats", storage, (batch, self.channels, *mask_feats.shape[2:])),
            ("params", storage, (batch, instances, self.parameters)),
            ("locations", np.dtype(np.float32), (batch, instances, 2)),
            ("sizes", np.dtype(np.float32), (batch, instances)),
            ("count", np.dtype(np.int32), (batch,)),
        )
        if storage not in _STORAGE:
            raise InputError(f"mask_feats must be float32 or float16; got {storage}")
        for (name, dtype, shape), array in zip(wanted, arrays, strict=True):
            if array.dtype != dtype or array.shape != shape:
                raise InputError(f"{name} must be {dtype} {shape}; got {array.dtype} {array.shape}")
        return [np.ascontiguousarray(array) for array in arrays]
