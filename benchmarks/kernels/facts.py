"""What a compiled GPU kernel says of itself without a GPU: registers, spills, occupancy, instructions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

# Per multiprocessor: threads, blocks, KiB of shared memory (CUDA C++ Programming Guide, "Technical Specifications per
# Compute Capability"). All have 65,536 registers; from 8.0 on every block also reserves 1 KiB of shared memory.
_MULTIPROCESSORS = {
    75: (1024, 16, 64),
    80: (2048, 32, 164),
    86: (1536, 16, 100),
    87: (1536, 16, 164),
    89: (1536, 24, 100),
    90: (2048, 32, 228),
    100: (2048, 32, 228),
    103: (2048, 32, 228),
    110: (1536, 24, 228),
    120: (1536, 24, 100),
    121: (1536, 24, 100),
}
REGISTERS = 65536
KINDS = {
    "fma": ("FFMA", "FADD", "FMUL", "HFMA2", "HADD2", "HMUL2"),
    "special": ("MUFU",),
    "shared": ("LDS", "STS"),
    "global": ("LDG", "STG"),
    "local": ("LDL", "STL"),
    "control": ("BRA", "BSSY", "BSYNC", "EXIT", "BAR", "WARPSYNC", "CALL", "RET", "BREAK"),
    "convert": ("F2F", "F2FP", "I2F", "I2FP", "F2I", "HADD2.F32"),
}


@dataclass(frozen=True)
class Kernel:
    """One kernel for one architecture (`sm` 90: compute capability 9.0). `stack` and `local`: bytes per thread, which
    a kernel without spills has none of. `instructions`: count per kind of KINDS and "integer" for the rest.
    """

    sm: int
    name: str
    registers: int
    stack: int
    local: int
    shared: int
    instructions: Counter[str] = field(default_factory=Counter)

    @property
    def spills(self) -> bool:
        return self.stack > 0 or self.local > 0 or self.instructions["local"] > 0

    def occupancy(self, threads: int, shared_bytes: int) -> float:
        """Share of a multiprocessor's threads that can be resident, 0..1, in blocks of `threads` that use
        `shared_bytes` of dynamic shared memory each.
        """
        most_threads, most_blocks, shared_kib = _MULTIPROCESSORS[self.sm]
        warps = -(-threads // 32)
        by_registers = REGISTERS // (-(-self.registers * 32 // 256) * 256) // warps
        reserved = 1024 if self.sm >= 80 else 0
        by_shared = shared_kib * 1024 // max(1, self.shared + shared_bytes + reserved)
        blocks = min(most_threads // (32 * warps), most_blocks, by_registers, by_shared)
        return blocks * warps * 32 / most_threads


def resource_usage(text: str) -> list[Kernel]:
    """Read `cuobjdump --dump-resource-usage`."""
    kernels, sm, name = [], 0, ""
    for line in text.splitlines():
        if match := re.search(r"arch = sm_(\d+)", line):
            sm = int(match[1])
        elif match := re.search(r"Function (\S+):", line):
            name = match[1]
        elif "REG:" in line:
            values = {key: int(value) for key, value in re.findall(r"(REG|STACK|LOCAL|SHARED):(\d+)", line)}
            kernels.append(Kernel(sm, name, values["REG"], values["STACK"], values["LOCAL"], values["SHARED"]))
    return kernels


def count_instructions(lines: Iterable[str]) -> dict[tuple[int, str], Counter[str]]:
    """Read `cuobjdump -sass`, line by line: instructions by kind for every (sm, kernel name)."""
    counts: dict[tuple[int, str], Counter[str]] = {}
    sm, current = 0, Counter[str]()
    for line in lines:
        if match := re.match(r"\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?\w+\s+)?([A-Z][A-Z0-9_.]*)", line):
            current[_kind(match[1])] += 1
        elif match := re.search(r"Function : (\S+)", line):
            current = counts.setdefault((sm, match[1]), Counter())
        elif match := re.search(r"arch = sm_(\d+)", line):
            sm = int(match[1])
    return counts


def _kind(opcode: str) -> str:
    base = opcode.split(".", maxsplit=1)[0]
    return next((kind for kind, opcodes in KINDS.items() if base in opcodes), "integer")
