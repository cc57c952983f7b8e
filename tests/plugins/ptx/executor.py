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

from tests.plugins.ptx.translate import Kernel, translate
from tests.plugins.toolchain import compiler

Argument = NDArray[Any] | int
MACHINE = Path(__file__).parent


@dataclass(frozen=True)
class Run:
    """faults: the first hundred, in words. executed: instructions of all threads, by opcode."""

    faults: tuple[str, ...]
    executed: dict[str, int]


class Executor:
    """The kernels of one PTX file."""

    def __init__(self, text: str, folder: Path) -> None:
        """Raises UnknownFormError for an instruction that the translator does not know."""
        source, kernels, self._opcodes = translate(text)
        self._kernels: dict[str, Kernel] = {kernel.name: kernel for kernel in kernels}
        (folder / "kernels.cpp").write_text(source)
        # No contraction: a product and a sum that the compiler left apart stay apart. -O1 halves the time of all tests.
        command = [*(compiler(), "-std=c++17", "-O0", "-march=native", "-ffp-contract=off", "-fPIC", "-shared", "-w")]
        done = subprocess.run(
            [*command, f"-I{MACHINE}", str(folder / "kernels.cpp"), "-o", str(folder / "kernels.so")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        self._library = ctypes.CDLL(str(folder / "kernels.so"))
        self._library.machine_fault.restype = ctypes.c_char_p
        self._library.machine_executed.restype = ctypes.POINTER(ctypes.c_uint64)

    def run(
        self,
        name: str,
        arguments: Sequence[Argument],
        outputs: Sequence[NDArray[Any]],
        *,
        grid: tuple[int, int, int],
        threads: int,
        shared: int,
        backwards: bool = False,
    ) -> Run:
        """Launch a kernel. arguments: arrays stand for pointers; only those in `outputs` may be written."""
        kernel, library = self._kernels[name], self._library
        library.machine_reset()
        parameters = bytearray(sum(kernel.parameters[-1][1:]))
        for (_, offset, size), argument in zip(kernel.parameters, arguments, strict=True):
            value = argument if isinstance(argument, int) else argument.ctypes.data
            parameters[offset : offset + size] = value.to_bytes(size, "little")
            if not isinstance(argument, int):
                writable = any(argument is output for output in outputs)
                library.machine_allow(ctypes.c_uint64(value), ctypes.c_uint64(argument.nbytes), int(writable))
        content = (ctypes.c_ubyte * len(parameters)).from_buffer(parameters)
        getattr(library, f"run_{name}")(content, (ctypes.c_uint * 3)(*grid), threads, shared, int(backwards))
        faults = []
        while (fault := library.machine_fault(len(faults))) is not None:
            faults.append(fault.decode())
        counts = np.ctypeslib.as_array(library.machine_executed(), (len(self._opcodes),))
        return Run(tuple(faults), dict(zip(self._opcodes, counts.tolist(), strict=True)))
