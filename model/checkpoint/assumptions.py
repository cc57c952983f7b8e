"""What weight files do not say, and what is taken for it: every guess is written down in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from stc.errors import InputError
from stc.model.backbones import known as backbones
from stc.model.checkpoint.infer import BackboneStyle, with_backbone_style
from stc.model.checkpoint.layouts.layout import Layout
from stc.model.config import PRESET_OF, ModelConfig
from stc.model.decode_rules import DecodeRule, with_decode_rule


def trained_by(
    path: Path,
    config: ModelConfig,
    layout: Layout,
    style: BackboneStyle | None,
    rule: DecodeRule | None,
    assumed: dict[str, str],
) -> ModelConfig:
    """`config` with the pixels and the decode that the code base of `layout` trains for, where nothing else is said.

    Raises InputError when the file at `path` is no ResNet and `style` or `rule` was asked for.
    """
    if not backbones.find(config.backbone).styled:
        if style is not None or rule is not None:
            flag = "--backbone-style" if style is not None else "--decode-rule"
            raise InputError(f"{path}: {flag} is for ResNet; this is {config.backbone}: leave it out")
        assumed["config"] = (
            f"input and decoding of the preset {PRESET_OF[config.backbone]}, because the file holds no config"
        )
        return config
    if style is None:
        other = "torchvision" if layout.backbone_style == "msra" else "msra"
        whose = "detectron2's own ResNet" if layout.backbone_style == "msra" else "torchvision's ResNet"
        assumed["backbone_style"] = (
            f"{layout.backbone_style} ({whose}); say {other} with --backbone-style where it is not"
        )
    if rule is None:
        assumed["decode_rule"] = f"{layout.decode_rule}, the layout's own; say another with --decode-rule"
    config = with_backbone_style(config, style or layout.backbone_style)
    if config.stride_in_1x1:
        config = config.with_(pixel_mean=layout.msra_mean)
    config = with_decode_rule(config, rule or layout.decode_rule)
    height, width = config.input_size
    assumed["input_size"] = f"{height}x{width}, the published one for video; say another with --size"
    assumed["decode_constants"] = (
        f"threshold {config.score_threshold:g}, NMS above IoU {config.nms_threshold:g} of the best "
        f"{config.pre_nms_topk}, masks at stride {config.mask_out_stride}, as published"
    )
    if layout.tracker:
        assumed["tracker"] = f"our default; tracked with --tracker {layout.tracker} by its authors"
    return config


def fill_frozen_statistics(tensors: dict[str, Tensor], assumed: dict[str, str]) -> None:
    """Caffe2's backbones hold only the affine terms of a frozen norm: its mean is 0 and its variance 1.

    Only for files that say that they come from Caffe2: a norm without statistics is a group norm elsewhere.
    """
    norms = [m[1] for name in tensors if (m := re.fullmatch(r"(backbone\..*bn\d?)\.weight", name))]
    bare = [norm for norm in norms if f"{norm}.running_mean" not in tensors and f"{norm}.running_var" not in tensors]
    for norm in bare:
        tensors[f"{norm}.running_mean"] = torch.zeros_like(tensors[f"{norm}.weight"])
        tensors[f"{norm}.running_var"] = torch.ones_like(tensors[f"{norm}.weight"])
    if bare:
        assumed["statistics"] = f"mean 0 and variance 1 of {len(bare)} frozen norms, which the file does not hold"


def fill_scales(tensors: dict[str, Tensor], layout: Layout, levels: int, assumed: dict[str, str]) -> None:
    """A head without any scale has been trained without: each is 1."""
    if layout.may_lack_scales and not any(name.startswith("head.scales.") for name in tensors):
        tensors |= {f"head.scales.{level}": torch.ones(layout.scale_shape) for level in range(levels)}
        assumed["scales"] = "1 on every level, because the file holds none (USE_SCALE False)"


def fill_tower_biases(tensors: dict[str, Tensor], expected: Mapping[str, Tensor], assumed: dict[str, str]) -> None:
    """mmcv leaves out the bias of a convolution that a norm follows: towers without any get zeros where one is
    `expected`."""
    biases = {name: m[1] for name in expected if (m := re.fullmatch(r"head\.(\w+_tower)\.convs\.\d+\.bias", name))}
    bare = [tower for tower in dict.fromkeys(biases.values()) if not _has_bias(tensors, tower)]
    filled = [name for name, tower in biases.items() if tower in bare and name.replace("bias", "weight") in tensors]
    for name in filled:
        tensors[name] = torch.zeros(()).expand(expected[name].shape)
    if filled:
        towers = dict.fromkeys(biases[name] for name in filled)
        assumed["tower_biases"] = f"0 in {', '.join(towers)}, whose convolutions have none in the file"


def _has_bias(tensors: dict[str, Tensor], tower: str) -> bool:
    return any(name.startswith(f"head.{tower}.convs.") and name.endswith(".bias") for name in tensors)
