"""Losses of CondInst on dense predictions (arXiv 2003.05664, 1904.01355) and their sum with the embedding losses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from stc.model.config import ModelConfig
from stc.model.mask_head import mask_logits
from stc.model.outputs import RawOutputs
from stc.training.config import TrainConfig
from stc.training.contrastive import embedding_losses
from stc.training.sampling import balanced_sample
from stc.training.targets import Batch, make_grid


@dataclass(frozen=True)
class Losses:
    """The unweighted terms, each a scalar, and their weighted sum; `positives` of the batch."""

    cls: Tensor
    box: Tensor
    centerness: Tensor
    mask: Tensor
    contrast: Tensor
    cosine: Tensor
    total: Tensor
    positives: int


def compute_losses(
    raw: RawOutputs, batch: Batch, model: ModelConfig, config: TrainConfig, generator: torch.Generator
) -> Losses:
    """All terms for one batch. A term without positives is 0 and still differentiable."""
    logits, ltrb, centerness = flatten(raw.logits), flatten(raw.ltrb), flatten(raw.centerness)[..., 0]
    positive = batch.instance >= 0
    count = int(positive.sum())
    normaliser = max(count, 1)

    target = torch.nn.functional.one_hot(batch.labels, model.num_classes + 1)[..., :-1].to(logits.dtype)
    focal = focal_loss(logits, target, config.focal_alpha, config.focal_gamma)
    cls = (focal * batch.known[..., None]).sum() / normaliser

    weight = batch.centerness[positive]
    box = (weight * giou_loss(ltrb[positive], batch.ltrb[positive])).sum() / weight.sum().clamp(min=1e-6)
    ctr = binary_cross_entropy_with_logits(centerness[positive], weight, reduction="sum") / normaliser

    mask = mask_loss(raw, batch, model, config, generator)
    contrast = cosine = raw.mask_feats.new_zeros(())
    if raw.embeddings:
        contrast, cosine = embedding_losses(flatten(raw.embeddings), batch.identities, batch.clear, config, generator)
    total = (
        config.cls_weight * cls
        + config.box_weight * box
        + config.centerness_weight * ctr
        + config.mask_weight * mask
        + config.contrast_weight * contrast
        + config.cosine_weight * cosine
    )
    return Losses(cls, box, ctr, mask, contrast, cosine, total, count)


def flatten(levels: list[Tensor]) -> Tensor:
    """Per level (B, C, h, w) -> (B, L, C), the order of `Grid`."""
    return torch.cat([level.flatten(2) for level in levels], dim=2).transpose(1, 2)


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


def mask_loss(
    raw: RawOutputs, batch: Batch, model: ModelConfig, config: TrainConfig, generator: torch.Generator
) -> Tensor:
    """Mean dice at the output stride over at most `max_masks` positives, spread evenly over the instances."""
    grid = make_grid(model, config.range_factor)
    device = raw.mask_feats.device
    points, sizes = torch.from_numpy(grid.points).to(device), torch.from_numpy(grid.sizes).to(device)
    params = flatten(raw.params)
    view, location = (batch.instance >= 0).nonzero(as_tuple=True)
    # One number per instance of the batch: no view has as many instances as there are locations.
    chosen = balanced_sample(view * len(points) + batch.instance[view, location], config.max_masks, generator)
    view, location = view[chosen], location[chosen]
    losses = [params.sum() * 0, raw.mask_feats.sum() * 0]
    for index in sorted(set(view.tolist())):
        at = location[view == index]
        logits = mask_logits(
            raw.mask_feats[index : index + 1],
            params[index, at][None],
            points[at][None],
            sizes[at][None],
            channels=model.mask_channels,
            layers=model.mask_layers,
            stride=model.strides[0],
            upsample=model.strides[0] // model.mask_out_stride,
        )
        losses.append(dice_loss(logits[0].sigmoid(), batch.masks[index][batch.instance[index, at]]).sum())
    return torch.stack(losses).sum() / max(len(view), 1)


def _area(ltrb: Tensor) -> Tensor:
    return (ltrb[..., 0] + ltrb[..., 2]) * (ltrb[..., 1] + ltrb[..., 3])
