"""Choosing a few of many locations, evenly over what they belong to."""

from __future__ import annotations

import torch
from torch import Tensor


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
