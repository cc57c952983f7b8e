"""Step 5: the kernels that keep a frame on the GPU. Resizes give the CPU library's bytes; objects are chosen, their
masks made bits within boxes, measured and packed as a plain statement says.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product

import numpy as np

from scripts.gpu import place
from scripts.gpu.results import check, code, run
from stc.runtime.native.library import Library
from tests.plugins.frame_cases import LAYOUTS, FrameResize
from tests.plugins.kernel_cases import STORAGE, Address, Array
from tests.plugins.object_cases import ObjectCase

# Of a frame, and of what it becomes in an input of 256x448.
SMALL = [((13, 37), (5, 11)), ((9, 20), (12, 30))]
FRAMES = [
    *SMALL,
    ((720, 1280), (252, 448)),
    ((1080, 1920), (252, 448)),
    ((2160, 3840), (252, 448)),
    ((479, 641), (256, 342)),
]
# Rows of the model, cells of a mask, and the frame.
FEW = [(0, (3, 4), (9, 20)), (3, (8, 8), (20, 33))]
OBJECTS = [*FEW, (50, (96, 160), (720, 1280)), (100, (96, 160), (1080, 1919))]


@contextmanager
def on_gpu(inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Address]:
    """Addresses of copies; at the end `outputs` hold what the kernels have written."""
    gpu = place.gpu()
    with gpu.memory(*inputs, *outputs) as addresses:
        places = {array.ctypes.data: at for array, at in zip((*inputs, *outputs), addresses, strict=True)}
        yield lambda array: places[array.ctypes.data]
        for array in outputs:
            array[...] = gpu.fetch(places[array.ctypes.data], array)


def resize(case: FrameResize, address: Address) -> None:
    place.launch(case.function, ctypes.byref(case.op(address)))


def objects(case: ObjectCase, address: Address) -> None:
    for name, arguments in case.calls(address):
        place.launch(name, *arguments)


def frames() -> None:
    rng, library = np.random.default_rng(11), Library(place.cpu_library(), "any", 1)
    for layout in (*LAYOUTS, "nv12"):
        bytes_ = differing = 0
        for rule, (size, resized), gap in product(("area", "linear"), SMALL if place.DRY else FRAMES, (0, 5)):
            input_size = (max(resized[0], size[0] // 5) + 3, resized[1] + 2)
            case = FrameResize.random(rng, layout, rule, size, resized, input_size, gap=gap)
            with on_gpu(case.inputs, [case.slot]) as address:
                resize(case, address)
            differing += int((case.slot != case.expected(library)).sum())
            bytes_ += case.slot.size
        check(differing == 0, f"resize of {layout}, {bytes_} bytes: differ from the CPU library", str(differing))


def masks() -> None:
    rng = np.random.default_rng(12)
    for storage in STORAGE:
        wrong, found = [], 0
        for most, cells, frame in FEW if place.DRY else OBJECTS:
            case = ObjectCase.random(rng, storage, most, cells, frame, count=most)
            with on_gpu(case.inputs, case.outputs) as address:
                objects(case, address)
            wrong += case.wrong(case.masks.expected())
            found += int(case.kept[0])
        check(
            not wrong, f"masks of {found} objects as bits, {storage}: what differs", "; ".join(wrong[:3]) or "nothing"
        )


def main() -> int:
    frames()
    masks()
    return code()


if __name__ == "__main__":
    sys.exit(run(main))
