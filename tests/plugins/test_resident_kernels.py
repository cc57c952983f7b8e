"""The kernels that keep a frame on the device, on the host and behind their C interface: the CPU library's bytes, and a
plain statement of what is kept, where and how large.
"""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stc.runtime.native import cuda_interface
from stc.runtime.native.library import Library, find
from tests.plugins import toolchain
from tests.plugins.frame_cases import LAYOUTS, FrameResize
from tests.plugins.object_cases import ObjectCase

pytestmark = pytest.mark.slow
REFUSED = 1  # cudaErrorInvalidValue


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    handle = ctypes.CDLL(str(toolchain.emulated(tmp_path_factory)))
    assert cuda_interface.mismatch(handle) is None
    return handle


@pytest.fixture(scope="module")
def library() -> Library:
    found = find()
    assert isinstance(found, Library), found
    return found


@st.composite
def frames(draw: st.DrawFn) -> FrameResize:
    resized = draw(st.integers(1, 40)), draw(st.integers(1, 140))
    size = draw(st.integers(1, 130)), draw(st.integers(1, min(100 * resized[1], 700)))
    return FrameResize.random(
        np.random.default_rng(draw(st.integers(0, 2**32 - 1))),
        draw(st.sampled_from([*LAYOUTS, "nv12"])),
        draw(st.sampled_from(["area", "linear"])),
        size,
        resized,
        (resized[0] + draw(st.integers(0, 9)), resized[1] + draw(st.integers(0, 40))),
        gap=draw(st.integers(0, 9)),
        shift=draw(st.sampled_from([0, 0, 1, 4])),
    )


@given(frames())
@settings(max_examples=100, deadline=None)
def test_a_frame_is_resized_to_the_bytes_of_the_cpu_library(
    device: ctypes.CDLL, library: Library, case: FrameResize
) -> None:
    """Every layout, rule, size, stride and border; source and target aligned or not."""
    assert getattr(device, f"stc_cuda_{case.function}")(ctypes.byref(case.op()), None) == 0
    np.testing.assert_array_equal(case.slot, case.expected(library))


@st.composite
def objects(draw: st.DrawFn) -> ObjectCase:
    return ObjectCase.random(
        np.random.default_rng(draw(st.integers(0, 2**32 - 1))),
        draw(st.sampled_from(["f32", "f16"])),
        draw(st.sampled_from([0, 1, 2, 7])),
        (draw(st.integers(1, 20)), draw(st.integers(1, 20))),
        (draw(st.integers(1, 90)), draw(st.integers(1, 300))),
        room=draw(st.sampled_from([None, None, None, 0, 150])),
        stride=draw(st.sampled_from([4, 8])),
    )


@given(objects())
@settings(max_examples=40, deadline=None)
def test_objects_are_chosen_measured_and_packed(device: ctypes.CDLL, case: ObjectCase) -> None:
    """Any count, scores and labels that are none, masks of nothing, of everything and beyond the frame's edges; too
    little room for their bits.
    """
    for name, arguments in case.calls():
        assert getattr(device, f"stc_cuda_{name}")(*arguments, None) == 0
    assert case.wrong(case.masks.expected()) == []


def test_more_objects_than_a_block_has_threads_are_counted_in_turns(device: ctypes.CDLL) -> None:
    case = ObjectCase.random(np.random.default_rng(1), "f16", 600, (1, 1), (1, 1), count=600)
    calls = dict(case.calls())
    assert device.stc_cuda_select(*calls["select"], None) == 0
    assert case.rows[: case.kept[0]].tolist() == case.chosen().tolist() and (case.rows[case.kept[0] :] == -1).all()
    case.found[...] = np.arange(600)[:, None] % 7 * np.array([0, 0, 40, 1])
    assert device.stc_cuda_box_offsets(*calls["box_offsets"], None) == 0
    x, y = case.found[:, 2].astype(np.int64), case.found[:, 3].astype(np.int64)
    assert case.offsets.tolist() == [0, *np.cumsum(-(-x // 32) * y).tolist()]


def test_what_no_kernel_can_do_is_refused_before_anything_is_read(device: ctypes.CDLL) -> None:
    def refused(layout: str = "bgr", **fields: object) -> bool:
        case = FrameResize.random(np.random.default_rng(0), layout, "area", (20, 30), (10, 15), (10, 15))
        op = case.op()
        for name, value in fields.items():
            setattr(op, name, value)
        status: int = getattr(device, f"stc_cuda_{case.function}")(ctypes.byref(op), None)
        assert status == REFUSED or not fields
        return status == REFUSED and bool((case.slot == 0xAA).all())

    assert not refused() and not refused("nv12")
    assert all(refused(**{name: value}) for name, value in [("pixel", 5), ("pixel", 2), ("channel", 2), ("source", 0)])
    assert refused(width=100 * 15 * 10) and refused(height=0) and refused("nv12", chroma=0)
    rows = cuda_interface.Rows(0, 0, 1)
    part = (cuda_interface.Part * 1)(cuda_interface.Part(0, 6, 0))
    assert device.stc_cuda_pack(part, 1, ctypes.byref(rows), 0, 0, 0, 0, None) == REFUSED
