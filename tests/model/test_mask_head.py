"""The dynamic mask head and its upsampling against the float64 statement."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from stc.model.layers import aligned_bilinear
from stc.model.mask_head import dynamic_mask_head, mask_logits
from stc.model.pyramid import MaskBranch
from tests.reference import condinst

SIZES = torch.tensor([64.0, 128, 256, 512, 1024])


def inputs(seed: int, batch: int, instances: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features, parameters, locations (also outside of the picture) and sizes, float64."""
    g = torch.Generator().manual_seed(seed)
    feats = torch.randn(batch, 8, height, width, generator=g, dtype=torch.float64)
    params = torch.randn(batch, instances, 169, generator=g, dtype=torch.float64) * 0.5
    locations = torch.rand(batch, instances, 2, generator=g, dtype=torch.float64) * 8 * max(height, width) * 1.2 - 10
    sizes = SIZES[torch.randint(0, 5, (batch, instances), generator=g)].double()
    return feats, params, locations.round(), sizes


def stated(case: tuple[Tensor, ...], image: int, **options: int) -> Tensor:
    feats, params, locations, sizes = (np.asarray(tensor[image]) for tensor in case)
    return torch.from_numpy(condinst.mask_head(feats, params, locations, sizes, **options))


@pytest.mark.parametrize("instances", [0, 1, 7])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 13), (12, 20)])
@pytest.mark.parametrize("upsample", [1, 2, 4])
def test_probabilities_are_those_of_the_statement(instances: int, height: int, width: int, upsample: int) -> None:
    case = inputs(instances * 100 + height, 2, instances, height, width)
    count = torch.full((2,), instances, dtype=torch.int32)
    found = dynamic_mask_head(*case, count, upsample=upsample)
    assert found.shape == (2, instances, height * upsample, width * upsample)
    for image in range(2):
        torch.testing.assert_close(found[image], stated(case, image, upsample=upsample), atol=1e-12, rtol=0)


def test_float32_differs_by_rounding_only() -> None:
    case = inputs(5, 1, 20, 12, 20)
    single = tuple(tensor.float() for tensor in case)
    exact = tuple(tensor.double() for tensor in single)  # the same numbers, so that only the arithmetic differs
    found = dynamic_mask_head(*single, torch.tensor([20], dtype=torch.int32))
    assert found.dtype == torch.float32
    # Logits reach a few hundred (coordinates over 64, three layers), where float32 steps are 3e-5.
    torch.testing.assert_close(found[0].double(), stated(exact, 0), atol=2e-5, rtol=0)


@pytest.mark.parametrize("counts", [(0, 0), (0, 6), (1, 5), (6, 6)])
def test_rows_from_the_count_on_are_zero_whatever_they_hold(counts: tuple[int, int]) -> None:
    feats, params, locations, sizes = inputs(9, 2, 6, 5, 9)
    params, locations = params.clone(), locations.clone()
    for image, count in enumerate(counts):
        params[image, count:] = torch.nan
        locations[image, count:] = torch.inf
        sizes[image, count:] = 0
    found = dynamic_mask_head(feats, params, locations, sizes, torch.tensor(counts, dtype=torch.int32))
    for image, count in enumerate(counts):
        valid = tuple(tensor[:, :count] for tensor in (params, locations, sizes))
        torch.testing.assert_close(found[image, :count], stated((feats, *valid), image), atol=1e-12, rtol=0)
        assert not found[image, count:].any()


def test_nan_features_reach_only_masks_that_see_them() -> None:
    feats, params, locations, sizes = inputs(3, 1, 2, 4, 6)
    feats[0, 0, 0, 0] = torch.nan
    found = dynamic_mask_head(feats, params, locations, sizes, torch.tensor([1], dtype=torch.int32), upsample=1)
    assert found[0, 0].isnan().sum() == 1
    assert not found[0, 1].any()


def test_logits_have_gradients_of_all_their_inputs() -> None:
    feats, params, locations, sizes = inputs(4, 1, 2, 2, 2)
    leaves = (feats.requires_grad_(), params.requires_grad_(), locations.requires_grad_())
    assert torch.autograd.gradcheck(lambda f, p, at: mask_logits(f, p, at, sizes), leaves, fast_mode=True)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 13), (12, 20)])
def test_aligned_bilinear_equals_its_definition(factor: int, size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(factor), dtype=torch.float64)
    expected = np.stack([condinst.aligned_bilinear(image, factor) for image in np.asarray(x)])
    torch.testing.assert_close(aligned_bilinear(x, factor), torch.from_numpy(expected), atol=1e-12, rtol=0)


def test_mask_branch_sums_its_levels_at_the_finest() -> None:
    branch = MaskBranch(inputs=16, channels=12, depth=2, out_channels=8).double().eval()
    g = torch.Generator().manual_seed(0)
    pyramid = [torch.randn(1, 16, 8 // 2**i, 20 // 2**i, generator=g, dtype=torch.float64) for i in range(3)]
    with torch.inference_mode():
        refined = [np.asarray(refine(level)[0]) for refine, level in zip(branch.refine, pyramid, strict=True)]
        merged = torch.from_numpy(condinst.merge_refined(*refined))[None]
        torch.testing.assert_close(branch(pyramid), branch.pred(branch.tower(merged)), atol=1e-12, rtol=0)


def test_mask_branch_adds_c2_at_its_stride() -> None:
    branch = MaskBranch(inputs=16, channels=12, depth=1, out_channels=8, c2_channels=5).double().eval()
    g = torch.Generator().manual_seed(0)
    pyramid = [torch.randn(1, 16, 8 // 2**i, 20 // 2**i, generator=g, dtype=torch.float64) for i in range(3)]
    c2 = torch.randn(1, 5, 16, 40, generator=g, dtype=torch.float64)
    assert branch.fine is not None
    with torch.inference_mode():
        refined = [np.asarray(refine(level)[0]) for refine, level in zip(branch.refine, pyramid, strict=True)]
        doubled = condinst.aligned_bilinear(condinst.merge_refined(*refined), 2)
        merged = torch.from_numpy(doubled)[None] + branch.fine(c2)
        torch.testing.assert_close(branch(pyramid, c2), branch.pred(branch.tower(merged)), atol=1e-12, rtol=0)
