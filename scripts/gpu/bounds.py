"""The least time that a mask head needs on a GPU, by what it must move and compute."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.gpu.driver import BUS_BITS, CLOCK_KHZ, MAJOR, MEMORY_CLOCK_KHZ, MINOR, SMS, Gpu
from stc.export.engine.embed import ROWS
from tests.plugins.kernel_cases import HeadCase

# Float32 units per multiprocessor (CUDA C++ Programming Guide, "Arithmetic Instructions"); 128 in all others.
UNITS = {(7, 5): 64, (8, 0): 64}
SHARED_BYTES = 128  # that a multiprocessor's shared memory gives per clock
CELLS = 2  # of a thread: kCells of plugins/cuda/mask_head.cuh


@dataclass(frozen=True)
class Machine:
    """Rates per second; None where the driver does not say a clock, as on some virtual GPUs. A part of a GPU (MIG) has
    the whole one's bandwidth here.
    """

    memory: float | None  # bytes
    products: float | None  # fused multiply-adds
    shared: float | None  # bytes

    @classmethod
    def of(cls, gpu: Gpu) -> Machine:
        clocks = gpu.attribute(SMS) * gpu.attribute(CLOCK_KHZ) * 1e3
        units = UNITS.get((gpu.attribute(MAJOR), gpu.attribute(MINOR)), 128)
        memory = 2e3 * gpu.attribute(MEMORY_CLOCK_KHZ) * gpu.attribute(BUS_BITS) / 8  # two transfers per clock
        return cls(memory or None, units * clocks or None, SHARED_BYTES * clocks or None)


def least_seconds(case: HeadCase, machine: Machine) -> dict[str, float | None]:
    """By name of what bounds; every instance of `case` is valid.

    memory: inputs read and masks written once. fp32: the networks' products alone, of all cells that blocks compute
    (a band's own and the row above). shared: every thread reads all its network's parameters for its cells.
    """
    batch, instances = case.params.shape[:2]
    height, width = case.features.shape[2:]
    channels, layers, parameters = case.head.channels, case.head.layers, case.head.parameters
    cells = batch * instances * width * (height + -(-height // ROWS) - 1)
    products = cells * ((channels + 2) * channels + (layers - 2) * channels**2 + channels)
    moved = sum(array.nbytes for array in (*case.inputs, case.masks))
    work = {"memory": moved, "fp32": products, "shared": cells / CELLS * parameters * 4}
    rates = {"memory": machine.memory, "fp32": machine.products, "shared": machine.shared}
    return {name: amount / rate if (rate := rates[name]) else None for name, amount in work.items()}
