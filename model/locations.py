"""Centres of the cells that the heads predict for."""

from __future__ import annotations

import torch
from torch import Tensor


def level_locations(height: int, width: int, stride: int, device: torch.device | None = None) -> Tensor:
    """(height*width, 2) float32 xy in input pixels, row-major: `index * stride + stride // 2` (FCOS, section 3.1)."""
    y = torch.arange(height, dtype=torch.float32, device=device) * stride + stride // 2
    x = torch.arange(width, dtype=torch.float32, device=device) * stride + stride // 2
    return torch.stack([x.repeat(height), y.repeat_interleave(width)], dim=1)
