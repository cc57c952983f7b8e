"""ImageNet weights of a backbone, under whatever names their code base gives them, renamed to ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stc.errors import CheckpointError
from stc.model.backbones.backbone import ImageNet
from stc.model.backbones.known import BACKBONES, recognise


@dataclass(frozen=True)
class BackboneWeights:
    """`tensors` by the names of `STC.backbone`."""

    name: str  # ModelConfig.backbone
    names: ImageNet  # of the file
    tensors: dict[str, Tensor]


def read_backbone(tensors: Mapping[str, Tensor], path: Path) -> BackboneWeights | None:
    """None when `tensors` are no bare backbone of a known code base.

    Raises CheckpointError listing every key that has no place in it. Frozen norms that come without statistics, as MSRA
    published them, get mean 0 and variance 1.
    """
    names = names_of(tensors)
    if names is None:
        return None
    renamed = {key: names.rename(key) for key in tensors if not re.match(names.ignored, key)}
    mapped = {ours: tensors[key] for key, ours in renamed.items() if ours is not None}
    backbone = recognise(f"backbone.{ours}" for ours in mapped) or next(
        known for known in BACKBONES.values() if names in known.imagenet
    )
    if foreign := sorted(key for key, ours in renamed.items() if ours is None):
        raise CheckpointError(f"{path}: keys of no {backbone.name}: {foreign}; give another --init")
    if backbone.styled:
        fill_frozen_statistics(mapped, below="")
    return BackboneWeights(backbone.name, names, mapped)


def names_of(keys: Iterable[str]) -> ImageNet | None:
    """The code base whose bare backbones have entries like `keys`; None when none has."""
    kept = tuple(keys)
    known = (names for backbone in BACKBONES.values() for names in backbone.imagenet)
    return next((names for names in known if any(key.startswith(names.mark) for key in kept)), None)


def fill_frozen_statistics(tensors: dict[str, Tensor], below: str = "backbone.") -> dict[str, str]:
    """Caffe2's backbones hold only the affine terms of a frozen norm: its mean is 0 and its variance 1.

    Only for files that say that they come from Caffe2: a norm without statistics is a group norm elsewhere.

    Returns the assumption in words, by its topic. below: what the names of a backbone begin with.
    """
    norms = [m[1] for name in tensors if (m := re.fullmatch(rf"({re.escape(below)}.*bn\d?)\.weight", name))]
    bare = [norm for norm in norms if f"{norm}.running_mean" not in tensors and f"{norm}.running_var" not in tensors]
    for norm in bare:
        tensors[f"{norm}.running_mean"] = torch.zeros_like(tensors[f"{norm}.weight"])
        tensors[f"{norm}.running_var"] = torch.ones_like(tensors[f"{norm}.weight"])
    text = f"mean 0 and variance 1 of {len(bare)} frozen norms, which the file does not hold"
    return {"statistics": text} if bare else {}
