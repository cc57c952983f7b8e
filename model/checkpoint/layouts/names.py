"""Names of entries that several layouts share: of ResNets and of the heads."""

from __future__ import annotations

from stc.model.checkpoint.layouts.layout import MAX_TOWER, Pairs


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


def detectron2(root: str) -> Pairs:
    """`stem.conv1`, `res2.0.conv1.norm`, `res2.0.shortcut.norm` below `root`."""
    return (
        (f"{root}.stem.conv1.norm.{{p}}", "backbone.stem.bn.{p}"),
        (f"{root}.stem.conv1.{{p}}", "backbone.stem.conv.{p}"),
        (f"{root}.res{{s}}.{{k}}.conv{{c}}.norm.{{p}}", "backbone.res{s}.{k}.bn{c}.{p}"),
        (f"{root}.res{{s}}.{{k}}.conv{{c}}.{{p}}", "backbone.res{s}.{k}.conv{c}.{p}"),
        (f"{root}.res{{s}}.{{k}}.shortcut.norm.{{p}}", "backbone.res{s}.{k}.shortcut.bn.{p}"),
        (f"{root}.res{{s}}.{{k}}.shortcut.{{p}}", "backbone.res{s}.{k}.shortcut.conv.{p}"),
    )


def torchvision(root: str, stem: str = "") -> Pairs:
    """`conv1`, `layer1.0.bn1`, `layer1.0.downsample.1` below `root`. stem: what stands before `conv1` and `bn1`."""
    return (
        (f"{root}.{stem}conv1.{{p}}", "backbone.stem.conv.{p}"),
        (f"{root}.{stem}bn1.{{p}}", "backbone.stem.bn.{p}"),
        *(
            pair
            for s in range(1, 5)
            for pair in (
                (f"{root}.layer{s}.{{k}}.conv{{c}}.{{p}}", f"backbone.res{s + 1}.{{k}}.conv{{c}}.{{p}}"),
                (f"{root}.layer{s}.{{k}}.bn{{c}}.{{p}}", f"backbone.res{s + 1}.{{k}}.bn{{c}}.{{p}}"),
                (f"{root}.layer{s}.{{k}}.downsample.0.{{p}}", f"backbone.res{s + 1}.{{k}}.shortcut.conv.{{p}}"),
                (f"{root}.layer{s}.{{k}}.downsample.1.{{p}}", f"backbone.res{s + 1}.{{k}}.shortcut.bn.{{p}}"),
            )
        ),
    )
