"""Step 4: masks at the frame's size against the CPU library, bit for bit."""

from __future__ import annotations

import ctypes
import sys

import numpy as np

from scripts.gpu import place
from scripts.gpu.results import check, code, run
from tests.plugins.kernel_cases import STORAGE, Array, FrameCase

FORMS = {"words": "bit_masks", "pixels": "dense_masks"}  # of FrameCase, and the functions of both C interfaces
SMALL = [((1, 5, 7), (13, 33)), ((3, 8, 8), (20, 32))]
SHAPES = [*SMALL, ((2, 16, 28), (90, 160)), ((10, 96, 160), (720, 1280)), ((50, 96, 160), (1080, 1919))]


def op_at(case: FrameCase, addresses: list[int]) -> ctypes.Structure:
    places = {array.ctypes.data: address for array, address in zip(case.inputs, addresses, strict=False)}
    return case.op(lambda array: places[array.ctypes.data])


def on_gpu(case: FrameCase, form: str) -> Array:
    gpu, out = place.gpu(), getattr(case, form)
    with gpu.memory(*case.inputs, out) as addresses:
        place.launch(FORMS[form], ctypes.byref(op_at(case, addresses)), int(case.storage == "f16"), addresses[-1])
        return gpu.fetch(addresses[-1], out)


def on_cpu(case: FrameCase, form: str) -> Array:
    found: Array = np.zeros_like(getattr(case, form))  # zeros, as the CPU library asks for
    function = getattr(place.cpu_library(), f"stc_cpu_{FORMS[form]}")
    written = np.zeros((len(found), 4), np.int32)
    told = [written.ctypes.data] if form == "pixels" else []
    assert function(ctypes.byref(case.op()), int(case.storage == "f16"), found.ctypes.data, *told, 1) == 0
    return found


def main() -> int:
    rng = np.random.default_rng(9)
    for form in FORMS:
        pixels = differing = 0
        for shape in SMALL if place.DRY else SHAPES:
            for storage in STORAGE:
                case = FrameCase.random(rng, storage, *shape)
                differing += int((on_gpu(case, form) != on_cpu(case, form)).sum())
                pixels += case.pixels.size
        check(differing == 0, f"frame masks as {form}, {pixels} pixels: differ from the CPU library", str(differing))
    return code()


if __name__ == "__main__":
    sys.exit(run(main))
