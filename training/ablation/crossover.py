"""Stage 2: pyramid, heads and mask branch on a frozen backbone, and whether filters hold from one frame to another."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from stc.model.decode import RawOutputs
from stc.model.network import STC
from stc.training.ablation.cache import Frozen, best_locations, load_frozen, overlap, together
from stc.training.ablation.embeddings import Scores, draw, optimiser_of, stop_if_asked
from stc.training.ablation.scenes import TIMES, Scenes
from stc.training.ablation.variants import RECIPE, Variant
from stc.training.losses.masks import dice_loss, grid_tensors, predict_masks
from stc.training.losses.predictions import gather
from stc.training.losses.total import compute_losses
from stc.training.optimisation import set_learning_rate, train_mode


def train_heads(model: STC, pairs: Sequence[Path], variant: Variant, steps: int, seed: int) -> STC:
    """A copy of `model` trained on for `steps`, all but its backbone and tracking tower."""
    config = variant.config
    trained = copy.deepcopy(model).requires_grad_(False)
    train_mode(trained, config)
    tracking = {weight for module in trained.head.tracking() for weight in module.parameters()}
    learning = (trained.fpn, trained.head, trained.mask_branch)
    weights = [weight for part in learning for weight in part.parameters() if weight not in tracking]
    for weight in weights:
        weight.requires_grad_()
    optimiser = optimiser_of(weights, config)
    for step in range(steps):
        set_learning_rate(optimiser, step, step / steps, config)
        stop_if_asked()
        parts = [load_frozen(pairs[index]) for index in draw(len(pairs), config.batch_pairs, seed, step)]
        generator = torch.Generator().manual_seed((seed << 32) + step)
        optimiser.zero_grad(set_to_none=True)
        batch = together([part.targets for part in parts])
        losses = compute_losses(heads(trained, parts), batch, model.config, config, generator)
        losses.total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, config.clip_norm)
        optimiser.step()
    return trained.eval()


def heads(model: STC, parts: Sequence[Frozen]) -> RawOutputs:
    """What `model` makes of cached maps of its backbone, without embeddings."""
    maps = tuple(torch.cat(level).float() for level in zip(*(part.maps for part in parts), strict=True))
    fine = [part.c2.float() for part in parts if part.c2 is not None]
    pyramid = model.fpn(maps)
    mask_feats = model.mask_branch(pyramid, torch.cat(fine) if fine else None)
    return RawOutputs(**model.head(pyramid, embed=False), mask_feats=mask_feats)


@dataclass(frozen=True)
class Filters:
    """Of one frame n objects: identity, own mask's IoU `j` (n,), params (n, P), points (n, 2), sizes (n,), true masks
    (n, h, w); features (channels, h, w) of the frame.
    """

    identity: Tensor
    j: Tensor
    params: Tensor
    points: Tensor
    sizes: Tensor
    masks: Tensor
    features: Tensor


@torch.inference_mode()
def stability(model: STC, scenes: Scenes) -> tuple[Scores, Scores]:
    """Of objects seen in two frames of a scene, means by set and gap, and of how many objects.

    crossed: dice of the mask that the first frame's filters make in the second with the true one. own: the same of the
    second's own filters. steady: 1 - |J - J'|, J and J' being the IoU of the own masks in both.
    """
    frame = lru_cache(len(TIMES))(lambda path: _filters(model, load_frozen(path)))  # those of one scene
    found: dict[str, list[float]] = {}
    for name, first, second in scenes.comparisons("frozen"):
        stop_if_asked()
        one, two = frame(first), frame(second)
        here, there = (one.identity[:, None] == two.identity[None]).nonzero(as_tuple=True)
        if not len(here):
            continue
        place = two.points[there], two.sizes[there]
        crossed = predict_masks(two.features, one.params[here], *place, model.config)
        own = predict_masks(two.features, two.params[there], *place, model.config)
        values = {
            "crossed": 1 - dice_loss(crossed, two.masks[there]),
            "own": 1 - dice_loss(own, two.masks[there]),
            "steady": 1 - (one.j[here] - two.j[there]).abs(),
        }
        for kind, each in values.items():
            found.setdefault(f"{name}, {kind}", []).extend(each.tolist())
    return {name: sum(each) / len(each) for name, each in found.items()}, {k: float(len(v)) for k, v in found.items()}


def _filters(model: STC, frame: Frozen) -> Filters:
    found, batch = gather(heads(model, [frame])), frame.targets
    at, objects = best_locations(found, batch)
    points, sizes = (values[at] for values in grid_tensors(model.config, RECIPE, at.device))
    params, features, truth = found.params[0, at], found.mask_feats[0], batch.masks[0][objects]
    own = overlap(predict_masks(features, params, points, sizes, model.config), truth)
    return Filters(batch.identities[0, at], own, params, points, sizes, truth, features)
