"""What is read from NVIDIA's tools about a compiled kernel, and the occupancy that follows from it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from stc.benchmarks.kernels.facts import Kernel, count_instructions, resource_usage
from stc.benchmarks.kernels.report import Traffic, readable

NAME = "_ZN3stc4cuda16mask_head_kernelILi8ELi3ELi2E6__halfEEvNS_15DynamicMaskHeadE"
USAGE = f"""
Fatbin elf code:
================
arch = sm_90
code version = [1,8]
 Function {NAME}:
  REG:96 STACK:8 SHARED:0 LOCAL:0 CONSTANT[0]:440 TEXTURE:0 SURFACE:0 SAMPLER:0
"""
SASS = f"""
arch = sm_90
                Function : {NAME}
        /*0000*/                   LDC R1, c[0x0][0x28] ;   /* 0x00000a00ff017b82 */
                                                             /* 0x000fe20000000800 */
        /*0010*/                   FFMA R2, R3, R4, R5 ;    /* 0x0 */
        /*0020*/              @!P0 LDS.128 R4, [R2] ;       /* 0x0 */
        /*0030*/               @P1 STL [R1], R4 ;           /* 0x0 */
        /*0040*/                   MUFU.EX2 R7, R7 ;        /* 0x0 */
"""


def test_resource_usage_is_read_per_architecture() -> None:
    assert resource_usage(USAGE) == [Kernel(90, NAME, registers=96, stack=8, local=0, shared=0)]


def test_instructions_are_counted_by_kind() -> None:
    assert count_instructions(SASS.splitlines()) == {
        (90, NAME): Counter({"integer": 1, "fma": 1, "shared": 1, "local": 1, "special": 1})
    }


def test_a_stack_or_a_local_store_is_a_spill() -> None:
    clean = Kernel(90, NAME, 96, 0, 0, 0)
    assert not clean.spills
    assert replace(clean, stack=8).spills and replace(clean, instructions=Counter(local=1)).spills


@pytest.mark.parametrize(
    ("sm", "registers", "threads", "shared", "expected"),
    [
        (90, 96, 128, 0, 20 / 64),  # 65536 / (96 * 32) = 21 warps, of which 5 whole blocks
        (90, 32, 256, 0, 1.0),
        (75, 64, 256, 0, 1.0),
        (86, 32, 256, 48 * 1024, 16 / 48),  # two blocks of 49 KiB in 100
        (80, 16, 32, 0, 0.5),  # 32 blocks of one warp
        (90, 97, 128, 0, 16 / 64),  # 97 registers are given out as 104
    ],
)
def test_occupancy_is_what_the_scarcest_resource_allows(
    sm: int, registers: int, threads: int, shared: int, expected: float
) -> None:
    assert Kernel(sm, NAME, registers, 0, 0, 0).occupancy(threads, shared) == pytest.approx(expected)


def test_names_are_readable() -> None:
    assert readable(NAME) == "mask_head_kernel<8, 3, 2, half>"
    assert readable(NAME.replace("6__half", "f")) == "mask_head_kernel<8, 3, 2, float>"


def test_the_least_bytes_are_inputs_and_outputs_once() -> None:
    traffic = Traffic(height=48, width=80, instances=100, item=2)
    assert traffic.least == 2 * 8 * 48 * 80 + 100 * (2 * 169 + 8 + 4) + 4 + 2 * 100 * 96 * 160
    assert traffic.through_cache == 100 * 2 * 8 * 80 * (48 + 5)  # six bands of eight rows, five with a row above
