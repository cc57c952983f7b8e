"""Runs kernels of compiled PTX on the CPU and says what they did wrong.

It shows what the compiler made of our source: addresses, barriers, roundings. It cannot show what ptxas makes of that
(SASS), the GPU's own approximations of 2^x and of a quotient, or any timing.
"""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.plugins.compiler import compiler
from tests.plugins.ptx.translate import Kernel, translate

Memory = NDArray[Any]
Argument = Memory | int | ctypes.Structure | bytes
MACHINE = Path(__file__).parent
# No contraction: a product and a sum that the compiler left apart stay apart. Not optimised: few pixels of many kernels
# are run, and compiling is what takes time.
COMPILE = ("-std=c++17", "-O0", "-march=native", "-ffp-contract=off", "-fPIC", "-shared", "-w", f"-I{MACHINE}")


@dataclass(frozen=True)
class Run:
    """faults: the first hundred, in words. executed: instructions of all threads, by opcode. transactions: sectors of
    32 bytes of global memory that warps read or wrote, where they were counted.
    """

    faults: tuple[str, ...]
    executed: dict[str, int]
    transactions: int

    @property
    def instructions(self) -> int:
        return sum(self.executed.values())


def build(text: str, output: Path, only: str = "") -> tuple[list[Kernel], list[str]]:
    """Compile kernels of `text` into a library, chosen as by `translate`; the kernels, and their opcodes in the order
    of the counters.

    Raises UnknownFormError for an instruction that the translator does not know.
    """
    source, kernels, opcodes = translate(text, only)
    code = output.with_suffix(".cpp")
    code.write_text(source)
    command = [compiler(), *COMPILE, str(code), "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return kernels, opcodes


class Executor:
    """The kernels of one PTX file; `names` are theirs."""

    def __init__(self, text: str, folder: Path, only: str = "") -> None:
        """As `build`, and raises what it raises."""
        kernels, self._opcodes = build(text, folder / "kernels.so", only)
        self._kernels = {kernel.name: kernel for kernel in kernels}
        self.names = tuple(self._kernels)
        self._library = ctypes.CDLL(str(folder / "kernels.so"))
        self._library.machine_fault.restype = ctypes.c_char_p
        self._library.machine_executed.restype = ctypes.POINTER(ctypes.c_uint64)
        self._library.machine_transactions.restype = ctypes.c_uint64

    def sizes(self, name: str) -> list[int]:
        """Of a kernel's parameters, in bytes."""
        return [size for _, _, size in self._kernels[name].parameters]

    def run(
        self,
        name: str,
        arguments: Sequence[Argument],
        *,
        inputs: Sequence[Memory],
        outputs: Sequence[Memory],
        grid: tuple[int, int, int],
        threads: int,
        shared: int = 0,
        backwards: bool = False,
        count: bool = False,
    ) -> Run:
        """Launch a kernel. arguments: an array stands for a pointer to it. Of all memory, what `inputs` and `outputs`
        name may be read, and `outputs` written. backwards: the last thread of a block goes first. count:
        transactions too, which takes time.
        """
        kernel, library = self._kernels[name], self._library
        library.machine_reset()
        library.machine_count(int(count))
        for array in (*inputs, *outputs):
            writable = any(array is output for output in outputs)
            address, size = ctypes.c_uint64(array.ctypes.data), ctypes.c_uint64(array.nbytes)
            library.machine_allow(address, size, int(writable))
        parameters = bytearray(sum(kernel.parameters[-1][1:]))
        for (_, offset, size), argument in zip(kernel.parameters, arguments, strict=True):
            value = argument.ctypes.data if isinstance(argument, np.ndarray) else argument
            parameters[offset : offset + size] = value.to_bytes(size, "little") if isinstance(value, int) else value
        content = (ctypes.c_ubyte * len(parameters)).from_buffer(parameters)
        getattr(library, f"run_{name}")(content, (ctypes.c_uint * 3)(*grid), threads, shared, int(backwards))
        faults = []
        while (fault := library.machine_fault(len(faults))) is not None:
            faults.append(fault.decode())
        counts = np.ctypeslib.as_array(library.machine_executed(), (len(self._opcodes),))
        executed = dict(zip(self._opcodes, counts.tolist(), strict=True))
        return Run(tuple(faults), executed, library.machine_transactions())
