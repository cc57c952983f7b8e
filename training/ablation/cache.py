"""What a frozen network makes of pictures, computed once: a file a pair or frame, so that a kill costs one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stc.errors import CheckpointError
from stc.files import atomic_path
from stc.model.config import ModelConfig
from stc.model.decode import RawOutputs
from stc.model.network import STC, pyramid_of
from stc.model.normalise import normalise
from stc.training.ablation.patches import Patches, cut, patch_side
from stc.training.ablation.variants import BACKGROUND, RECIPE
from stc.training.data.pairs import Pair
from stc.training.data.views import View
from stc.training.losses.masks import grid_tensors, predict_masks
from stc.training.losses.predictions import Predictions, balanced_sample, gather, random_sample
from stc.training.losses.targets import Batch, collate

DETECTED = 0.5  # IoU of the own mask from which an object counts as detected


@dataclass(frozen=True)
class Frozen:
    """The backbone's maps of M views, float16 (C2 only where the masks read it), and the views' targets."""

    c2: Tensor | None
    maps: list[Tensor]
    targets: Batch


@dataclass(frozen=True)
class Located:
    """Of one view n locations: identity (n,), -1 for background; own (n,) bool, on the mask of its object."""

    patches: Patches
    identity: Tensor
    own: Tensor


@dataclass(frozen=True)
class Seen:
    """Of one view n objects, each at its location of the best score: identity, label (n,); detected (n,) bool, by a
    mask with IoU 0.5 and a score that the model gives out.
    """

    patches: Patches
    identity: Tensor
    label: Tensor
    detected: Tensor


@torch.inference_mode()
def freeze_pair(model: STC, pair: Pair, seed: int) -> tuple[Frozen, list[Located]]:
    """The maps of a pair, and of each view its positives and some background."""
    batch, features, pyramid = _through(model, *pair)
    generator = torch.Generator().manual_seed(seed)
    located = []
    for view in range(len(pair)):
        positive = (batch.instance[view] >= 0).nonzero()[:, 0]
        positive = positive[balanced_sample(batch.identities[view, positive], RECIPE.max_contrast // 2, generator)]
        clear = batch.clear[view].nonzero()[:, 0]
        at = torch.cat([positive, clear[random_sample(len(clear), BACKGROUND, generator)]])
        patches = cut([level[view : view + 1] for level in pyramid], at, patch_side(model.config))
        own = _on_mask(batch, view, at, model.config)
        located.append(Located(_halved(patches), batch.identities[view, at], own))
    return _frozen(model, batch, features), located


@torch.inference_mode()
def freeze_frame(model: STC, view: View) -> tuple[Frozen, Seen]:
    """The same of one view that is judged on: its objects, and which of them the model detects."""
    batch, features, pyramid = _through(model, view)
    raw = RawOutputs(**model.head(pyramid, embed=False), mask_feats=model.mask_branch(pyramid, features[0]))
    found = gather(raw)
    at, objects = best_locations(found, batch)
    points, sizes = grid_tensors(model.config, RECIPE, torch.device("cpu"))
    masks = predict_masks(found.mask_feats[0], found.params[0, at], points[at], sizes[at], model.config)
    label = batch.labels[0, at]
    chance = found.logits[0, at].gather(1, label[:, None])[:, 0].sigmoid()
    quality = chance * found.centerness[0, at].sigmoid()
    passed = (quality if model.config.threshold_with_centerness else chance) > model.config.score_threshold
    detected = passed & (overlap(masks, batch.masks[0][objects]) > DETECTED)
    patches = _halved(cut(pyramid, at, patch_side(model.config)))
    return _frozen(model, batch, features), Seen(patches, batch.identities[0, at], label, detected)


def best_locations(found: Predictions, batch: Batch) -> tuple[Tensor, Tensor]:
    """Of a batch of one view: of each object that has a location the one that scores best, and the object's index."""
    positive = (batch.instance[0] >= 0).nonzero()[:, 0]
    label = batch.labels[0, positive]
    score = (
        found.logits[0, positive].gather(1, label[:, None])[:, 0].sigmoid() * found.centerness[0, positive].sigmoid()
    )
    order = positive[score.argsort(descending=True, stable=True)]
    objects = batch.instance[0, order]
    first = {int(index): place for place, index in reversed(list(enumerate(objects.tolist())))}
    chosen = torch.tensor([first[index] for index in sorted(first)], dtype=torch.int64)
    return order[chosen], objects[chosen]


