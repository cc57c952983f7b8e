"""The op `stc::DynamicMaskHead` by the native library."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.mask_head_op import Attributes
from stc.runtime.native.interface import Op
from stc.runtime.native.library import FAILURES, STORAGE, Library


class Shaped(Protocol):
    """An array, wherever its memory is."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...


@dataclass(frozen=True)
class MaskHead(Attributes):
    """The op of these attributes."""

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
        arrays = self._checked(mask_feats, params, locations, sizes, count)
        batch, _, height, width = mask_feats.shape
        instances = params.shape[1]
        masks = np.empty((batch, instances, height * self.upsample, width * self.upsample), mask_feats.dtype)
        pointers = [array.ctypes.data for array in (*arrays, masks)]
        op = self.op(pointers, (batch, instances, height, width), STORAGE[mask_feats.dtype])
        status = library.handle.stc_cpu_dynamic_mask_head(ctypes.byref(op), library.threads)
        if status:
            raise InputError(f"{self} on features {mask_feats.shape}: {FAILURES[status]}")
        return masks

    def supported(self, library: Library) -> bool:
        """Whether the library has a kernel for these attributes."""
        nothing = np.zeros((0, self.channels, 1, 1), np.float32)
        op = self.op([nothing.ctypes.data] * 6, (0, 0, 1, 1), storage=0)
        return bool(library.handle.stc_cpu_dynamic_mask_head(ctypes.byref(op), 1) == 0)

    def op(self, pointers: Sequence[int], sizes: tuple[int, int, int, int], storage: int) -> Op:
        """The struct of the C interfaces.

        pointers: of the five inputs and of the masks; sizes: batch, instances, height and width of the features;
        storage: as `STORAGE` gives it.
        """
        return Op(*pointers, *sizes, self.channels, self.layers, self.stride, self.upsample, storage)

    def _checked(self, *arrays: NDArray[Any]) -> list[NDArray[Any]]:
        if strangers := [type(array).__name__ for array in arrays if not isinstance(array, np.ndarray)]:
            raise InputError(f"the op takes NumPy arrays; got {', '.join(strangers)}")
        self.check(*arrays)
        return [np.ascontiguousarray(array) for array in arrays]

    def check(self, *arrays: Shaped) -> None:
        """Raise InputError unless these are the op's five inputs."""
        mask_feats, params = arrays[:2]
        batch, instances = (*params.shape, 0, 0)[:2]
        storage = mask_feats.dtype
        wanted = (
            ("mask_feats", storage, (batch, self.channels, *mask_feats.shape[2:])),
            ("params", storage, (batch, instances, self.parameters)),
            ("locations", np.dtype(np.float32), (batch, instances, 2)),
            ("sizes", np.dtype(np.float32), (batch, instances)),
            ("count", np.dtype(np.int32), (batch,)),
        )
        if len(mask_feats.shape) != 4:
            raise InputError(f"mask_feats must be (B, channels, h, w); got {mask_feats.shape}")
        if storage not in STORAGE:
            raise InputError(f"mask_feats must be float32 or float16; got {storage}")
        for (name, dtype, shape), array in zip(wanted, arrays, strict=True):
            if array.dtype != dtype or array.shape != shape:
                raise InputError(f"{name} must be {dtype} {shape}; got {array.dtype} {array.shape}")
