"""Masks at the frame's size as compiled PTX, executed on the CPU: every pixel, and what the kernels touch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.plugins.kernel_cases import FRAME_FORMS, STORAGE, FrameCase
from tests.plugins.ptx import instructions
from tests.plugins.ptx.executor import Executor
from tests.plugins.ptx.launches import run_frame_masks
from tests.plugins.ptx.source import OLDEST, compile_ptx

# Masks (n, rows, cols), frames (H, W): odd and even widths, whole words, one word, and more than one block.
SHAPES = [
    *(((1, 5, 7), (13, 33)), ((2, 16, 28), (90, 160)), ((3, 8, 8), (20, 32))),
    *(((1, 4, 60), (9, 1000)), ((2, 2, 2), (1, 1))),
]


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Executor:
    folder = tmp_path_factory.mktemp("executor")
    return Executor(compile_ptx("frame_masks.cu", folder), folder)


@pytest.mark.parametrize("form", FRAME_FORMS)
@pytest.mark.parametrize("storage", STORAGE)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_pixel_is_right_and_nothing_else_is_touched(
    executor: Executor, storage: str, form: str, shape: tuple[tuple[int, int, int], tuple[int, int]]
) -> None:
    case = FrameCase.random(np.random.default_rng(shape[1][1]), storage, *shape)
    assert run_frame_masks(executor, case, form).faults == ()
    assert case.differing(form) == 0


@pytest.mark.parametrize("form", FRAME_FORMS)
def test_what_is_no_number_is_not_in_the_mask(executor: Executor, form: str) -> None:
    case = FrameCase.random(np.random.default_rng(0), "f32", (1, 5, 7), (13, 33))
    case.probabilities[...] = np.nan
    assert run_frame_masks(executor, case, form).faults == ()
    assert not getattr(case, form).any()


def test_an_output_that_is_one_row_short_is_noticed(executor: Executor) -> None:
    case = FrameCase.random(np.random.default_rng(0), "f32", (1, 5, 7), (13, 33))
    faults = run_frame_masks(executor, replace(case, words=case.words[:, :-1]), "words").faults
    assert faults and all("out of bounds" in fault for fault in faults)


def test_executes_as_many_instructions_as_recorded(executor: Executor) -> None:
    instructions.check("frame masks", OLDEST, executor)
