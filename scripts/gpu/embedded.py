"""Step 3: the PTX that plans carry, translated by the driver, with the launch that TensorRT is told."""

from __future__ import annotations

import sys
from ctypes import c_int32, c_uint64

import numpy as np

from scripts.gpu import place
from scripts.gpu.kernels import APPROXIMATIONS
from scripts.gpu.results import check, code
from scripts.gpu.results import run as run_step
from stc.export.engine import embed
from tests.plugins.kernel_cases import STORAGE, Array, HeadCase

SIZES = [(1, 1), (9, 7), (17, 16), (8, 120), (32, 56), (64, 112), (100, 168)]  # cells


def run(case: HeadCase) -> Array:
    gpu = place.gpu()
    kernel = gpu.kernel(place.PTX.read_text(), embed.ENTRY[{"f32": "FLOAT", "f16": "HALF"}[case.storage]])
    (batch, instances), (height, width) = case.params.shape[:2], case.features.shape[2:]
    with gpu.memory(*case.inputs, case.masks) as addresses:
        *inputs, masks = map(c_uint64, addresses)
        shared = (width * (embed.ROWS + embed.HALO) + embed.TABLE) * embed.FLOAT_SIZE
        arguments = [*inputs, *map(c_int32, (instances, height, width)), masks]
        gpu.launch(kernel, (-(-height // embed.ROWS), instances, batch), embed.THREADS, shared, arguments)
        return gpu.fetch(addresses[-1], case.masks)


def main() -> int:
    rng = np.random.default_rng(8)
    for storage in STORAGE:
        worst = 0.0
        for size in SIZES[:4] if place.DRY else SIZES:
            case = HeadCase.random(rng, storage, (2, 3, *size))
            worst = max(worst, case.error(run(case)))
        what = f"embedded kernel from PTX, {storage}: largest error"
        check(worst <= case.tolerance + APPROXIMATIONS, what, f"{worst:.2e}")
    return code()


if __name__ == "__main__":
    sys.exit(run_step(main))
