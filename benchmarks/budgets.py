"""How far an artefact may be from PyTorch float32, by its precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Budget:
    """Limits of a precision. `margin` is how far rounding may move a score or an IoU across a threshold."""

    margin: float
    left_out: float  # largest fraction of detections decided by rounding
    detections_matched: float
    boxes_px: float
    masks: float  # largest difference of a probability
    mask_iou_p1: float
    mask_iou_min: float
    frame_masks_off: float
    ids_equal: float


# Rounded storage moves scores by several thousandths: what exists at all may differ there. The promise is about what
# it finds: the masks of matched objects and their ids. Boxes and probabilities are reported, not limited.
_ROUNDED = Budget(
    margin=1e-2,
    left_out=0.05,
    detections_matched=0.99,
    boxes_px=np.inf,
    masks=np.inf,
    mask_iou_p1=0.95,
    mask_iou_min=0.0,
    frame_masks_off=0.25,
    ids_equal=0.99,
)
BUDGETS = {
    "fp32": Budget(
        margin=1e-4,
        left_out=0.01,
        detections_matched=1.0,
        boxes_px=0.05,
        masks=1e-4,
        mask_iou_p1=1.0,
        mask_iou_min=1.0,
        frame_masks_off=0.01,
        ids_equal=1.0,
    ),
    "fp16": _ROUNDED,
    "bf16": _ROUNDED,
    "int8": _ROUNDED,
}

# Every limit in the order of the computation: the stage of the first that is missed is where the runs part.
STAGE_OF = {
    "not_finite": "numbers",
    "detections_left_out": "detections",
    "detections_matched": "detections",
    "boxes_max_px": "boxes",
    "masks_max": "masks",
    "mask_iou_p1": "masks",
    "mask_iou_min": "masks",
    "frame_masks_off": "masks at frame size",
    "ids_equal": "ids",
}


def limits(budget: Budget) -> dict[str, tuple[float, int]]:
    """Per value of an agreement its limit, and 1 where that is the largest allowed, -1 where it is the least."""
    return {
        "not_finite": (0, 1),
        "detections_left_out": (budget.left_out, 1),
        "detections_matched": (budget.detections_matched, -1),
        "boxes_max_px": (budget.boxes_px, 1),
        "masks_max": (budget.masks, 1),
        "mask_iou_p1": (budget.mask_iou_p1, -1),
        "mask_iou_min": (budget.mask_iou_min, -1),
        "frame_masks_off": (budget.frame_masks_off, 1),
        "ids_equal": (budget.ids_equal, -1),
    }


def failures(values: Mapping[str, Any], budget: Budget) -> tuple[str, ...]:
    """What misses its limit, in words that begin with its name, in the order of the computation; None was not
    measured."""
    return tuple(
        f"{name} {values[name]:.6g}, allowed {'<=' if sign > 0 else '>='} {limit:g}"
        for name, (limit, sign) in limits(budget).items()
        if values[name] is not None and not values[name] * sign <= limit * sign  # also true for NaN
    )
