"""The kernels that keep a frame on the device as compiled PTX, executed on the CPU with the library's own launches:
what comes out, what is touched, and whether a fault in their source shows.
"""

from __future__ import annotations

import ctypes
import shutil
from pathlib import Path

import numpy as np
import pytest

from stc.runtime.native import cuda_interface
from stc.runtime.native.library import Library, find
from tests.plugins import toolchain
from tests.plugins.frame_cases import FrameResize
from tests.plugins.object_cases import ObjectCase
from tests.plugins.ptx import instructions
from tests.plugins.ptx.executor import Executor
from tests.plugins.ptx.recorded import Device
from tests.plugins.ptx.source import OLDEST, compile_ptx
from tests.plugins.ptx.test_source_faults import Fault

pytestmark = pytest.mark.slow
RESIZE, OBJECTS = "resident/resize.cu", "resident/objects.cu"


def device(source: str, factory: pytest.TempPathFactory, plugins: Path = toolchain.PLUGINS, only: str = "") -> Device:
    folder = factory.mktemp("resident")
    (folder / "resident").mkdir()
    library = ctypes.CDLL(str(toolchain.emulated(factory)))
    assert cuda_interface.mismatch(library) is None
    return Device(library, Executor(compile_ptx(source, folder, plugins=plugins), folder, only))


@pytest.fixture(scope="module")
def resize(tmp_path_factory: pytest.TempPathFactory) -> Device:
    return device(RESIZE, tmp_path_factory)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Device:
    return device(OBJECTS, tmp_path_factory)


def resized(device: Device, case: FrameResize) -> list[str]:
    """What is wrong."""
    library = find()
    assert isinstance(library, Library)
    function = getattr(device.library, f"stc_cuda_{case.function}")
    op = case.op()
    (run,) = device.run(lambda: int(function(ctypes.byref(op), None)), case.inputs, [case.slot])
    return [*run.faults, *(["pixels differ"] if (case.slot != case.expected(library)).any() else [])]


def measured(device: Device, case: ObjectCase) -> list[str]:
    """What is wrong."""
    for name, arguments in case.calls():
        function = getattr(device.library, f"stc_cuda_{name}")
        runs = device.run(lambda f=function, a=arguments: int(f(*a, None)), case.inputs, case.outputs)
        if faults := [fault for run in runs for fault in run.faults]:
            return faults
    return case.wrong(case.masks.expected())


FRAMES = [
    *(("bgr", "area", (40, 300), (9, 130), (12, 140), 4, 0), ("rgb", "linear", (13, 37), (17, 29), (17, 29), 0, 1)),
    *(("rgba", "area", (21, 33), (5, 7), (6, 9), 0, 0), ("gray", "area", (9, 9), (12, 4), (12, 4), 3, 0)),
    *(("nv12", "area", (31, 301), (7, 131), (8, 132), 1, 0), ("nv12", "linear", (8, 16), (8, 16), (9, 20), 0, 1)),
]  # fmt: skip


@pytest.mark.parametrize("frame", FRAMES)
def test_a_frame_is_resized_and_nothing_else_is_touched(resize: Device, frame: tuple) -> None:  # type: ignore[type-arg]
    *fixed, gap, shift = frame
    assert resized(resize, FrameResize.random(np.random.default_rng(3), *fixed, gap=gap, shift=shift)) == []


OBJECTS_OF = [
    ("f16", 3, (11, 20), (45, 301), None),
    ("f32", 2, (5, 3), (70, 40), None),
    ("f16", 3, (6, 7), (33, 64), 40),
]


@pytest.mark.parametrize(("storage", "most", "cells", "frame", "room"), OBJECTS_OF)
def test_objects_are_right_and_nothing_else_is_touched(
    objects: Device, storage: str, most: int, cells: tuple[int, int], frame: tuple[int, int], room: int | None
) -> None:
    case = ObjectCase.random(np.random.default_rng(5), storage, most, cells, frame, count=most, room=room)
    assert measured(objects, case) == []


def test_executes_and_moves_as_much_as_recorded(resize: Device, objects: Device) -> None:
    for device, (name, (_, of)) in zip((resize, objects), instructions.RESIDENT.items(), strict=True):
        device.count = True
        figures = of(device)
        device.count = False
        instructions.compare(instructions.title(name, OLDEST), figures)


def test_the_budgets_of_memory_hold_in_what_is_recorded() -> None:
    """Which the test before compares with what is executed here. A resize moves at most 1.3 times what source and
    target have; masks as bits within boxes take a quarter of the transactions of those without.
    """
    for compiled in instructions.recorded().values():
        figures = {name: compiled[instructions.title(name, OLDEST)] for name in instructions.RESIDENT}
        assert not any(map(instructions.missed, figures.values()))
        lines = "\n".join(line for found in figures.values() for line in instructions.table(found))
        assert lines.count("pass") == 2 + len(figures["resident resize"]) // 2 and "FAIL" not in lines
    over = {f"nv12{instructions.ONCE}": 1.31, "words, f16, transactions": 0.115, "nv12": 900.0}
    assert instructions.missed(over) == list(over)[:2]


RESIZE_FILE, TILE_FILE, BITS_FILE = (f"cuda/resident/{name}.cuh" for name in ("resize", "tile", "box_bits"))
BARRIER, LAST = "    __syncthreads();\n", "    const int line"
FAULTS = {
    "no barrier before weights are read": Fault(RESIZE_FILE, "__syncthreads();", "", 1),
    "no barrier before rows are read": Fault(RESIZE_FILE, "__syncthreads();", "", 2),
    "a weight of the next row": Fault(TILE_FILE, "+ tap) * kTileRows", "+ tap + 1) * kTileRows"),
    "a plane read beyond its end": Fault(RESIZE_FILE, "if (i < count) bytes", "bytes"),
    "words read beyond a plane's ends": Fault(RESIZE_FILE, "at >= off && at - off + 2 * kVector <= s.bytes", "true"),
    "a vote without the warp's last lane": Fault(BITS_FILE, "0xffffffffu", "0x7fffffffu"),
    "an offset one object on": Fault(BITS_FILE, "words + offsets[object] +", "words + offsets[object + 1] +"),
    "no barrier before words go out": Fault(BITS_FILE, BARRIER + LAST, LAST),
}  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_in_the_source_is_found(
    what: str, resize: Device, objects: Device, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """And without it nothing is."""
    for folder in ("cuda", "include"):
        shutil.copytree(toolchain.PLUGINS / folder, tmp_path / folder)
    FAULTS[what].plant(tmp_path)
    in_resize = FAULTS[what].file != BITS_FILE
    # Of resizing one kernel is enough to compile.
    source, only = (RESIZE, "13resize_kernel") if in_resize else (OBJECTS, "")
    broken = device(source, tmp_path_factory, tmp_path, only)
    assert wrong_with(broken, in_resize) and not wrong_with(resize if in_resize else objects, in_resize)


def wrong_with(device: Device, in_resize: bool) -> list[str]:
    if in_resize:
        sizes = (13, 37), (5, 11), (6, 12)
        return resized(device, FrameResize.random(np.random.default_rng(3), "bgr", "area", *sizes, shift=1))
    case = ObjectCase.random(np.random.default_rng(5), "f32", 2, (9, 9), (40, 50), count=2)
    case.masks.probabilities[...] = 1
    case.scores[...] = 1
    case.labels[...] = 0
    return measured(device, case)
