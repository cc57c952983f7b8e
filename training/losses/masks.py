"""Masks of chosen locations, and the loss on them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from stc.model.config import ModelConfig
from stc.model.mask_head import mask_logits
from stc.training.config import TrainConfig
from stc.training.losses.predictions import Predictions, balanced_sample, random_sample
from stc.training.losses.targets import Batch, make_grid


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


def projection_loss(probabilities: Tensor, target: Tensor) -> Tensor:
    """(N, h, w) probabilities and 0/1 boxes -> (N,): dice of their shadows on both axes (BoxInst, arXiv 2012.02310)."""
    shadows = [(probabilities.amax(axis), target.amax(axis)) for axis in (1, 2)]
    return sum((dice_loss(x, y) for x, y in shadows), probabilities.new_zeros(len(probabilities)))


def box_iou(predicted: Tensor, target: Tensor) -> Tensor:
    """IoU 0..1 of boxes given as (N, 4) distances l, t, r, b from the same points -> (N,)."""
    intersection = _area(torch.minimum(predicted, target))
    return intersection / (_area(predicted) + _area(target) - intersection).clamp(min=1e-6)


def _area(ltrb: Tensor) -> Tensor:
    return (ltrb[..., 0] + ltrb[..., 2]) * (ltrb[..., 1] + ltrb[..., 3])


def predict_masks(features: Tensor, params: Tensor, points: Tensor, sizes: Tensor, model: ModelConfig) -> Tensor:
    """Probabilities (n, Hp / mask stride, Wp / mask stride) of n instances in one view.

    features: (channels, h, w) of the view. params: (n, P). points: (n, 2) xy in input pixels. sizes: (n,).
    """
    logits = mask_logits(
        features[None],
        params[None],
        points[None],
        sizes[None],
        **model.mask_head,
    )
    return logits[0].sigmoid()


def mask_loss(
    found: Predictions, batch: Batch, model: ModelConfig, config: TrainConfig, generator: torch.Generator
) -> Tensor:
    """Mean dice at the output stride over at most `max_masks` positives; of boxes, that of their projections."""
    points, sizes = grid_tensors(model, config, found.mask_feats.device)
    view, location = (batch.instance >= 0).nonzero(as_tuple=True)
    if config.mask_sampling == "balanced":
        # One number per instance of the batch: no view has as many instances as there are locations.
        chosen = balanced_sample(view * len(points) + batch.instance[view, location], config.max_masks, generator)
    else:
        chosen = random_sample(len(view), config.max_masks, generator).to(view.device)
    view, location = view[chosen], location[chosen]
    losses = [found.params.sum() * 0, found.mask_feats.sum() * 0]
    for index in sorted(set(view.tolist())):
        at = location[view == index]
        masks = predict_masks(found.mask_feats[index], found.params[index, at], points[at], sizes[at], model)
        objects = batch.instance[index, at]
        target, outlined = batch.masks[index][objects], batch.outlined[index][objects]
        losses.append(torch.where(outlined, dice_loss(masks, target), projection_loss(masks, target)).sum())
    return torch.stack(losses).sum() / max(len(view), 1)


def grid_tensors(model: ModelConfig, config: TrainConfig, device: torch.device) -> tuple[Tensor, Tensor]:
    """Points (L, 2) xy and sizes of interest (L,) of all locations."""
    grid = make_grid(model, config.range_factor)
    return torch.from_numpy(grid.points).to(device), torch.from_numpy(grid.sizes).to(device)
