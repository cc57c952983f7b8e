"""Normalisation layers whose behaviour the deployment depends on."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import group_norm

from stc.model.precision import widen


class FrozenBatchNorm2d(nn.Module):
    """Batch norm with fixed statistics and affine terms, eps 1e-5: detectron2's backbone norm, four buffers."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor
    eps = 1e-5

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale[:, None, None] + shift[:, None, None]


class GroupNorm(nn.GroupNorm):
    """Group norm whose statistics are float32 also in a half precision model: sums over a level overflow float16."""

    def forward(self, input: Tensor) -> Tensor:
        wide = group_norm(
            widen(input, "group_norm"),
            self.num_groups,
            widen(self.weight, "group_norm"),
            widen(self.bias, "group_norm"),
            self.eps,
        )
        return wide.to(input.dtype)
