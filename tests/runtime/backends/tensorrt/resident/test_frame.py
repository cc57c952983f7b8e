"""Where the bytes of a frame in GPU memory are said to lie: read there, they are the frame's."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.backends.tensorrt.dlpack import CUDA
from stc.runtime.backends.tensorrt.readers import LEGACY
from stc.runtime.backends.tensorrt.resident.frame import DeviceFrame, Placed, Plane, on_device, place
from stc.runtime.frames.yuv import YuvFrame

RNG = np.random.default_rng(7)


class OnGpu:
    """An array, NumPy's or PyTorch's, that says it is in the memory of a GPU."""

    def __init__(self, values: Any) -> None:
        self.values, self.stream = values, None

    def __dlpack_device__(self) -> tuple[int, int]:
        return CUDA, 0

    def __dlpack__(self, stream: int | None = None) -> Any:
        self.stream = stream
        return self.values.__dlpack__()


class WithInterface:
    """The same through the CUDA array interface."""

    def __init__(self, values: NDArray[Any], **changes: Any) -> None:
        self.values = values
        known = values.__array_interface__
        self.__cuda_array_interface__ = {
            **{name: known[name] for name in ("shape", "typestr", "data", "strides")},
            "version": 3,
            **changes,
        }


def read(placed: Placed, plane: Plane, channels: int) -> NDArray[np.uint8]:
    """The bytes that a kernel would read: (H, W, channels)."""
    height, width = placed.size if plane is placed.planes[0] else tuple((side + 1) // 2 for side in placed.size)
    where = [
        plane.address + y * plane.row + x * plane.pixel + c * (plane.channel if placed.colours is None else 1)
        for y in range(height)
        for x in range(width)
        for c in range(channels)
    ]
    values = [ctypes.c_uint8.from_address(address).value for address in where]
    return np.array(values, np.uint8).reshape(height, width, channels)


def placed(frame: Any) -> Placed:
    return place(frame, stream=77, gpu=0, gpu_of=lambda address: 0)


def views(shape: tuple[int, ...]) -> dict[str, NDArray[np.uint8]]:
    """Arrays of one shape that lie in memory in different ways."""
    room = RNG.integers(0, 256, (2 * shape[0] + 3, shape[1] + 5, *shape[2:]), np.uint8)
    return {
        "contiguous": RNG.integers(0, 256, shape, np.uint8),
        "every other row": room[: 2 * shape[0] : 2, : shape[1]],
        "a part": room[3 : 3 + shape[0], 2 : 2 + shape[1]],
    }


BGR_OF = {"bgr": [0, 1, 2], "rgb": [2, 1, 0], "bgra": [0, 1, 2], "rgba": [2, 1, 0], "gray": [0, 0, 0]}


@pytest.mark.parametrize("speaker", [OnGpu, WithInterface])
@pytest.mark.parametrize("layout", BGR_OF)
@pytest.mark.parametrize("size", [(7, 5), (1, 1)])
def test_pixels_are_read_as_blue_green_red_whatever_their_layout_and_strides(
    size: tuple[int, int], layout: str, speaker: Any
) -> None:
    channels = {"bgra": 4, "rgba": 4, "gray": 1}.get(layout, 3)
    shapes = [(*size, channels)] + ([size] if layout == "gray" else [])
    for shape in shapes:
        for name, values in views(shape).items():
            found = placed(DeviceFrame(speaker(values), layout))
            assert found.size == size and found.colours is None
            expected = values.reshape(*size, channels)[..., BGR_OF[layout]]
            np.testing.assert_array_equal(read(found, found.planes[0], 3), expected, err_msg=name)


def test_three_channels_of_four_and_a_grey_picture_in_one_of_three_are_read_without_a_copy() -> None:
    values = RNG.integers(0, 256, (4, 6, 4), np.uint8)
    found = placed(OnGpu(values[..., :3]))
    np.testing.assert_array_equal(read(found, found.planes[0], 3), values[..., :3])
    found = placed(DeviceFrame(OnGpu(values[..., 2]), "gray"))
    np.testing.assert_array_equal(read(found, found.planes[0], 3), values[..., [2, 2, 2]])


@pytest.mark.parametrize("size", [(6, 8), (7, 5), (1, 1)])
def test_planes_of_nv12_are_those_of_the_same_frame_on_the_host(size: tuple[int, int]) -> None:
    half = tuple((side + 1) // 2 for side in size)
    for luma, chroma in zip(views(size).values(), views((*half, 2)).values(), strict=True):
        host = YuvFrame(luma, chroma[..., 0], chroma[..., 1], matrix="bt709")
        side_by_side = np.ascontiguousarray(chroma).reshape(half[0], -1)
        for given in (chroma, side_by_side):
            found = placed(DeviceFrame(OnGpu(luma), "nv12", WithInterface(given), matrix="bt709"))
            assert found.size == host.size and found.colours == host.colours
            np.testing.assert_array_equal(read(found, found.planes[0], 1)[..., 0], host.y)
            np.testing.assert_array_equal(read(found, found.planes[1], 2), np.stack((host.u, host.v), axis=-1))


def test_a_surface_of_nv12_is_luma_above_chroma() -> None:
    surface = RNG.integers(0, 256, (9, 16), np.uint8)[:, :8]
    found = placed(DeviceFrame(OnGpu(surface), "nv12"))
    assert found.size == (6, 8)
    np.testing.assert_array_equal(read(found, found.planes[0], 1)[..., 0], surface[:6])
    np.testing.assert_array_equal(read(found, found.planes[1], 2).reshape(3, 8), surface[6:])


@pytest.mark.parametrize("said", [{"stream": 5}, {"stream": 2}, {"stream": None}, {"version": 2}])
def test_who_says_where_it_writes_is_waited_for_there_and_who_does_not_on_the_default_stream(
    said: dict[str, Any],
) -> None:
    values = np.zeros((2, 2, 3), np.uint8)
    assert placed(WithInterface(values, **said)).streams == {said.get("stream") or LEGACY}
    source = OnGpu(values)
    assert placed(source).streams == set() and source.stream == 77  # its producer has made our stream wait


def test_the_arrays_live_as_long_as_the_frame_and_may_be_read_only() -> None:
    values = np.zeros((2, 2, 3), np.uint8)
    values.flags.writeable = False
    given = WithInterface(values, data=(values.ctypes.data, True))
    assert placed(given).owner[0].owner is given


def test_one_row_that_stands_for_all_is_read_as_such() -> None:
    """A picture that a library has broadcast; nothing of it is written."""
    values = np.broadcast_to(RNG.integers(0, 256, (1, 5, 3), np.uint8), (4, 5, 3))
    found = placed(WithInterface(values))
    np.testing.assert_array_equal(read(found, found.planes[0], 3), values)


class UnaskedVersion(OnGpu):
    """Gives DLPack 1.0's capsule to one that has not asked for it."""

    def __dlpack__(self, stream: int | None = None) -> Any:
        return self.values.__dlpack__(max_version=(1, 0))


