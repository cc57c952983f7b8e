"""What the network computes before decoding, and what decoding makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RawOutputs:
    """Dense predictions; every list runs over the FPN levels P3 to P7 (strides 8 to 128).

    logits: (B, C, h, w) class logits. centerness: (B, 1, h, w) logits. ltrb: (B, 4, h, w) distances to the box sides
    in units of the level's stride, >= 0. params: (B, P, h, w) weights then biases of the dynamic mask layers.
    embeddings: (B, D, h, w), an empty list for a model without tracking head. mask_feats: (B, 8, H/8, W/8).
    """

    logits: list[Tensor]
    centerness: list[Tensor]
    ltrb: list[Tensor]
    params: list[Tensor]
    embeddings: list[Tensor]
    mask_feats: Tensor


@dataclass(frozen=True)
class Decoded:
    """Detections of fixed capacity K, sorted by score; rows at and beyond `count` are 0 (labels -1).

    boxes: (B, K, 4) xyxy in input pixels, clipped to the input where the decode rule says so. scores: (B, K), class x
    centerness or its square root. labels: (B, K)
    int32. count: (B,) int32. params: (B, K, P). locations: (B, K, 2) xy in input pixels. sizes: (B, K) size of
    interest of the level. embeddings: (B, K, D), None for a model without tracking head.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    count: Tensor
    params: Tensor
    locations: Tensor
    sizes: Tensor
    embeddings: Tensor | None


def join_levels(levels: list[Tensor]) -> Tensor:
    """Per level (B, C, h, w) -> (B, L, C): the L cells of all levels, one level after the other, row-major."""
    return torch.cat([level.flatten(2) for level in levels], dim=2).transpose(1, 2)
