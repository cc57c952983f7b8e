"""All kernels of the plugin and of the C library, as compiled PTX, executed on the CPU."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from stc.runtime.mask_head_op import Attributes
from tests.plugins.kernel_cases import NETWORKS, STORAGE, HeadCase
from tests.plugins.ptx import instructions
from tests.plugins.ptx.executor import Executor
from tests.plugins.ptx.launches import library_kernel, run_library
from tests.plugins.ptx.source import OLDEST, compile_ptx

pytestmark = pytest.mark.slow
SHAPES = [(1, 2, 17, 16), (2, 2, 9, 7)]  # batch, instances, height, width


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Executor:
    folder = tmp_path_factory.mktemp("executor")
    return Executor(compile_ptx("mask_head.cu", folder), folder)


def test_every_kernel_equals_the_formula_and_touches_only_what_it_may(executor: Executor) -> None:
    ran = set()
    rng = np.random.default_rng(1)
    # An upsampling by 2 has kernels of its own; one by 3 reads the row below, one by 1 reads no other row.
    for (channels, layers), storage, upsample, shape in product(NETWORKS, STORAGE, (1, 2, 3), SHAPES):
        head = Attributes(channels, layers, stride=int(rng.choice([4, 8, 16])), upsample=upsample)
        case = HeadCase.random(rng, storage, shape, head, shift=int(shape[2] == 9))
        ran.add(library_kernel(case))
        assert run_library(executor, case).faults == (), (head, storage, shape)
        assert case.error() <= case.tolerance, (head, storage, shape)
    assert ran == set(executor.names)


def test_executes_as_many_instructions_as_recorded(executor: Executor) -> None:
    instructions.check("library", OLDEST, executor)
