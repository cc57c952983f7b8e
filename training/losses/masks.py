"""Masks of chosen locations, and the loss on them."""

from __future__ import annotations

import torch
from torch import Tensor

from stc.model.config import ModelConfig
from stc.model.mask_head import mask_logits
from stc.training.config import TrainConfig
from stc.training.elementwise import dice_loss
from stc.training.losses.predictions import Predictions
from stc.training.losses.targets import Batch, make_grid
from stc.training.sampling import balanced_sample, random_sample


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
    """Mean dice at the output stride over at most `max_masks` positives."""
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
        losses.append(dice_loss(masks, batch.masks[index][batch.instance[index, at]]).sum())
    return torch.stack(losses).sum() / max(len(view), 1)


def grid_tensors(model: ModelConfig, config: TrainConfig, device: torch.device) -> tuple[Tensor, Tensor]:
    """Points (L, 2) xy and sizes of interest (L,) of all locations."""
    grid = make_grid(model, config.range_factor)
    return torch.from_numpy(grid.points).to(device), torch.from_numpy(grid.sizes).to(device)
