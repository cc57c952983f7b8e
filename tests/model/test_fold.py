"""Folding batch norms changes the graph and not the function."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from stc.model.config import PRESETS, R50
from stc.model.fold import fold_batch_norms, folded
from stc.model.layers import FrozenBatchNorm2d
from stc.model.network import STC
from tests.seeded import stc_lite_model


def randomise_norms(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d):
            for tensor, low, high in (
                (module.weight, 0.5, 1.5),
                (module.bias, -1, 1),
                (module.running_mean, -1, 1),
                (module.running_var, 0.5, 2),
            ):
                assert tensor is not None
                tensor.data.uniform_(low, high)


@pytest.mark.parametrize(("groups", "bias", "stride"), [(1, False, 1), (1, True, 2), (8, False, 2)])
@pytest.mark.parametrize("kind", [nn.BatchNorm2d, FrozenBatchNorm2d])
def test_one_convolution_equals_both(kind: type[nn.Module], groups: int, bias: bool, stride: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 16, 3, stride, 1, groups=groups, bias=bias).double()
    norm = kind(16).double().eval()
    randomise_norms(norm)
    x = torch.randn(2, 8, 9, 7, dtype=torch.float64)
    # The folded weights are stored in float32: one rounding of 6e-8 per weight, tens of terms of size one.
    both = folded(conv, norm)  # type: ignore[arg-type]
    torch.testing.assert_close(both(x.float()).double(), norm(conv(x)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["stc-lite", "stc-lite-2", "r50"])
def test_no_batch_norm_is_left_and_the_outputs_stay(name: str) -> None:
    torch.manual_seed(0)
    model = STC(R50.with_(classes=("a", "b"))).eval() if name == "r50" else stc_lite_model(0, PRESETS[name])
    if name == "r50":
        randomise_norms(model.mask_branch)
        randomise_norms(model.head)
    plain = copy.deepcopy(model)
    fold_batch_norms(model)
    left = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d | FrozenBatchNorm2d)]
    assert left == []
    images = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        expected, found = plain(images), model(images)
    for field in ("logits", "centerness", "ltrb", "params", "embeddings"):
        for a, b in zip(getattr(found, field), getattr(expected, field), strict=True):
            # Both are float32 through fifty to seventy layers in another order of operations.
            torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(found.mask_feats, expected.mask_feats, atol=1e-3, rtol=1e-3)
