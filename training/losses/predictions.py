"""What the network says about every location of the pyramid, in the order of the targets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stc.model.decode import RawOutputs, join_levels
from stc.model.layers import at_least_float32


def balanced_sample(groups: Tensor, cap: int, generator: torch.Generator) -> Tensor:
    """At most `cap` indices into `groups` (N,) int64: one random member of every group, then a second of each, ...

    The generator lives on the CPU whatever the device, so that a run draws the same on all of them.
    """
    order = torch.randperm(len(groups), generator=generator).to(groups.device)
    if len(groups) <= cap:
        return order
    # Rank of each member within its group: its place in the group-sorted order minus the group's first place.
    by_group = torch.argsort(groups[order], stable=True)
    members = groups[order][by_group]
    place = torch.arange(len(groups), device=groups.device)
    starts = torch.searchsorted(members, members)
    rank = torch.empty_like(place)
    rank[by_group] = place - starts
    return order[torch.argsort(rank, stable=True)[:cap]]


def random_sample(count: int, cap: int, generator: torch.Generator) -> Tensor:
    """At most `cap` of the indices 0 .. count - 1, on the CPU."""
    return torch.randperm(count, generator=generator)[:cap]


@dataclass(frozen=True)
class Predictions:
    """M views, L locations (P3 to P7 one after the other, row-major), float32 (float64 where the network is).

    logits: (M, L, C). ltrb: (M, L, 4) in strides. centerness: (M, L) logits. params: (M, L, P). embeddings: (M, L, D),
    None without tracking head. mask_feats: (M, channels, h, w).
    """

    logits: Tensor
    ltrb: Tensor
    centerness: Tensor
    params: Tensor
    embeddings: Tensor | None
    mask_feats: Tensor


def gather(raw: RawOutputs) -> Predictions:
    """Join the levels. Half precision is widened: sums over thousands of locations need float32."""
    return Predictions(
        logits=_join(raw.logits),
        ltrb=_join(raw.ltrb),
        centerness=_join(raw.centerness)[..., 0],
        params=_join(raw.params),
        embeddings=_join(raw.embeddings) if raw.embeddings else None,
        mask_feats=at_least_float32(raw.mask_feats),
    )


def _join(levels: list[Tensor]) -> Tensor:
    """Per level (M, C, h, w) -> (M, L, C)."""
    return at_least_float32(join_levels(levels))
