"""DLPack's capsules by ctypes: memory that another library reads, and memory that it lends."""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

import numpy as np

from stc.errors import InputError

CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13  # DLPack's device types
_KINDS = {"i": 0, "u": 1, "f": 2}  # NumPy's kind -> DLPack's type code


class _Tensor(ctypes.Structure):
    """DLPack's DLTensor."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    """DLPack's DLManagedTensor."""


_Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Managed))
_Managed._fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter))
_Destructor = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
_NAME, _USED = b"dltensor", b"used_dltensor"

_api = ctypes.pythonapi
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(("PyCapsule_New", _api))
_pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", _api))
_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_SetName", _api))
# For a capsule that is being destroyed, which must not become a Python object again.
_dying_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", _api))
_dying_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_GetPointer", _api))

_exported: dict[int, tuple[Any, ...]] = {}  # what consumers still use, by the tensor's context
_numbers = itertools.count(1)


def _release(managed: Any) -> None:
    _exported.pop(managed.contents.context or 0, None)


def _release_unused(capsule: int) -> None:
    """A capsule that nobody consumed."""
    if _dying_valid(capsule, _NAME):
        _release(ctypes.cast(_dying_pointer(capsule, _NAME), ctypes.POINTER(_Managed)))


_delete, _destroy = _Deleter(_release), _Destructor(_release_unused)


def lend(pointer: int, shape: tuple[int, ...], dtype: np.dtype[Any], device: tuple[int, int], owner: object) -> Any:
    """A capsule "dltensor" of a contiguous array. `owner` lives as long as a consumer uses it."""
    number = next(_numbers)
    sizes = (ctypes.c_int64 * len(shape))(*shape)
    tensor = _Tensor(
        pointer,
        *device,
        len(shape),
        _KINDS[dtype.kind],
        dtype.itemsize * 8,
        1,
        ctypes.cast(sizes, ctypes.POINTER(ctypes.c_int64)),
        None,
        0,
    )
    managed = _Managed(tensor, number, _delete)
    _exported[number] = (managed, sizes, owner)
    return _new(ctypes.addressof(managed), _NAME, ctypes.cast(_destroy, ctypes.c_void_p))


class Borrowed:
    """A consumed tensor; gives it back to its producer when it is no longer used.

    `strides` are in elements; None: contiguous.
    """

    def __init__(self, capsule: Any) -> None:
        """Raises InputError for a type that NumPy does not have; ValueError for what is no unused capsule."""
        self._managed = ctypes.cast(_pointer_of(capsule, _NAME), ctypes.POINTER(_Managed))
        _rename(capsule, _USED)
        tensor = self._managed.contents.tensor
        self.pointer = (tensor.data or 0) + tensor.byte_offset
        self.shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
        self.strides = tuple(tensor.strides[axis] for axis in range(tensor.ndim)) if tensor.strides else None
        kind = next((kind for kind, code in _KINDS.items() if code == tensor.code), None)
        if kind is None or tensor.lanes != 1:
            raise InputError(
                f"an array of DLPack type ({tensor.code}, {tensor.bits}, {tensor.lanes}) has no NumPy type"
            )
        self.dtype: np.dtype[Any] = np.dtype(f"{kind}{tensor.bits // 8}")

    def __del__(self) -> None:
        if (managed := getattr(self, "_managed", None)) and (deleter := managed.contents.deleter):
            deleter(managed)
