"""All losses of STC on one batch, and their weighted sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from stc.model.config import ModelConfig
from stc.model.decode import RawOutputs
from stc.training.config import TrainConfig
from stc.training.losses.consistency import consistency_loss
from stc.training.losses.contrastive import embedding_losses
from stc.training.losses.masks import box_iou, focal_loss, giou_loss, mask_loss
from stc.training.losses.predictions import Predictions, gather
from stc.training.losses.targets import Batch


@dataclass(frozen=True)
class Losses:
    """The unweighted terms, each a scalar, and their weighted sum; `positives` of the batch."""

    cls: Tensor
    box: Tensor
    centerness: Tensor
    mask: Tensor
    contrast: Tensor
    cosine: Tensor
    consistency: Tensor
    total: Tensor
    positives: int


def mean_losses(found: Sequence[Losses]) -> Losses:
    """The means of the terms, and all positives."""
    terms = (field.name for field in fields(Losses) if field.name != "positives")
    means = {name: torch.stack([getattr(losses, name).detach() for losses in found]).mean() for name in terms}
    return Losses(**means, positives=sum(losses.positives for losses in found))


def compute_losses(
    raw: RawOutputs, batch: Batch, model: ModelConfig, config: TrainConfig, generator: torch.Generator
) -> Losses:
    """All terms for one batch. A term without positives is 0 and still differentiable."""
    found = gather(raw)
    cls, box, centerness = detection_losses(found, batch, model, config)
    mask = mask_loss(found, batch, model, config, generator)
    contrast = cosine = mask.new_zeros(())
    if found.embeddings is not None:
        contrast, cosine = embedding_losses(found.embeddings, batch.identities, batch.clear, config, generator)
    consistency = consistency_loss(found, batch, model, config, generator)
    total = (
        config.cls_weight * cls
        + config.box_weight * box
        + config.centerness_weight * centerness
        + config.mask_weight * mask
        + config.contrast_weight * contrast
        + config.cosine_weight * cosine
        + config.consistency_weight * consistency
    )
    count = int((batch.instance >= 0).sum())
    return Losses(cls, box, centerness, mask, contrast, cosine, consistency, total, count)


def detection_losses(
    found: Predictions, batch: Batch, model: ModelConfig, config: TrainConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """(class, box, centerness) of FCOS; class and centerness per positive, boxes weighted by their centerness.

    Where the config says so, the third is the quality of the predicted box in place of centerness.
    """
    positive = batch.instance >= 0
    normaliser = positive.sum().clamp(min=1)
    target = torch.nn.functional.one_hot(batch.labels, model.num_classes + 1)[..., :-1].to(found.logits.dtype)
    focal = focal_loss(found.logits, target, config.focal_alpha, config.focal_gamma)
    counted = batch.known[..., None] & (batch.complete[:, None] | positive[..., None])
    cls = (focal * counted).sum() / normaliser

    weight = batch.centerness[positive].to(found.ltrb.dtype)
    box = (weight * giou_loss(found.ltrb[positive], batch.ltrb[positive])).sum() / weight.sum().clamp(min=1e-6)
    quality = box_iou(found.ltrb[positive], batch.ltrb[positive]).detach() if config.quality == "iou" else weight
    centerness = binary_cross_entropy_with_logits(found.centerness[positive], quality, reduction="sum") / normaliser
    return cls, box, centerness
