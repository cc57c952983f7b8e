"""Instructions that the compiled kernels execute per pixel of their output: what shows a slower source without a GPU.

`python -m tests.plugins.ptx.instructions` records them for the nvcc on this machine in `instructions.json`;
`--resident` counts those of the resident kernels alone, and prints them beside their budgets.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from stc.runtime.mask_head_op import Attributes
from stc.runtime.native import cuda_interface
from tests.plugins import toolchain
from tests.plugins.frame_cases import FrameResize
from tests.plugins.kernel_cases import FRAME_FORMS, NETWORKS, STORAGE, FrameCase, HeadCase
from tests.plugins.object_cases import ObjectCase
from tests.plugins.ptx.executor import Executor
from tests.plugins.ptx.launches import run_embedded, run_frame_masks, run_library
from tests.plugins.ptx.recorded import Device
from tests.plugins.ptx.source import OLDEST, compile_ptx, release

FILE = Path(__file__).with_suffix(".json")
COMMAND = "python -m tests.plugins.ptx.instructions"
SECTOR = 32  # bytes
TOLERANCE = 0.05  # of a figure; smaller changes are the compiler's own
ONCE = ", bytes/once"  # ends the name of a resize's traffic: against source and target once
MOST_BYTES = 1.3  # of them
ODD = ", odd rows"  # which begin at no multiple of 8 bytes, but for the first
MOST_ODD_BYTES = 2.7  # of these every sector is asked for twice, and the ends of rows byte by byte
# Frames of which a strip becomes 16 rows of an input 448 wide: two tiles of rows, as many bytes a pixel as the whole.
STRIPS = {"180p": ((180, 480), (42, 112))} | {
    name: ((rows, width), (16, 448))
    for name, rows, width in (("720p", 45, 1280), ("1080p", 68, 1920), ("4K", 135, 3840))
}
FEWER = 4  # times: transactions of masks as bits within boxes, against those of the form without boxes
WHOLE_FRAME = 0.458  # transactions a pixel of that form, counted once, float16
Figures = dict[str, float]


def embedded(executor: Executor) -> Figures:
    """Of one instance at the demo model's size."""
    figures = {}
    for storage in STORAGE:
        case = HeadCase.random(np.random.default_rng(2), storage, (1, 1, 32, 56)).filled()
        figures[storage] = run_embedded(executor, case).instructions / case.masks.size
    return figures


def library(executor: Executor) -> Figures:
    """Of one instance; upsampling by 2 has kernels of its own, 3 stands for the others."""
    figures = {}
    for (channels, layers), upsample, storage in product(NETWORKS, (2, 3), STORAGE):
        head = Attributes(channels, layers, upsample=upsample)
        case = HeadCase.random(np.random.default_rng(2), storage, (1, 1, 16, 16), head).filled()
        name = f"{channels} channels, {layers} layers, upsample {upsample}, {storage}"
        figures[name] = run_library(executor, case).instructions / case.masks.size
    return figures


def frame_masks(executor: Executor) -> Figures:
    figures = {}
    for form, storage in product(FRAME_FORMS, STORAGE):
        case = FrameCase.random(np.random.default_rng(2), storage, (1, 16, 28), (90, 160))
        figures[f"{form}, {storage}"] = run_frame_masks(executor, case, form).instructions / case.pixels.size
    return figures


