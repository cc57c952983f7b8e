"""The CUDA kernels on a GPU against the published formulas. Never executed on a GPU."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from stc.runtime.backends.tensorrt.cuda import Cuda, import_cudart
from stc.runtime.machine import plugin
from stc.runtime.machine.plugin import Plugin
from tests.gpu.device import frame_masks, mask_head
from tests.plugins.kernel_cases import FRAME_FORMS, STORAGE, FrameCase
from tests.plugins.test_agreement import Case, cases, formulas

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def kernels() -> ctypes.CDLL:
    found = plugin.find()
    assert isinstance(found, Plugin), found
    return ctypes.CDLL(str(found.path))


@pytest.fixture(scope="module")
def cuda() -> Cuda:
    return Cuda(import_cudart())


@given(cases())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_kernel_states_the_published_formulas(cuda: Cuda, kernels: ctypes.CDLL, case: Case) -> None:
    found = mask_head(cuda, kernels, case.head, case.arrays)
    assert not found[~case.valid].any(), "rows beyond the count"
    # As on the host (tests/plugins/test_agreement.py), with a GPU's exponential function on top.
    tolerance = 4e-4 if case.mask_feats.dtype == np.float16 else 1e-4
    whole = ~case.touched
    np.testing.assert_allclose(found[..., whole], formulas(case)[..., whole], atol=tolerance, rtol=0)


@given(cases())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_same_inputs_give_the_same_bytes(cuda: Cuda, kernels: ctypes.CDLL, case: Case) -> None:
    first, second = (mask_head(cuda, kernels, case.head, case.arrays).tobytes() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("form", FRAME_FORMS)
@pytest.mark.parametrize("storage", STORAGE)
@pytest.mark.parametrize("cells, frame", [((1, 5, 7), (13, 33)), ((3, 8, 8), (20, 32)), ((10, 96, 160), (720, 1280))])
def test_frame_masks_are_right_to_the_last_pixel(
    cuda: Cuda, kernels: ctypes.CDLL, cells: tuple[int, int, int], frame: tuple[int, int], storage: str, form: str
) -> None:
    case = FrameCase.random(np.random.default_rng(0), storage, cells, frame)
    assert case.differing(form, frame_masks(cuda, kernels, case, form)) == 0
