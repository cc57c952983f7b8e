"""CondInst's upsampling, in closed form."""

from __future__ import annotations

import torch
from torch import Tensor


def aligned_bilinear(x: Tensor, factor: int) -> Tensor:
    """Upsample (..., h, w) to (..., h*factor, w*factor).

    CondInst defines it as replicate padding, align-corners bilinear and a crop; that equals, per axis and for output
    o, `s = max(o - factor // 2, 0) / factor`, `i = floor(s)`, `(1 - (s - i)) * in[min(i, n-1)] + (s - i) *
    in[min(i+1, n-1)]`.
    """
    if factor == 1:
        return x
    return _along(_along(x, factor, -2), factor, -1)


def _along(x: Tensor, factor: int, dim: int) -> Tensor:
    size = x.shape[dim]
    source = (torch.arange(size * factor, device=x.device) - factor // 2).clamp(min=0)
    lower = source // factor
    weight = (source - lower * factor).to(x.dtype) / factor
    if dim == -2:
        weight = weight[:, None]
    first = x.index_select(dim, lower.clamp(max=size - 1))
    second = x.index_select(dim, (lower + 1).clamp(max=size - 1))
    return first * (1 - weight) + second * weight
