"""What code bases call the layers of a ResNet: detectron2's names and torchvision's."""

from __future__ import annotations

from stc.model.checkpoint.layouts.layout import Pairs


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