def overlap(masks: Tensor, truth: Tensor) -> Tensor:
    """IoU (n,) of probabilities (n, h, w), taken from 0.5, with masks of 0 and 1."""
    shown, there = masks > 0.5, truth > 0.5
    return (shown & there).sum((1, 2)) / (shown | there).sum((1, 2)).clamp(min=1)


def save(path: Path, value: Any) -> None:
    """A data class of tensors, or a list of them, as nested dictionaries."""
    with atomic_path(path) as temporary:
        torch.save(_plain(value), temporary)


def load_frozen(path: Path) -> Frozen:
    values = _load(path)
    targets = values["targets"]
    targets["masks"] = [masks.float() for masks in targets["masks"]]
    return Frozen(values["c2"], values["maps"], Batch(**targets))


def load_located(path: Path) -> list[Located]:
    return [Located(**one | {"patches": Patches(**one["patches"])}) for one in _load(path)]


def load_seen(path: Path) -> Seen:
    values = _load(path)
    return Seen(**values | {"patches": Patches(**values["patches"])})


def together(parts: Sequence[Batch]) -> Batch:
    """The batch of all views of `parts`, one part after the other."""
    values: dict[str, Any] = {}
    for field in fields(Batch):
        of_parts = [getattr(part, field.name) for part in parts]
        listed = isinstance(of_parts[0], list)
        values[field.name] = list(chain.from_iterable(of_parts)) if listed else torch.cat(of_parts)
    return Batch(**values)


def _through(model: STC, *views: View) -> tuple[Batch, list[Tensor], list[Tensor]]:
    """The targets of views, C2 to C5, and the pyramid."""
    batch = collate([views], model.config, RECIPE)
    stages, pyramid, c2 = pyramid_of(normalise(batch.frames, model.config), model.backbone, model.fpn)
    return batch, [c2, *(stages[f"c{level}"] for level in (3, 4, 5))], pyramid


def _frozen(model: STC, batch: Batch, features: list[Tensor]) -> Frozen:
    values = {field.name: getattr(batch, field.name) for field in fields(Batch)}
    values["frames"] = batch.frames[:, :0]  # the maps stand for them
    values["masks"] = [masks.bool() for masks in batch.masks]
    c2, *maps = (feature.half() for feature in features)
    return Frozen(None if model.mask_branch.fine is None else c2, maps, Batch(**values))


def _halved(patches: Patches) -> Patches:
    return Patches(patches.values.half(), patches.level, patches.inside)


def _on_mask(batch: Batch, view: int, at: Tensor, config: ModelConfig) -> Tensor:
    """Whether each location lies on the mask of the object that it is positive for."""
    points = grid_tensors(config, RECIPE, torch.device("cpu"))[0][at]
    masks, stride = batch.masks[view], config.mask_out_stride
    instance = batch.instance[view, at]
    if not len(masks):
        return torch.zeros(len(at), dtype=torch.bool)
    last = torch.tensor(masks.shape[:0:-1]) - 1  # the coarsest levels reach beyond the input
    columns, rows = (points // stride).long().minimum(last).T
    return (instance >= 0) & (masks[instance.clamp(min=0), rows, columns] > 0)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, Tensor) or value is None:
        return value.clone() if isinstance(value, Tensor) else None  # a view would be stored with all it is a view of
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def _load(path: Path) -> Any:
    try:
        return torch.load(path, weights_only=True)
    except Exception as error:  # torch.load raises whatever the damage makes its unpickler stumble over
        raise CheckpointError(f"{path}: damaged ({type(error).__name__}); remove it, it is made again") from error
