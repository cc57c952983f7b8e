"""`python -m stc.benchmarks.kernels.report`: what can be said of the compiled CUDA kernels without a GPU.

Registers, spills, occupancy and instructions are read from the built library; bytes are a model: what the kernel asks
of memory against the least that the op's inputs and outputs need. Nothing here is a measurement on a GPU.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stc.benchmarks.kernels.facts import KINDS, Kernel, count_instructions, resource_usage
from stc.cli import command
from stc.errors import InputError, MissingDependencyError
from stc.runtime.mask_head_op import Attributes

LIBRARY = Path(__file__).parents[2] / "runtime" / "libstc_tensorrt.so"
THREADS, BAND, PARAM_ROOM = 128, 8, 256  # kThreads, kBand and kParamRoom of plugins/cuda/mask_head.cuh
WIDTH = 168  # cells of the longest row that the table's occupancy is given for: an input of 800x1344


@dataclass(frozen=True)
class Traffic:
    """Bytes of one call with all `instances` valid, 8 channels, 3 layers, upsampling by 2; `item` bytes per value."""

    height: int
    width: int
    instances: int
    item: int

    @property
    def features(self) -> int:
        return self.item * 8 * self.height * self.width

    @property
    def least(self) -> int:
        """Every input read once, every output written once."""
        rows = self.instances * (self.item * Attributes().parameters + 4 * 3) + 4
        return self.features + rows + self.item * self.instances * 4 * self.height * self.width

    @property
    def through_cache(self) -> int:
        """Feature bytes that the blocks ask for: for each instance its band and, but for the first, a row above."""
        bands = -(-self.height // BAND)
        return self.instances * self.item * 8 * self.width * (self.height + bands - 1)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m stc.benchmarks.kernels.report", description=__doc__)
    parser.add_argument("--library", type=Path, default=LIBRARY, help="the built plugin (default: runtime's)")
    arguments = parser.parse_args(argv)
    kernels = read(arguments.library)
    print(f"{'kernel':52} sm   regs spill occupancy  " + " ".join(f"{kind:>8}" for kind in (*KINDS, "integer")))
    shared = 4 * (PARAM_ROOM + (BAND + 2) * WIDTH)
    for kernel in sorted(kernels, key=lambda kernel: (kernel.name, kernel.sm)):
        head = "mask_head" in kernel.name
        occupancy = kernel.occupancy(THREADS, shared) if head else kernel.occupancy(256, 0)
        mix = " ".join(f"{kernel.instructions[kind]:8}" for kind in (*KINDS, "integer"))
        spill = "YES" if kernel.spills else "no"
        print(f"{readable(kernel.name):52} {kernel.sm:<4} {kernel.registers:4} {spill:>5} {occupancy:9.0%}  {mix}")
    print(f"\noccupancy of the mask head: blocks of {THREADS} threads, rows of {WIDTH} cells")
    print("modelled bytes of one mask head, all rows valid (features come from DRAM once where they fit L2):")
    for height, width in ((48, 80), (100, 168)):
        for item, storage in ((4, "fp32"), (2, "fp16")):
            for instances in (10, 100):
                print(describe(Traffic(height, width, instances, item), storage))
    if spilling := sorted({f"{readable(kernel.name)} on sm_{kernel.sm}" for kernel in kernels if kernel.spills}):
        print(f"spills: {'; '.join(spilling)}")
        return 3
    return 0


def describe(traffic: Traffic, storage: str) -> str:
    size = f"{traffic.height}x{traffic.width} N={traffic.instances} {storage}"
    return (
        f"  {size:24} DRAM {traffic.least / 1e6:7.3f} MB, the least; features {traffic.features / 1e3:6.1f} kB, "
        f"through the cache {traffic.through_cache / 1e6:7.2f} MB"
    )


def read(library: Path) -> list[Kernel]:
    """All kernels of the library. Raises InputError without one, MissingDependencyError without NVIDIA's tools."""
    if not library.is_file():
        raise InputError(f"{library}: not built; fix: make plugin")
    command = _tool("cuobjdump")
    usage = subprocess.run([command, "--dump-resource-usage", library], capture_output=True, text=True, check=False)
    environment = {"PATH": str(_tool("nvdisasm").parent)}
    with subprocess.Popen([command, "-sass", library], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        counts = count_instructions(process.stdout)
    if process.returncode != 0 or usage.returncode != 0:
        raise InputError(f"{library}: cuobjdump cannot read it; build it again with: make plugin")
    return [replace(kernel, instructions=counts[kernel.sm, kernel.name]) for kernel in resource_usage(usage.stdout)]


def readable(name: str) -> str:
    """A template's name as written: mask_head_kernel<8, 3, 2, half>."""
    match = re.search(r"(\w+?_kernel)I(.*?)EEv", re.sub(r"^_ZN3stc4cuda\d+", "", name))
    if not match:
        return name
    values = re.findall(r"L[ib](\d+)E|(f)E?$|6(__half)", match[2])
    return f"{match[1]}<{', '.join(number or ('float' if single else 'half') for number, single, _ in values)}>"


def _tool(name: str) -> Path:
    found = sorted(Path(sys.prefix).glob(f"lib/python*/site-packages/nvidia/**/bin/{name}"))
    if not found:
        raise MissingDependencyError(
            f"{name} is not installed; fix: pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm"
        )
    return found[0]


if __name__ == "__main__":
    command(main)()
