"""The elementary losses of FCOS and CondInst (arXiv 1904.01355, 2003.05664)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def focal_loss(logits: Tensor, target: Tensor, alpha: float, gamma: float) -> Tensor:
    """Elementwise sigmoid focal loss `-alpha_t (1 - p_t)^gamma log p_t` (arXiv 1708.02002); target 0 or 1."""
    signed = torch.where(target > 0, logits, -logits)  # p_t = sigmoid(signed)
    alpha_t = torch.where(target > 0, alpha, 1 - alpha)
    return -alpha_t * torch.sigmoid(-signed) ** gamma * logsigmoid(signed)


def giou_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """1 - GIoU of boxes given as (N, 4) distances l, t, r, b from the same points -> (N,).

    With AdelaiDet's smoothing, IoU = (I + 1) / (U + 1), so that a prediction of zero size has a gradient.
    """
    smaller, larger = torch.minimum(predicted, target), torch.maximum(predicted, target)
    intersection = _area(smaller)
    union = _area(predicted) + _area(target) - intersection
    hull = _area(larger)
    return 1 - ((intersection + 1) / (union + 1) - (hull - union) / hull.clamp(min=1e-6))


def dice_loss(probabilities: Tensor, target: Tensor) -> Tensor:
    """(N, h, w) probabilities and 0/1 masks -> (N,): 1 - 2 sum(xy) / (sum(x^2) + sum(y^2) + 1e-5)."""
    x, y = probabilities.flatten(1), target.flatten(1)
    return 1 - 2 * (x * y).sum(1) / ((x * x).sum(1) + (y * y).sum(1) + 1e-5)


def _area(ltrb: Tensor) -> Tensor:
    return (ltrb[..., 0] + ltrb[..., 2]) * (ltrb[..., 1] + ltrb[..., 3])