def frame_with(**changes: Any) -> WithInterface:
    return WithInterface(np.zeros((4, 4, 3), np.uint8), **changes)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (OnGpu(np.zeros((4, 4, 3), np.float32)), r"must be uint8 \(H, W, 3\); got float32 \(4, 4, 3\)"),
        (OnGpu(np.zeros((4, 4, 3), np.int8)), "got int8"),
        (OnGpu(np.zeros((4, 4), np.uint8)), r"layout 'bgr' must be uint8 \(H, W, 3\); got \(4, 4\)"),
        (OnGpu(np.zeros((1, 4, 4, 3), np.uint8)), r"got uint8 \(1, 4, 4, 3\)"),
        (OnGpu(np.zeros((3, 4, 5), np.uint8)), r"channels come last: array.permute\(1, 2, 0\)"),
        (DeviceFrame(OnGpu(np.zeros((4, 4, 3), np.uint8)), "rgba"), r"layout 'rgba' must be uint8 \(H, W, 4\)"),
        (OnGpu(np.zeros((0, 4, 3), np.uint8)), "at least one pixel"),
        (frame_with(data=(0, False)), "at address 0"),
        (frame_with(strides=(-12, 3, 1)), "negative strides"),
        (frame_with(strides=(12, 0, 1)), "at most 4 bytes apart"),
        (frame_with(strides=(12, 3, 0)), "must lie side by side"),
        (frame_with(strides=(12, 3)), "one for each axis"),
        (UnaskedVersion(np.zeros((4, 4, 3), np.uint8)), "DLPack"),
        (frame_with(mask=object()), "with a mask"),
        (OnGpu(np.zeros((3, 4, 4), np.uint8).transpose(1, 2, 0)), "must lie side by side.*array.contiguous"),
        (OnGpu(np.zeros((4, 8, 3), np.uint8)[:, ::2]), "at most 4 bytes apart"),
        (OnGpu(np.zeros((4, 4, 6), np.uint8)[..., ::2]), "must lie side by side"),
        (DeviceFrame(OnGpu(np.zeros((6, 8), np.uint8)[:, ::2]), "nv12"), "luma of NV12 .* side by side"),
        (torch.zeros((4, 4, 3), dtype=torch.uint8), "in CPU memory"),
        (DeviceFrame(OnGpu(np.zeros((4, 4, 3), np.uint8)), "nv12"), r"luma of NV12 must be uint8 \(H, W\)"),
        (DeviceFrame(OnGpu(np.zeros((10, 4), np.uint8)), "nv12"), "3 H / 2 rows"),
        (
            DeviceFrame(OnGpu(np.zeros((4, 4), np.uint8)), "nv12", OnGpu(np.zeros((2, 3), np.uint8))),
            r"chroma of NV12 \(4, 4\) must be uint8 \(2, 2, 2\); got \(2, 3\)",
        ),
        (DeviceFrame([[1]]), "not an array: list"),
    ],
)
def test_what_is_no_frame_on_the_gpu_is_an_input_error(frame: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        placed(frame)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("yuyv",), "unknown layout 'yuyv'; known: bgr, rgb"),
        (("nv12", None, "bt2020"), "unknown colour matrix 'bt2020'"),
        (("bgr", object()), "chroma belongs to layout 'nv12'"),
    ],
)
def test_what_a_frame_cannot_be_is_said_when_it_is_made(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DeviceFrame(object(), *arguments)


def test_a_frame_that_is_not_whole_in_the_engines_gpus_memory_is_refused() -> None:
    values = np.zeros((4, 4, 3), np.uint8)
    begin, end = values.ctypes.data, values.ctypes.data + values.nbytes

    def inside(gpu: int) -> Any:
        return lambda address: gpu if begin <= address < end else None

    assert place(WithInterface(values), 77, 0, inside(0)).size == (4, 4)
    with pytest.raises(InputError, match="or not whole, in GPU memory"):
        place(WithInterface(values, strides=(13, 3, 1)), 77, 0, inside(0))
    with pytest.raises(InputError, match="or not whole, in GPU memory"):
        place(WithInterface(np.zeros((4, 4, 3), np.uint8)), 77, 0, inside(0))
    with pytest.raises(InputError, match="in the memory of cuda:1, while the engine runs on cuda:0"):
        place(WithInterface(values), 77, 0, inside(1))


def test_frames_of_the_host_are_told_from_those_on_a_gpu() -> None:
    values = np.zeros((4, 4, 3), np.uint8)
    planes = np.zeros((2, 2), np.uint8)
    assert on_device(OnGpu(values)) and on_device(WithInterface(values)) and on_device(DeviceFrame(values))
    assert not any(map(on_device, (values, YuvFrame(values[..., 0], planes, planes), None, SimpleNamespace(shape=1))))
