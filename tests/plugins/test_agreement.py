"""The op's four implementations say the same: function body, CPU library, CUDA kernel (on the host) and PyTorch, each
against the published formulas in float64.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stc.model.mask_head import dynamic_mask_head
from stc.runtime.native.interface import Op
from stc.runtime.native.library import Library, find
from stc.runtime.native.mask_head import MaskHead
from tests.model.test_function_body import session
from tests.plugins import toolchain
from tests.plugins.kernel_cases import NETWORKS
from tests.reference import condinst

Array = NDArray[Any]
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Case:
    head: MaskHead
    mask_feats: Array
    params: Array
    locations: Array
    sizes: Array
    count: Array
    broken: tuple[int, int] | None  # a cell whose features are not finite

    @property
    def arrays(self) -> tuple[Array, ...]:
        return self.mask_feats, self.params, self.locations, self.sizes, self.count

    @property
    def valid(self) -> Array:
        """Which rows the op computes: bool (B, K)."""
        return np.arange(self.params.shape[1]) < self.count[:, None]

    @property
    def touched(self) -> Array:
        """Outputs that interpolate the broken cell: bool (h * upsample, w * upsample)."""
        up, size = self.head.upsample, self.mask_feats.shape[2:]
        lines = []
        for axis in range(2):
            position = np.maximum(np.arange(size[axis] * up) - up // 2, 0) / up
            near = np.abs(np.minimum(position, size[axis] - 1) - (self.broken[axis] if self.broken else np.inf)) < 1
            lines.append(near)
        return lines[0][:, None] & lines[1]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    channels, layers = draw(st.sampled_from(NETWORKS))
    head = MaskHead(channels, layers, draw(st.sampled_from([4, 5, 8, 16])), draw(st.sampled_from([1, 2, 3, 4, 8])))
    batch, instances = draw(st.integers(1, 3)), draw(st.integers(0, 4))
    height, width = draw(st.integers(1, 19)), draw(st.integers(1, 19))
    dtype = np.dtype(draw(st.sampled_from([np.float32, np.float16])))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = np.array([draw(st.integers(-1, instances + 2)) for _ in range(batch)], np.int32)
    mask_feats = rng.standard_normal((batch, channels, height, width)).astype(dtype)
    params = (0.4 * rng.standard_normal((batch, instances, head.parameters))).astype(dtype)
    locations = rng.uniform(-20, head.stride * width + 20, (batch, instances, 2)).round().astype(np.float32)
    sizes = rng.choice(np.float32([64, 128, 256, 512, 1024]), (batch, instances))
    broken = (int(rng.integers(height)), int(rng.integers(width))) if draw(st.booleans()) else None
    case = Case(head, mask_feats, params, locations, sizes, count, broken)
    if broken:  # and rows beyond the count that must not be looked at
        mask_feats[..., broken[0], broken[1]] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
        for array in (params, locations, sizes):
            array[~case.valid] = np.nan
    return case


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return ctypes.CDLL(str(toolchain.emulated(tmp_path_factory)))


def formulas(case: Case) -> Array:
    """Float64, image by image, from the published formulas, as if the broken cell had no features."""
    batch, _, height, width = case.mask_feats.shape
    up = case.head.upsample
    feats = case.mask_feats.astype(np.float64)
    if case.broken:
        feats[..., case.broken[0], case.broken[1]] = 0
    masks = np.zeros((batch, case.params.shape[1], height * up, width * up))
    for image, count in enumerate(np.clip(case.count, 0, case.params.shape[1])):
        rows = (array[image, :count].astype(np.float64) for array in (case.params, case.locations, case.sizes))
        masks[image, :count] = condinst.mask_head(
            feats[image], *rows, stride=case.head.stride, upsample=up, layers=case.head.layers
        )
    return masks


def implementations(case: Case, emulated: ctypes.CDLL) -> Iterator[tuple[str, Array]]:
    head, dtype = case.head, case.mask_feats.dtype
    body = session(head.channels, head.layers, head.stride, head.upsample, half=dtype == np.float16)
    names = ("mask_feats", "params", "locations", "sizes", "count")
    yield "function body", body.run(None, dict(zip(names, case.arrays, strict=True)))[0]

    library = find()
    assert isinstance(library, Library), library
    yield "CPU library", head(library.with_threads(2), *case.arrays)

    options = {"channels": head.channels, "layers": head.layers, "stride": head.stride, "upsample": head.upsample}
    tensors = [torch.from_numpy(array) for array in case.arrays]
    yield "PyTorch", dynamic_mask_head(*tensors, **options).numpy()

    batch, _, height, width = case.mask_feats.shape
    instances = case.params.shape[1]
    masks = np.full((batch, instances, height * head.upsample, width * head.upsample), np.nan, dtype)
    sizes = (batch, instances, height, width, *options.values(), int(dtype == np.float16))
    op = Op(*(array.ctypes.data for array in (*case.arrays, masks)), *sizes)
    assert emulated.stc_cuda_dynamic_mask_head(ctypes.byref(op), None) == 0
    yield "CUDA kernel", masks


@given(cases())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_implementation_states_the_published_formulas(emulated: ctypes.CDLL, case: Case) -> None:
    expected, touched = formulas(case), case.touched
    half = case.mask_feats.dtype == np.float16
    # float32 through layers of about ten terms: logits to a few 1e-5; a stored half is right to 2^-12 below 1.
    tolerance = {"atol": 3e-4 if half else 5e-5, "rtol": 0}
    found = dict(implementations(case, emulated))
    for name, masks in found.items():
        assert masks.dtype == case.mask_feats.dtype and masks.shape == expected.shape, name
        assert not masks[~case.valid].any(), f"{name}: rows beyond the count"
        np.testing.assert_allclose(masks[..., ~touched], expected[..., ~touched], **tolerance, err_msg=name)
        np.testing.assert_allclose(
            masks[..., touched], found["PyTorch"][..., touched], **tolerance, equal_nan=True, err_msg=name
        )


@given(cases())
@settings(max_examples=20, deadline=None)
def test_the_same_inputs_give_the_same_bytes(emulated: ctypes.CDLL, case: Case) -> None:
    first, second = ({name: value.tobytes() for name, value in implementations(case, emulated)} for _ in range(2))
    assert first == second
