"""The dynamic mask head: every instance brings the weights of its own three-layer network (CondInst, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from stc.model.layers import aligned_bilinear, level_locations, widen
from stc.runtime.mask_head_op import layer_channels, part_sizes


def mask_logits(
    mask_feats: Tensor,
    params: Tensor,
    locations: Tensor,
    sizes: Tensor,
    *,
    channels: int = 8,
    layers: int = 3,
    stride: int = 8,
    upsample: int = 2,
) -> Tensor:
    """Mask logits of K instances per image, computed in float32 (float64 for float64 inputs).

    mask_feats: (B, channels, h, w) at `stride` input pixels per cell. params: (B, K, P), all weights then all biases,
    each layer row-major (out, in), the first layer's inputs being [rel_x, rel_y, mask_feats]. locations: (B, K, 2) xy
    in input pixels. sizes: (B, K), what relative coordinates are divided by. Returns (B, K, h*upsample, w*upsample).

    Relative coordinates `(location - grid) / size` enter linearly, so the first layer is evaluated as an affine map
    of the constant grid: no (K, 2, h, w) tensor exists.
    """
    batch, _, height, width = mask_feats.shape
    instances = params.shape[1]
    weights, biases = _split(widen(params, "dynamic_mask_head"), channels, layers)

    features = widen(mask_feats, "dynamic_mask_head").flatten(2)
    grid = level_locations(height, width, stride, mask_feats.device).to(features.dtype).T
    features = torch.cat([-grid.expand(batch, -1, -1), features], dim=1)

    first = weights[0]
    coordinate_weights = first[..., :2] / sizes.to(first.dtype)[..., None, None]
    offset = (coordinate_weights * locations.to(first.dtype)[:, :, None]).sum(-1) + biases[0]
    matrix = torch.cat([coordinate_weights, first[..., 2:]], dim=-1).flatten(1, 2)
    x = (matrix @ features).view(batch, instances, channels, height * width) + offset[..., None]
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        x = weight @ x.relu() + bias[..., None]
    return aligned_bilinear(x.view(batch, instances, height, width), upsample)


def dynamic_mask_head(
    mask_feats: Tensor,
    params: Tensor,
    locations: Tensor,
    sizes: Tensor,
    count: Tensor,
    *,
    channels: int = 8,
    layers: int = 3,
    stride: int = 8,
    upsample: int = 2,
) -> Tensor:
    """Mask probabilities 0..1, in the dtype of `mask_feats`; rows at and beyond `count` (B,) int32 are zero.

    This is the op `stc::DynamicMaskHead`, version 1, as PyTorch states it. Shapes as in `mask_logits`.
    """
    logits = mask_logits(
        mask_feats, params, locations, sizes, channels=channels, layers=layers, stride=stride, upsample=upsample
    )
    valid = torch.arange(params.shape[1], device=count.device) < count[:, None]
    # Selected, not multiplied: a NaN in an unused row must not survive.
    return torch.where(valid[..., None, None], logits.sigmoid(), 0).to(mask_feats.dtype)


def _split(params: Tensor, channels: int, layers: int) -> tuple[list[Tensor], list[Tensor]]:
    """(B, K, P) -> per layer weights (B, K, out, in) and biases (B, K, out)."""
    parts = torch.split(params, part_sizes(channels, layers), dim=-1)
    shapes = layer_channels(channels, layers)
    weights = [part.reshape(*part.shape[:-1], o, i) for part, (i, o) in zip(parts[:layers], shapes, strict=True)]
    return weights, list(parts[layers:])
