"""Non-maximum suppression with fixed shapes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from stc.model.layers import widen


def pairwise_iou(boxes: Tensor) -> Tensor:
    """(B, N, 4) xyxy -> (B, N, N) intersection over union; 0 where the union is empty."""
    left, top, right, bottom = boxes.unbind(-1)
    width = (_pairs(torch.minimum, right) - _pairs(torch.maximum, left)).clamp(min=0)
    height = (_pairs(torch.minimum, bottom) - _pairs(torch.maximum, top)).clamp(min=0)
    intersection = width * height
    area = (right - left) * (bottom - top)
    union = area[:, :, None] + area[:, None] - intersection
    return intersection / torch.where(union > 0, union, 1)


def cluster_nms(boxes: Tensor, labels: Tensor, valid: Tensor, threshold: float, steps: int) -> Tensor:
    """Class-wise NMS of boxes sorted by descending score, without data-dependent shapes (cluster NMS, arXiv
    2005.03572).

    boxes: (B, N, 4) float32 xyxy. labels, valid: (B, N). A box goes when a kept, better one of its label overlaps it
    by more than `threshold`. Each step repeats `keep = not suppressed by anyone kept`; after `steps` it is exact for
    suppression chains up to that length, and for an even number a superset of the exact answer beyond. Returns keep
    (B, N) bool.
    """
    boxes = widen(boxes, "nms")
    count = boxes.shape[1]
    same = labels[:, :, None] == labels[:, None]
    better = torch.ones(count, count, dtype=torch.bool, device=boxes.device).triu(1)
    over = (pairwise_iou(boxes) > threshold) & same & better & valid[:, :, None] & valid[:, None]
    suppresses = over.to(boxes.dtype)
    keep = torch.ones_like(boxes[:, None, :, 0])
    for _ in range(steps):
        # A product of zeros and ones: exact in any precision that a GEMM may use.
        keep = ((keep @ suppresses) < 0.5).to(boxes.dtype)
    return (keep[:, 0] > 0.5) & valid


def _pairs(function: Callable[[Tensor, Tensor], Tensor], values: Tensor) -> Tensor:
    """(B, N) -> (B, N, N), one coordinate at a time: an innermost axis of two would be slow to broadcast."""
    return function(values[:, :, None], values[:, None])
