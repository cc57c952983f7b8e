"""Step 2: the C library's mask head against the formula in float64 on random shapes; the same bytes twice; a graph."""

from __future__ import annotations

import argparse
import ctypes
import sys

import numpy as np

from scripts.gpu import place
from scripts.gpu.results import check, code
from scripts.gpu.results import run as run_step
from stc.runtime.mask_head_op import Attributes
from tests.plugins.kernel_cases import NETWORKS, STORAGE, Array, HeadCase

# What a GPU's own 2^x and quotient may add to the rounding of float32: both are within 2 units of the last place.
APPROXIMATIONS = 5e-5


def random_case(rng: np.random.Generator, number: int, most: tuple[int, int]) -> HeadCase:
    """All networks, storages and factors in turn, at any size up to `most` cells."""
    network, storage = NETWORKS[number % 4], list(STORAGE)[number // 4 % 2]
    head = Attributes(*network, stride=int(rng.choice([4, 8, 16])), upsample=(2, 1, 3, 4, 2)[number // 8 % 5])
    size = tuple(int(rng.integers(1, limit)) for limit in (4, 9, *most))
    return HeadCase.random(rng, storage, size, head)  # type: ignore[arg-type]


def run(case: HeadCase) -> Array:
    gpu = place.gpu()
    with gpu.memory(*case.inputs, case.masks) as addresses:
        place.launch("dynamic_mask_head", ctypes.byref(op_at(case, addresses)))
        return gpu.fetch(addresses[-1], case.masks)


def op_at(case: HeadCase, addresses: list[int]) -> ctypes.Structure:
    places = {array.ctypes.data: address for array, address in zip((*case.inputs, case.masks), addresses, strict=True)}
    return case.op(lambda array: places[array.ctypes.data])


def replayed(case: HeadCase) -> Array:
    """From a graph that was captured, after the masks were overwritten."""
    gpu = place.gpu()
    with gpu.memory(*case.inputs, case.masks) as addresses:
        op = op_at(case, addresses)
        graph = gpu.capture(lambda: place.launch("dynamic_mask_head", ctypes.byref(op)))
        gpu.fill(addresses[-1], 0xFF, case.masks.nbytes)
        gpu.replay(graph)
        return gpu.fetch(addresses[-1], case.masks)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m scripts.gpu.kernels", description=__doc__)
    parser.add_argument("--cases", type=int, default=400)
    cases = parser.parse_args().cases
    rng = np.random.default_rng(7)
    worst, allowed, same = dict.fromkeys(STORAGE, 0.0), dict.fromkeys(STORAGE, 0.0), True
    for number in range(cases):
        case = random_case(rng, number, (12, 20) if place.DRY else (50, 90))
        found = run(case)
        worst[case.storage] = max(worst[case.storage], case.error(found))
        allowed[case.storage] = case.tolerance + APPROXIMATIONS
        same &= run(case).tobytes() == found.tobytes()
    for storage, error in worst.items():
        check(error <= allowed[storage], f"mask head, {cases} random shapes, {storage}: largest error", f"{error:.2e}")
    check(same, "the same inputs give the same bytes")
    case = HeadCase.random(rng, "f16", (1, 5, 16, 28)).filled()
    check(replayed(case).tobytes() == run(case).tobytes(), "a captured graph, replayed, gives the same bytes")
    return code()


if __name__ == "__main__":
    sys.exit(run_step(main))
