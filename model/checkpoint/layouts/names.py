"""Names of the heads' entries that several layouts share."""

from __future__ import annotations

from stc.model.checkpoint.layouts.layout import MAX_TOWER
from stc.model.renaming import Pairs


def sequential(theirs: str, ours: str) -> Pairs:
    """A tower that is one Sequential of (convolution, norm, ReLU) triples: AdelaiDet and FCOS.

    Batch norm is one per level.
    """
    return tuple(
        pair
        for i in range(MAX_TOWER)
        for pair in (
            (f"{theirs}.{3 * i}.{{p}}", f"head.{ours}.convs.{i}.{{p}}"),
            (f"{theirs}.{3 * i + 1}.{{p}}", f"head.{ours}.norms.{i}.{{p}}"),
            (f"{theirs}.{3 * i + 1}.{{level}}.{{p}}", f"head.{ours}.norms.{i}.{{level}}.{{p}}"),
        )
    )


def conv_modules(theirs: str, ours: str) -> Pairs:
    """A tower that is a list of mmcv's ConvModule with group norm."""
    return (
        (f"{theirs}.{{i}}.conv.{{p}}", f"head.{ours}.convs.{{i}}.{{p}}"),
        (f"{theirs}.{{i}}.gn.{{p}}", f"head.{ours}.norms.{{i}}.{{p}}"),
    )


def crossvis_tracking(head: str, tower: Pairs) -> Pairs:
    return (
        *tower,
        (f"{head}.reid_pred.{{p}}", "head.track_pred.{p}"),
        (f"{head}.reid_pred_bn.{{p}}", "head.track_norm.{p}"),
    )


def our_tracking(head: str, tower: Pairs) -> Pairs:
    return (
        *tower,
        (f"{head}.track_pred.{{p}}", "head.track_pred.{p}"),
        (f"{head}.track_norm.{{p}}", "head.track_norm.{p}"),
    )


def mask_tower(theirs: str) -> Pairs:
    """A tower of (convolution, batch norm, ReLU) blocks that ends with the prediction: AdelaiDet and mmdetection's pull
    request."""
    return (
        (f"{theirs}.{{i}}.0.{{p}}", "mask_branch.tower.{i}.conv.{p}"),
        (f"{theirs}.{{i}}.1.{{p}}", "mask_branch.tower.{i}.bn.{p}"),
        # The prediction is number 4 as published, another one for another depth.
        *((f"{theirs}.{i}.{{p}}", "mask_branch.pred.{p}") for i in (4, *range(4), *range(5, MAX_TOWER))),
    )
