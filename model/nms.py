"""Non-maximum suppression with fixed shapes."""

from __future__ import annotations

import torch
from torch import Tensor


def pairwise_iou(boxes: Tensor) -> Tensor:
    """(B, N, 4) xyxy -> (B, N, N) intersection over union; 0 where the union is empty."""
    left_top = torch.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    right_bottom = torch.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    size = (right_bottom - left_top).clamp(min=0)
    intersection = size[..., 0] * size[..., 1]
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
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
