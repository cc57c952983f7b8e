"""What a pickle gets for the names that it asks for: arrays, dictionaries, and inert marks for the rest."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

MAX_DIMENSIONS = 8

# Only these become keys of dictionaries: hashing a deeply nested tuple would overflow the interpreter's stack.
_KEYS = (str, int, float, bool, bytes, type(None))


@dataclass(frozen=True, eq=False)
class Foreign:
    """What stands where the pickle wants an object of a name that is not ours to make."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Dtype:
    """Stand-in for `numpy.dtype`. `value` is None for types that are not plain numbers (objects, texts, times)."""

    value: np.dtype[Any] | None

    def __init__(self, code: object, *_: Any) -> None:
        self.value = np.dtype(code) if isinstance(code, str) and code.lstrip("<>=|")[:1] in set("fiub") else None

    def set_state(self, state: Any) -> None:
        if self.value is not None and state[1] in ("<", ">"):
            self.value = self.value.newbyteorder(state[1])


class Array:
    """Stand-in for `numpy.ndarray`."""

    content: bytes | bytearray | str = b""  # protocol 2 of Python 2 keeps bytes as text, one latin-1 character each
    dtype: object = None
    shape: object = None
    order: Literal["C", "F"] = "C"

    def set_state(self, state: Any) -> None:
        _, self.shape, self.dtype, fortran, content = state
        self.order = "F" if fortran else "C"
        self.content = content if isinstance(content, bytes | bytearray | str) else b""

    @property
    def value(self) -> NDArray[Any] | None:
        """The numbers; None for an array of something else. Raises UnpicklingError where bytes and shape disagree."""
        if not isinstance(self.dtype, Dtype) or self.dtype.value is None:
            return None
        content = self.content.encode("latin1") if isinstance(self.content, str) else self.content
        shape, dtype = self.shape, self.dtype.value
        if (
            not isinstance(shape, tuple)
            or len(shape) > MAX_DIMENSIONS
            or not all(isinstance(size, int) and size >= 0 for size in shape)
            or len(content) != math.prod(shape) * dtype.itemsize
        ):
            raise pickle.UnpicklingError(f"an array whose shape does not fit its {len(content)} bytes of {dtype}")
        return np.frombuffer(content, dtype=dtype).reshape(shape, order=self.order)


def _reconstruct(*_: Any) -> Array:
    return Array()


def _from_buffer(content: Any, dtype: Any, shape: Any, order: Any) -> Array:
    array = Array()
    array.set_state((None, shape, dtype, order == "F", content))
    return array


def _scalar(dtype: Any, content: Any) -> Array:
    return _from_buffer(content, dtype, (), "C")


def _dictionary(items: Iterable[Any] = ()) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for key, value in items:
        set_item(result, key, value)
    return result


def set_item(target: Any, key: Any, value: Any) -> None:
    if isinstance(target, dict) and isinstance(key, _KEYS):
        target[key] = value


Names = Mapping[tuple[str, str], Any]

STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): Dtype,
    ("numpy", "ndarray"): Foreign("numpy", "ndarray"),
    ("collections", "OrderedDict"): _dictionary,
}
for _package in ("numpy.core", "numpy._core"):
    STAND_INS[f"{_package}.multiarray", "_reconstruct"] = _reconstruct
    STAND_INS[f"{_package}.multiarray", "scalar"] = _scalar
    STAND_INS[f"{_package}.numeric", "_frombuffer"] = _from_buffer
