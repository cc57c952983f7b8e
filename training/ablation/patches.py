"""What the tracking tower reads of a frozen pyramid: a small patch at each location, and the tower on patches alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import batch_norm, conv2d, pad

from stc.model.config import ModelConfig
from stc.model.head import Head


@dataclass(frozen=True)
class Patches:
    """Around n locations: values (n, C, k, k), 0 beyond the map's edge. level: (n,) int64, from 0. inside: (n, k, k)
    bool, what lies on the map.
    """

    values: Tensor
    level: Tensor
    inside: Tensor


def patch_side(config: ModelConfig) -> int:
    """k: how far the tracking tower and its prediction layer see, where their norms are batch norms."""
    return 1 + 2 * config.track_convs + 2 * (config.track_kernel // 2)


def cut(pyramid: Sequence[Tensor], at: Tensor, side: int) -> Patches:
    """Patches of `side` cells around the locations `at` (n,), in the order of `join_levels`; pyramid: (1, C, h, w)."""
    sizes = torch.tensor([level.shape[2] * level.shape[3] for level in pyramid])
    ends = sizes.cumsum(0)
    level = torch.bucketize(at, ends, right=True)
    reach = torch.arange(side)
    values = pyramid[0].new_zeros(len(at), pyramid[0].shape[1], side, side)
    inside = torch.zeros(len(at), side, side, dtype=torch.bool)
    for index, features in enumerate(pyramid):
        here = level == index
        height, width = features.shape[2:]
        place = at[here] - (ends[index] - sizes[index])
        rows = (place // width)[:, None, None] + reach[:, None]
        columns = (place % width)[:, None, None] + reach
        around = pad(features[0], [side // 2] * 4)
        values[here] = around[:, rows, columns].transpose(0, 1)
        inside[here] = pad(torch.ones(height, width, dtype=torch.bool), [side // 2] * 4)[rows, columns]
    return Patches(values, level, inside)


def joined(parts: Sequence[Patches]) -> Patches:
    return Patches(
        torch.cat([part.values for part in parts]),
        torch.cat([part.level for part in parts]),
        torch.cat([part.inside for part in parts]),
    )


def embed(head: Head, patches: Patches) -> Tensor:
    """Embeddings (n, D) of the patches' centres: what `head` makes there of the whole pyramid.

    Where the head trains, norms take their statistics from the patches.
    """
    assert head.track_tower is not None
    places, found = [], []
    for level in sorted(set(patches.level.tolist())):
        here = (patches.level == level).nonzero()[:, 0]
        x, inside = patches.values[here].float(), patches.inside[here]
        for conv, norms in zip(head.track_tower.convs, head.track_tower.norms, strict=True):
            assert isinstance(conv, torch.nn.Conv2d) and isinstance(norms, torch.nn.ModuleList)
            x = _normed(norms[level], conv2d(x, conv.weight, conv.bias)).relu()
            inside = _shrunk(inside, x.shape[-1])
            x = x * inside[:, None]  # a layer of the whole map pads with zeros
        x = conv2d(x, head.track_pred.weight, head.track_pred.bias)
        if isinstance(head.track_norm, torch.nn.BatchNorm2d):
            x = _normed(head.track_norm, x)
        places.append(here)
        found.append(x[:, :, 0, 0])
    return torch.cat(found)[torch.cat(places).argsort()]


def _shrunk(inside: Tensor, side: int) -> Tensor:
    rim = (inside.shape[-1] - side) // 2
    return inside[:, rim : rim + side, rim : rim + side]


def _normed(norm: torch.nn.Module, x: Tensor) -> Tensor:
    """Batch norm; a single value has no statistics and takes the running ones."""
    assert isinstance(norm, torch.nn.BatchNorm2d)
    own = norm.training and x.shape[0] * x.shape[2] * x.shape[3] > 1
    momentum = norm.momentum or 0.0
    return batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, own, momentum, norm.eps)
