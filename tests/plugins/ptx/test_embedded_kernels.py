"""The kernels that ship inside plans, as compiled PTX, executed on the CPU: their values, and what they touch.

No GPU is needed, and none is replaced: see `executor.py` for what this cannot show.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.plugins.kernel_cases import STORAGE, HeadCase
from tests.plugins.ptx import instructions
from tests.plugins.ptx.executor import Executor
from tests.plugins.ptx.launches import run_embedded, shared_bytes
from tests.plugins.ptx.source import OLDEST, embedded_ptx

SIZES = [(1, 1), (8, 8), (9, 7), (17, 16), (16, 28), (7, 2), (8, 3), (12, 120)]


@pytest.fixture(scope="module")
def ptx(tmp_path_factory: pytest.TempPathFactory) -> str:
    return embedded_ptx(tmp_path_factory.mktemp("ptx"))


@pytest.fixture(scope="module")
def executor(ptx: str, tmp_path_factory: pytest.TempPathFactory) -> Executor:
    return Executor(ptx, tmp_path_factory.mktemp("executor"))


@pytest.mark.parametrize("storage", STORAGE)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shift", [0, 1])
def test_equals_the_formula_and_touches_only_what_it_may(
    executor: Executor, storage: str, size: tuple[int, int], shift: int
) -> None:
    case = HeadCase.random(np.random.default_rng(size[1]), storage, (2, 3, *size), shift=shift)
    assert run_embedded(executor, case).faults == ()
    assert case.error() <= case.tolerance


def test_the_longest_row_that_fits_shared_memory(executor: Executor) -> None:
    case = HeadCase.random(np.random.default_rng(5), "f16", (1, 1, 2, 1203)).filled()
    assert shared_bytes(case.head.parameters, 1203) <= 48 * 1024 < shared_bytes(case.head.parameters, 1204)
    assert run_embedded(executor, case).faults == ()
    assert case.error() <= case.tolerance


@pytest.mark.parametrize("storage", STORAGE)
def test_the_order_of_the_threads_changes_no_byte(executor: Executor, storage: str) -> None:
    case = HeadCase.random(np.random.default_rng(0), storage, (1, 2, 17, 16)).filled()
    run_embedded(executor, case)
    forwards = case.masks.copy()
    assert run_embedded(executor, case, backwards=True).faults == ()
    assert case.masks.tobytes() == forwards.tobytes()


@pytest.mark.parametrize("count", [-5, 0, 3, 2**31 - 1])
def test_any_count_is_taken_and_rows_beyond_it_are_zero_whatever_they_hold(executor: Executor, count: int) -> None:
    case = HeadCase.random(np.random.default_rng(1), "f32", (1, 3, 9, 7))
    case.count[...] = count
    case.params[:, max(0, min(count, 3)) :] = np.nan
    assert run_embedded(executor, case).faults == ()
    assert case.error() <= case.tolerance


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_cell_that_is_no_number_spoils_the_outputs_that_interpolate_it_and_no_others(
    executor: Executor, broken: float
) -> None:
    case = HeadCase.random(np.random.default_rng(2), "f32", (1, 2, 9, 7)).filled()
    run_embedded(executor, case)
    whole = case.masks.copy()
    case.features[:, :, 4, 3] = broken
    assert run_embedded(executor, case).faults == ()
    near = np.zeros(whole.shape, bool)
    near[..., 8:11, 6:9] = True  # what lies less than a cell away from output (9, 7), the middle of cell (4, 3)
    np.testing.assert_array_equal(case.masks[~near], whole[~near])
    assert (case.masks[near] != whole[near]).any()


def test_executes_as_many_instructions_as_recorded(executor: Executor) -> None:
    instructions.check("embedded", OLDEST, executor)


MUTATIONS = {
    "the first barrier removed": (r"bar\.sync[ \t]+0;", 0, ""),
    "the second barrier removed": (r"bar\.sync[ \t]+0;", 1, ""),
    "a block's row taken for its column": (r"%ctaid\.x", 0, "%ctaid.y"),
    "a product and sum that lost the sum": (
        *(r"fma\.rn\.f32[ \t]+(%f\d+), (%f\d+), (%f\d+), %f\d+;", 60, r"mul.f32 \1, \2, \3;"),
    ),
    "parameters read 16 bytes off": (r"(ld\.shared\.v4\.f32[ \t]+\{[^}]*\}, \[\w+\+)(\d+)\]", 2, None),
    "threads that step 127 for 128": (r"(add\.s32[ \t]+%r\d+, %r\d+, )128;", 0, r"\g<1>127;"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("what", MUTATIONS)
def test_planted_faults_are_found(what: str, ptx: str, tmp_path: Path) -> None:
    pattern, index, replacement = MUTATIONS[what]
    match = list(re.finditer(pattern, ptx))[index]
    changed = match.expand(replacement) if replacement is not None else f"{match[1]}{int(match[2]) + 16}]"
    mutant = Executor(ptx[: match.start()] + changed + ptx[match.end() :], tmp_path, only="_f32")
    assert faulty(mutant)


def faulty(executor: Executor) -> bool:
    """Whether the embedded kernel of float32 breaks a rule or is wrong, in one of four sizes."""
    for size in ((17, 16), (9, 7), (12, 120), (1, 1)):
        case = HeadCase.random(np.random.default_rng(3), "f32", (1, 3, *size))
        case.count[...] = 2  # of 3
        if run_embedded(executor, case).faults or case.error() > case.tolerance:
            return True
    return False


def test_the_kernel_as_it_is_is_not_called_faulty(executor: Executor) -> None:
    assert not faulty(executor)
