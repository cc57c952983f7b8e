"""NumPy arrays out of a pickle (detectron2's `.pkl`) without letting the pickle call anything.

A pickle is a program. This reader knows the few names that arrays and dictionaries are pickled with and gives each its
own small stand-in; any other name is refused before it is imported. `numpy`'s own functions are never called either, so
that a declared shape allocates nothing: an array exists only once as many bytes as its shape needs were in the file.
"""

from __future__ import annotations

import io
import math
import pickle
from collections import OrderedDict
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray


class RefusedGlobalError(pickle.UnpicklingError):
    """The pickle asks for a name that is not needed to build arrays."""


class Dtype:
    """Stand-in for `numpy.dtype`: numbers only, never objects."""

    def __init__(self, code: str, *_: Any) -> None:
        self.value = np.dtype(str(code))
        if self.value.kind not in "fiub":
            raise pickle.UnpicklingError(f"array of dtype {code!r}, not of numbers")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.value = self.value.newbyteorder(state[1])


class Array:
    """Stand-in for `numpy.ndarray` while its state is still to come."""

    value: NDArray[Any]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, content = state
        # Protocol 2 written by Python 2 keeps bytes as text, one latin-1 character each.
        content = content.encode("latin1") if isinstance(content, str) else content
        self.value = _array(content, dtype, shape, "F" if fortran else "C")


def _array(content: Any, dtype: Any, shape: Any, order: str) -> NDArray[Any]:
    if not isinstance(dtype, Dtype) or not isinstance(content, bytes | bytearray):
        raise pickle.UnpicklingError("an array that does not hold plain numbers")
    if (
        not isinstance(shape, tuple)
        or len(shape) > 8
        or not all(isinstance(size, int) and size >= 0 for size in shape)
        or len(content) != math.prod(shape) * dtype.value.itemsize
    ):
        raise pickle.UnpicklingError(f"an array of shape {shape} with {len(content)} bytes of {dtype.value}")
    flat = np.frombuffer(content, dtype=dtype.value)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _reconstruct(*_: Any) -> Array:
    return Array()


def _from_buffer(content: Any, dtype: Any, shape: Any, order: Any) -> Array:
    array = Array()
    array.value = _array(content, dtype, shape, str(order))
    return array


def _scalar(dtype: Any, content: Any) -> Array:
    content = content.encode("latin1") if isinstance(content, str) else content
    return _from_buffer(content, dtype, (), "C")


def _encode(text: str, encoding: str) -> bytes:
    """Stand-in for `_codecs.encode`: how Python 3 writes bytes into protocol 2."""
    if encoding != "latin1" or not isinstance(text, str):
        raise pickle.UnpicklingError(f"bytes encoded as {encoding!r}")
    return text.encode("latin1")


def _ndarray(*_: Any) -> NoReturn:
    raise pickle.UnpicklingError("numpy.ndarray called outside of an array's reconstruction")


STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "dtype"): Dtype,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): OrderedDict,
}
for _package in ("numpy.core", "numpy._core"):
    STAND_INS[f"{_package}.multiarray", "_reconstruct"] = _reconstruct
    STAND_INS[f"{_package}.multiarray", "scalar"] = _scalar
    STAND_INS[f"{_package}.numeric", "_frombuffer"] = _from_buffer


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in STAND_INS:
            raise RefusedGlobalError(f"{module}.{name}")
        return STAND_INS[module, name]


def load(content: bytes) -> object:
    """What the pickle `content` holds: containers, texts, numbers, and `Array` where an array was.

    Raises RefusedGlobalError with the first foreign name; a damaged file raises UnpicklingError or nearly anything.
    """
    return _Unpickler(io.BytesIO(content), encoding="latin1").load()