def resize(device: Device) -> Figures:
    """Instructions per pixel of the target; bytes of the sectors that warps touch, against source and target once."""
    figures = {}
    cases = [(*case, "") for case in product(STRIPS, ("bgr", "rgba", "gray", "nv12"), ("area", "linear"))]
    cases += [("720p", layout, "area", ODD) for layout in ("bgr", "nv12")]
    for name, layout, rule, odd in cases:
        size, target = STRIPS[name]
        case = FrameResize.random(np.random.default_rng(2), layout, rule, size, target, target, gap=int(odd == ODD))
        function, op = getattr(device.library, f"stc_cuda_{case.function}"), case.op()
        (run,) = device.run(partial(function, ctypes.byref(op), None), case.inputs, [case.slot])
        assert not run.faults, run.faults  # else the figures are those of a kernel that gave up
        once = sum(plane.size for plane in case.planes) + case.slot.size
        figures[f"{name}, {layout}, {rule}{odd}"] = run.instructions / (case.slot.size // 3)
        figures[f"{name}, {layout}, {rule}{odd}{ONCE}"] = SECTOR * run.transactions / once
    return figures


def box_bits(device: Device) -> Figures:
    """Of one mask as large as the frame, as in `frame_masks`: instructions, and transactions, per pixel."""
    figures = {}
    for storage in STORAGE:
        frame = FrameCase.random(np.random.default_rng(2), storage, (1, 16, 28), (90, 160))
        case = ObjectCase.random(np.random.default_rng(2), storage, 1, (16, 28), (90, 160), count=1)
        case = replace(case, masks=frame, threshold=0.0, labels=np.zeros_like(case.labels))
        for name, arguments in case.calls()[:4]:
            function = getattr(device.library, f"stc_cuda_{name}")
            runs = device.run(partial(function, *arguments, None), case.inputs, case.outputs)
            assert not runs[0].faults, runs[0].faults
        figures[f"words, {storage}"] = runs[0].instructions / frame.pixels[0].size
        figures[f"words, {storage}, transactions"] = runs[0].transactions / frame.pixels[0].size
    return figures


RESIDENT: dict[str, tuple[str, Callable[[Device], Figures]]] = {
    "resident resize": ("resident/resize.cu", resize),
    "resident bits": ("resident/objects.cu", box_bits),
}


@dataclass(frozen=True)
class Count:
    """What of `source`, compiled for which architectures, is counted how."""

    source: str
    architectures: tuple[int, ...]
    of: Callable[[Executor], Figures]


COUNTS = {
    "embedded": Count("embedded.cu", (75, 87, 90, 120), embedded),
    "frame masks": Count("frame_masks.cu", (75,), frame_masks),
    "library": Count("mask_head.cu", (75,), library),
}


def recorded() -> dict[str, dict[str, Figures]]:
    """By release of nvcc, then by kernels and architecture."""
    found: dict[str, dict[str, Figures]] = json.loads(FILE.read_text())
    return found


def check(name: str, architecture: int, executor: Executor) -> None:
    """Compare with what is recorded; skips where nothing is recorded for the nvcc that is here."""
    compare(title(name, architecture), COUNTS[name].of(executor))


def compare(name: str, found: Figures) -> None:
    known = recorded().get(release())
    if known is None:
        pytest.skip(f"nothing is recorded for nvcc {release()}; record it with: {COMMAND}")
    expected = known[name]
    changed = {key: (expected[key], found[key]) for key in expected if abs(found[key] / expected[key] - 1) > TOLERANCE}
    assert found.keys() == expected.keys()
    assert not changed, f"instructions per pixel changed (from, to): {changed}; if that is meant: {COMMAND}"


def title(name: str, architecture: int) -> str:
    return f"{name}, compute_{architecture}"


def budget(name: str) -> float | None:
    """The most that a figure of the resident kernels may be; None where nothing is promised."""
    if name.endswith(ONCE):
        return MOST_ODD_BYTES if ODD in name else MOST_BYTES
    return WHOLE_FRAME / FEWER if name.endswith("transactions") else None


def missed(figures: Figures) -> list[str]:
    return [name for name, value in figures.items() if (most := budget(name)) is not None and value > most]


def table(figures: Figures) -> Iterator[str]:
    """A line for each figure of the resident kernels, beside its budget."""
    late = missed(figures)
    for name, value in figures.items():
        most = budget(name)
        verdict = "" if most is None else f"  <= {most:5.3f}  {'FAIL' if name in late else 'pass'}"
        yield f"{name:<36} {value:9.3f}{verdict}"


def main() -> int:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--resident", action="store_true", help="only the kernels of plugins/cuda/resident")
    only_resident = parser.parse_args().resident
    known = recorded() if FILE.is_file() else {}
    figures = dict(known.get(release(), {})) if only_resident else {}
    late = []
    for name, count in () if only_resident else COUNTS.items():
        for architecture in count.architectures:
            with tempfile.TemporaryDirectory() as folder:
                executor = Executor(compile_ptx(count.source, Path(folder), architecture), Path(folder))
            figures[title(name, architecture)] = {key: round(value, 1) for key, value in count.of(executor).items()}
    with tempfile.TemporaryDirectory() as folder:
        library = ctypes.CDLL(str(toolchain.compile_emulated(Path(folder) / "emulated.so")))
        assert cuda_interface.mismatch(library) is None  # which declares what its functions take
        for name, (source, of) in RESIDENT.items():
            own = Path(folder) / name
            (own / source).parent.mkdir(parents=True)
            executor = Executor(compile_ptx(source, own), own)
            found = of(Device(library, executor, count=True))
            figures[title(name, OLDEST)] = {key: round(value, 3) for key, value in found.items()}
            print(title(name, OLDEST), *table(found), sep="\n  ", flush=True)  # noqa: T201
            late += missed(found)
    FILE.write_text(json.dumps({**known, release(): figures}, indent=1) + "\n")
    return 3 if late else 0


if __name__ == "__main__":
    sys.exit(main())
