"""Arrays across libraries without a copy. DLPack says where memory is, so host memory can play the GPU's part."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from stc.errors import InputError
from stc.runtime.backends.tensorrt.device_array import DeviceArray, wrap
from stc.runtime.backends.tensorrt.dlpack import CPU, CUDA
from stc.runtime.backends.tensorrt.readers import LEGACY, PER_THREAD, UNSYNCHRONISED, Readers

VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def host_array(values: np.ndarray = VALUES) -> DeviceArray:
    return DeviceArray(values.ctypes.data, values.shape, values.dtype, owner=values, device=(CPU, 0))


def with_interface(**interface: Any) -> SimpleNamespace:
    return SimpleNamespace(__cuda_array_interface__=interface)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "int64", "uint8"])
@pytest.mark.parametrize("reader", [np.from_dlpack, torch.from_dlpack])
def test_others_read_our_memory_through_dlpack(dtype: str, reader: Any) -> None:
    values = VALUES.astype(dtype)
    read = reader(host_array(values))
    np.testing.assert_array_equal(np.asarray(read), values)
    assert str(read.dtype).removeprefix("torch.") == dtype
    assert np.asarray(read).ctypes.data == values.ctypes.data


@pytest.mark.slow
def test_exported_memory_lives_as_long_as_its_readers_and_no_longer() -> None:
    values = VALUES.copy()
    memory = weakref.ref(values)
    read = torch.from_dlpack(host_array(values))
    del values
    gc.collect()
    assert read[1, 2, 3] == 23 and memory() is not None
    del read
    gc.collect()
    assert memory() is None
    values = VALUES.copy()
    memory = weakref.ref(values)
    capsule = host_array(values).__dlpack__()
    del values
    gc.collect()
    assert memory() is not None
    del capsule  # that nobody consumed
    gc.collect()
    assert memory() is None


def test_a_copy_or_another_device_is_a_buffer_error() -> None:
    for options in ({"copy": True}, {"dl_device": (CUDA, 0)}):
        with pytest.raises(BufferError):
            host_array().__dlpack__(**options)


class OnGpu:
    """Host memory that says it is on a GPU."""

    def __init__(self, values: Any, device: tuple[int, int] = (CUDA, 1)) -> None:
        self.values, self.device, self.stream = values, device, None

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, stream: int | None = None) -> Any:
        self.stream = stream
        return self.values.__dlpack__()


@pytest.mark.parametrize(
    "values", [VALUES, VALUES.astype(np.float16), torch.arange(6, dtype=torch.uint8).reshape(1, 2, 3), VALUES[1:]]
)
def test_we_read_others_memory_through_dlpack(values: Any) -> None:
    source = OnGpu(values)
    found = wrap(source, stream=77)
    assert source.stream == 77  # so that the producer makes our stream wait
    assert found.shape == tuple(values.shape) and found.device == (CUDA, 1)
    assert str(found.dtype) == str(values.dtype).removeprefix("torch.")
    assert found.pointer == (values.data_ptr() if isinstance(values, torch.Tensor) else values.ctypes.data)


def test_of_an_array_that_speaks_both_dlpack_is_asked() -> None:
    """Whose interface says neither where it is written nor on which GPU, as PyTorch's (version 2)."""
    source = OnGpu(VALUES)
    source.__cuda_array_interface__ = {"shape": (1,), "typestr": "<f4", "data": (4096, False), "version": 2}
    found = wrap(source, stream=77)
    assert source.stream == 77 and found.pointer == VALUES.ctypes.data and found.stream is None


@pytest.mark.parametrize("said", [{}, {"version": 2}, {"version": 3}, {"version": 3, "stream": None}, {"stream": 0}])
def test_who_does_not_say_where_writes_on_the_legacy_default_stream(said: dict[str, Any]) -> None:
    interface = {"shape": (1,), "typestr": "<f4", "data": (4096, False), **said}
    assert wrap(SimpleNamespace(__cuda_array_interface__=interface), stream=77).stream == LEGACY


@pytest.mark.parametrize(
    ("stream", "told"),
    [(None, {LEGACY}), (0, {LEGACY}), (1, {LEGACY}), (PER_THREAD, {LEGACY}), (77, {77}), (UNSYNCHRONISED, set())],
)
def test_a_reader_is_known_by_the_stream_that_it_gives(stream: int | None, told: set[int]) -> None:
    readers = Readers()
    array = DeviceArray(VALUES.ctypes.data, VALUES.shape, VALUES.dtype, owner=VALUES, readers=readers)
    array.__dlpack__(stream=stream)
    assert readers.take() == told and readers.take() == set()
    assert array.__cuda_array_interface__["stream"] is None and readers.take() == {LEGACY}


def test_what_is_no_stream_and_what_cannot_be_moved_is_refused_without_a_reader() -> None:
    readers = Readers()
    array = DeviceArray(VALUES.ctypes.data, VALUES.shape, VALUES.dtype, owner=VALUES, readers=readers)
    for options in ({"stream": -2}, {"copy": True}, {"dl_device": (CUDA, 1)}):
        with pytest.raises(BufferError):
            array.__dlpack__(**options)
    assert readers.take() == set()


class Refuses(OnGpu):
    def __dlpack__(self, stream: int | None = None) -> Any:
        raise BufferError("Can't export tensors that require gradient")


def test_we_read_others_memory_through_the_cuda_array_interface() -> None:
    interface = {
        "shape": (2, 3, 4),
        "typestr": "<f4",
        "data": (4096, False),
        "strides": (48, 16, 4),
        "version": 3,
        "stream": 2,
    }
    found = wrap(SimpleNamespace(__cuda_array_interface__=interface), stream=77)
    assert (found.pointer, found.shape, found.dtype, found.stream) == (4096, (2, 3, 4), np.dtype("float32"), 2)
    assert found.nbytes == 96
    again = wrap(found, stream=77)
    assert again is found
    assert found.__cuda_array_interface__["data"] == (4096, False)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (OnGpu(VALUES[:, ::2]), "not contiguous"),
        (OnGpu(VALUES.transpose(2, 0, 1)), "not contiguous"),
        (OnGpu(VALUES, device=(CPU, 0)), "in CPU memory"),
        (torch.zeros(3), "in CPU memory"),
        (OnGpu(torch.zeros(3, dtype=torch.bfloat16)), "has no NumPy type"),
        (Refuses(VALUES), "a Refuses: DLPack cannot use it .*require gradient"),
        (with_interface(shape=(2,), typestr="x9", data=(4096, False)), "the CUDA array interface cannot use it"),
        (with_interface(shape=(2,)), "the CUDA array interface cannot use it"),
        (with_interface(shape=(2,), typestr="<f4", data=(4096, False), mask=object()), "with a mask"),
        ([1, 2], "not an array: list"),
    ],
)
def test_what_cannot_be_shared_is_an_input_error(array: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        wrap(array, stream=0)


def test_one_row_is_contiguous_whatever_its_stride() -> None:
    assert wrap(OnGpu(np.zeros((4, 3), np.float32)[::4]), stream=0).shape == (1, 3)
