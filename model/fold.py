"""Batch norms become part of the convolutions before them."""

from __future__ import annotations

from copy import copy

import torch
from torch import nn

from stc.model.head import Head, Separable, Tower
from stc.model.layers import FrozenBatchNorm2d


def fold_batch_norms(model: nn.Module) -> None:
    """Fold every batch norm of `model` (eval mode) into its convolution, in place.

    Done here in float64 and not left to an optimiser, because a float16 graph must round the product of weight and
    scale once, not weight, scale, mean and variance each. A tower with one norm per level gets one convolution per
    level. Group norms stay.
    """
    for module in model.modules():
        for name, child in list(module.named_children()):
            norm = getattr(module, name.replace("conv", "bn"), None) if name.startswith("conv") else None
            if isinstance(child, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d | FrozenBatchNorm2d):
                setattr(module, name, folded(child, norm))
                setattr(module, name.replace("conv", "bn"), nn.Identity())
        if isinstance(module, Tower):
            _fold_tower(module)
        if isinstance(module, Head) and module.track_tower and isinstance(module.track_norm, nn.BatchNorm2d):
            module.track_pred = folded(module.track_pred, module.track_norm)
            module.track_norm = nn.Identity()


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d | FrozenBatchNorm2d) -> nn.Conv2d:
    """A convolution with bias that equals `norm(conv(x))` with the norm's stored statistics."""
    mean, var = norm.running_mean, norm.running_var
    assert mean is not None
    assert var is not None
    scale = norm.weight.double() * (var.double() + norm.eps).rsqrt()
    bias = torch.zeros_like(mean) if conv.bias is None else conv.bias
    both = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]  # a pair, as the constructor takes it
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        groups=conv.groups,
    )
    with torch.no_grad():
        both.weight.copy_(conv.weight.double() * scale[:, None, None, None])
        assert both.bias is not None
        both.bias.copy_(norm.bias.double() + (bias.double() - mean.double()) * scale)
    return both.requires_grad_(False)


def _fold_tower(tower: Tower) -> None:
    for index, norms in enumerate(tower.norms):
        conv = tower.convs[index]
        if isinstance(norms, nn.ModuleList) and isinstance(conv, nn.Conv2d | Separable):
            levels = [_folded_level(conv, norm) for norm in norms if isinstance(norm, nn.BatchNorm2d)]
            tower.convs[index] = nn.ModuleList(levels)
            tower.norms[index] = nn.Identity()


def _folded_level(conv: nn.Conv2d | Separable, norm: nn.BatchNorm2d) -> nn.Module:
    if isinstance(conv, nn.Conv2d):
        return folded(conv, norm)
    level = copy(conv)  # shares the depthwise weights, which no norm changes
    level._modules = dict(conv._modules)
    level.pointwise = folded(conv.pointwise, norm)
    return level
