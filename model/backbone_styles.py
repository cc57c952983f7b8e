"""Backbone styles by name: how a ResNet was trained, which its weights do not tell."""

from __future__ import annotations

from typing import Any, Literal, get_args

from stc.model.config import MSRA_MEAN, ModelConfig

BackboneStyle = Literal["msra", "torchvision"]
BACKBONE_STYLES: tuple[BackboneStyle, ...] = get_args(BackboneStyle)

_FIELDS: dict[BackboneStyle, dict[str, Any]] = {
    # detectron2's own R-50 and R-101: mean subtracted.
    "msra": {"stride_in_1x1": True, "channel_order": "bgr", "pixel_mean": MSRA_MEAN, "pixel_std": (1.0, 1.0, 1.0)},
    # Converted ones: standardised.
    "torchvision": {
        "stride_in_1x1": False,
        "channel_order": "rgb",
        "pixel_mean": (123.675, 116.28, 103.53),
        "pixel_std": (58.395, 57.12, 57.375),
    },
}


def with_backbone_style(config: ModelConfig, style: BackboneStyle) -> ModelConfig:
    """A ResNet `config` with the strides, colour order and normalisation that its backbone was trained with."""
    return config.with_(**_FIELDS[style])
