"""Arrays in GPU memory, in and out without a copy: DLPack and the CUDA array interface.

PyTorch, CuPy, Numba and pycuda speak one or both, so none of them is needed here. Of those who speak both DLPack is
asked: there the producer makes our stream wait for its own, while PyTorch's interface (version 2) names no stream.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from stc.boundary import foreign
from stc.errors import InputError, ProcessBoundError
from stc.runtime.backends.tensorrt.readers import LEGACY, Readers

CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13  # DLPack's device types
_FIX = "give a contiguous uint8 array in GPU memory"
_KINDS = {"i": 0, "u": 1, "f": 2}  # NumPy's kind -> DLPack's type code


@dataclass(frozen=True, eq=False)
class DeviceArray:
    """A contiguous array at `pointer`. It owns nothing: `owner` keeps the memory alive as long as the array lives.

    `device` is DLPack's (type, index). `stream` is where the content is still being written, as the CUDA array
    interface numbers streams; None: it is complete. `readers` is told on which streams others read it.

    An output of a session is valid until the session's next call or its `close()`, and what readers have put on their
    streams by then still finds it: the call waits for them. Copy what must live longer.
    """

    pointer: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    owner: object = None
    device: tuple[int, int] = (CUDA, 0)
    stream: int | None = None
    readers: Readers | None = None

    def __reduce__(self) -> NoReturn:
        raise ProcessBoundError(
            "a DeviceArray is memory of a GPU in this process; pass on a copy in the CPU's: Session.infer() gives one"
        )

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Version 3. Whoever asks does not say where it reads, so that counts as the legacy default stream, which waits
        for every stream but those made non-blocking (PyTorch's side streams are): they need `__dlpack__`.
        """
        self._read_on(LEGACY)
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.pointer, False),
            "strides": None,
            "version": 3,
            "stream": self.stream,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, stream: int | None = None, **options: Any) -> Any:
        """A capsule "dltensor". The content is complete, so the consumer's `stream` has nothing to wait for.

        stream: where the consumer reads, as DLPack numbers streams; None: the legacy default stream; -1: the consumer
        synchronises by itself. It must live until the session's next call, which waits for what is on it by then.

        Raises BufferError when a copy or another device is asked for, or for another negative stream.
        """
        if stream is not None and stream < -1:
            raise BufferError(f"{stream} is no stream")
        if options.get("copy") or options.get("dl_device") not in {None, self.device}:
            raise BufferError("a DeviceArray shares its memory; it is never copied or moved")
        self._read_on(LEGACY if stream is None else stream)
        return _capsule(self)

    def _read_on(self, stream: int) -> None:
        if self.readers is not None:
            self.readers.add(stream)


def wrap(array: Any, stream: int) -> DeviceArray:
    """Another library's GPU array as a `DeviceArray`, without a copy, to be read on the CUDA stream `stream`.

    Raises InputError when it is no array in GPU memory or not contiguous, or cannot be shared.
    """
    if isinstance(array, DeviceArray):
        return array
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


def _from_interface(array: Any, interface: dict[str, Any]) -> DeviceArray:
    """What does not say where it is being written (before version 3, or None there) counts as written on the legacy
    default stream, which waits for every stream but those made non-blocking.
    """
    if interface.get("mask") is not None:
        raise InputError("an array with a mask, which an engine cannot take")
    shape, dtype = tuple(int(size) for size in interface["shape"]), np.dtype(interface["typestr"])
    _check_contiguous(shape, interface.get("strides"), dtype.itemsize)
    pointer = int(interface["data"][0] or 0)
    return DeviceArray(pointer, shape, dtype, owner=array, stream=int(interface.get("stream") or LEGACY))


def _check_contiguous(shape: tuple[int, ...], strides: tuple[int, ...] | None, unit: int) -> None:
    """`strides` in multiples of `unit`; the stride of an axis of length 1 does not matter."""
    if strides is None or 0 in shape:
        return
    expected = [unit * math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    if any(size > 1 and found != want for size, found, want in zip(shape, strides, expected, strict=True)):
        raise InputError(f"an array {shape} with strides {tuple(strides)} is not contiguous; make it contiguous first")


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


def _capsule(array: DeviceArray) -> Any:
    number = next(_numbers)
    shape = (ctypes.c_int64 * len(array.shape))(*array.shape)
    tensor = _Tensor(
        array.pointer,
        *array.device,
        len(array.shape),
        _KINDS[array.dtype.kind],
        array.dtype.itemsize * 8,
        1,
        ctypes.cast(shape, ctypes.POINTER(ctypes.c_int64)),
        None,
        0,
    )
    managed = _Managed(tensor, number, _delete)
    _exported[number] = (managed, shape, array)
    return _new(ctypes.addressof(managed), _NAME, ctypes.cast(_destroy, ctypes.c_void_p))


class _Received:
    """A consumed tensor; gives it back to its producer when it is no longer used."""

    def __init__(self, managed: Any) -> None:
        self._managed = managed

    def __del__(self) -> None:
        if deleter := self._managed.contents.deleter:
            deleter(self._managed)


def _from_capsule(array: Any, capsule: Any, device: tuple[int, int]) -> DeviceArray:
    managed = ctypes.cast(_pointer_of(capsule, _NAME), ctypes.POINTER(_Managed))
    _rename(capsule, _USED)
    received = _Received(managed)
    tensor = managed.contents.tensor
    shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
    strides = tuple(tensor.strides[axis] for axis in range(tensor.ndim)) if tensor.strides else None
    _check_contiguous(shape, strides, 1)
    kind = next((kind for kind, code in _KINDS.items() if code == tensor.code), None)
    if kind is None or tensor.lanes != 1:
        raise InputError(f"an array of DLPack type ({tensor.code}, {tensor.bits}, {tensor.lanes}) has no NumPy type")
    dtype = np.dtype(f"{kind}{tensor.bits // 8}")
    return DeviceArray((tensor.data or 0) + tensor.byte_offset, shape, dtype, owner=(array, received), device=device)
