"""What weight files do not say, and what is taken for it: every guess is written down in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from stc.errors import InputError
from stc.model.backbone_styles import with_backbone_style
from stc.model.backbones import known as backbones
from stc.model.checkpoint.configs.statements import Statements
from stc.model.checkpoint.layouts.layout import Layout
from stc.model.checkpoint.options import Reading
from stc.model.config import PRESET_OF, ModelConfig
from stc.model.decode_rules import with_decode_rule
from stc.runtime.letterbox import sizes_in_words


def trained_by(
    path: Path, config: ModelConfig, layout: Layout, reading: Reading, trained: Statements, assumed: dict[str, str]
) -> ModelConfig:
    """`config` with the pixels and the decode that the code base of `layout` trains for, where `reading` says no other.

    trained: the config of the training; of what it says nothing is assumed, and it is not applied here. Raises
    InputError when the file at `path` is no ResNet and a style or rule was asked for.
    """
    style, rule = reading.backbone_style, reading.decode_rule
    if not backbones.find(config.backbone).styled:
        if style is not None or rule is not None:
            flag = "--backbone-style" if style is not None else "--decode-rule"
            raise InputError(f"{path}: {flag} is for ResNet; this is {config.backbone}: leave it out")
        assumed["config"] = (
            f"input and decoding of the preset {PRESET_OF[config.backbone]}, because the file holds no config"
        )
        return config
    if style is None and not {"stride_in_1x1", "pixel_mean"} <= trained.said.keys():
        other = "torchvision" if layout.backbone_style == "msra" else "msra"
        whose = "detectron2's own ResNet" if layout.backbone_style == "msra" else "torchvision's ResNet"
        assumed["backbone_style"] = (
            f"{layout.backbone_style} ({whose}); say {other} with --backbone-style where it is not"
        )
    if rule is None and trained.code_base is None:
        assumed["decode_rule"] = f"{layout.decode_rule}, the layout's own; say another with --decode-rule"
    config = with_backbone_style(config, style or layout.backbone_style)
    if config.stride_in_1x1:
        config = config.with_(pixel_mean=layout.msra_mean)
    config = with_decode_rule(config, rule or layout.decode_rule).with_(shortest_edge=layout.shortest_edge)
    if "shortest_edge" not in trained.said:
        words = sizes_in_words(config.input_size, config.shortest_edge)
        assumed["input_size"] = f"{words}, the published one for video; say another, for all frames, with --size"
    constants = {
        "score_threshold": f"threshold {config.score_threshold:g}",
        "nms_threshold": f"NMS above IoU {config.nms_threshold:g}",
        "pre_nms_topk": f"the best {config.pre_nms_topk}",
        "mask_out_stride": f"masks at stride {config.mask_out_stride}",
    }
    if unsaid := [text for name, text in constants.items() if name not in trained.said]:
        assumed["decode_constants"] = f"{', '.join(unsaid)}, as published"
    if layout.tracker:
        assumed["tracker"] = f"our default; tracked with --tracker {layout.tracker} by its authors"
    return config


def fill_scales(tensors: dict[str, Tensor], layout: Layout, levels: int) -> dict[str, str]:
    """A head without any scale has been trained without: each is 1. Returns the assumption in words, by its topic."""
    if not layout.may_lack_scales or any(name.startswith("head.scales.") for name in tensors):
        return {}
    tensors |= {f"head.scales.{level}": torch.ones(layout.scale_shape) for level in range(levels)}
    return {"scales": "1 on every level, because the file holds none (USE_SCALE False)"}


def fill_tower_biases(tensors: dict[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, str]:
    """mmcv leaves out the bias of a convolution that a norm follows: towers without any get zeros where one is
    `expected`. Returns the assumption in words, by its topic."""
    biases = {name: m[1] for name in expected if (m := re.fullmatch(r"head\.(\w+_tower)\.convs\.\d+\.bias", name))}
    bare = [tower for tower in dict.fromkeys(biases.values()) if not _has_bias(tensors, tower)]
    filled = [name for name, tower in biases.items() if tower in bare and name.replace("bias", "weight") in tensors]
    for name in filled:
        tensors[name] = torch.zeros(()).expand(expected[name].shape)
    towers = ", ".join(dict.fromkeys(biases[name] for name in filled))
    return {"tower_biases": f"0 in {towers}, whose convolutions have none in the file"} if filled else {}


def _has_bias(tensors: dict[str, Tensor], tower: str) -> bool:
    return any(name.startswith(f"head.{tower}.convs.") and name.endswith(".bias") for name in tensors)
