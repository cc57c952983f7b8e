"""Decode rules by name: how the code base that trained a model makes detections of what its network computes.

The trained weights fit their own rule; another one gives other scores, and other detections near the thresholds.
"""

from __future__ import annotations

from typing import Any, Literal

from stc.model.config import ModelConfig

DecodeRule = Literal["adelaidet", "mmdet3", "mmdet-pr"]

_FORMS: dict[DecodeRule, dict[str, Any]] = {
    # CondInst as AdelaiDet runs it (THRESH_WITH_CTR), which CrossVIS and BoxInst share.
    "adelaidet": {
        "score_form": "sqrt",
        "threshold_with_centerness": True,
        "level_topk": "none",
        "clip_boxes": False,
        "drop_empty_boxes": False,
    },
    # mmdetection 3.x: CondInstBboxHead and CondInstMaskHead (min_bbox_size 0).
    "mmdet3": {
        "score_form": "product",
        "threshold_with_centerness": False,
        "level_topk": "pairs",
        "clip_boxes": True,
        "drop_empty_boxes": True,
    },
    # mmdetection pull request 5248, by STC's first author.
    "mmdet-pr": {
        "score_form": "product",
        "threshold_with_centerness": False,
        "level_topk": "locations",
        "clip_boxes": True,
        "drop_empty_boxes": False,
    },
}
# What the published configurations set beside; a model may have its own numbers.
_NUMBERS: dict[DecodeRule, dict[str, Any]] = {
    "adelaidet": {"resize": "pil-bilinear", "nms_threshold": 0.6},
    "mmdet3": {"resize": "pil-bilinear", "nms_threshold": 0.6},
    "mmdet-pr": {"resize": "linear", "nms_threshold": 0.5},
}
DECODE_RULES: tuple[DecodeRule, ...] = tuple(_FORMS)


def with_decode_rule(config: ModelConfig, rule: DecodeRule) -> ModelConfig:
    """`config` with the resize and the decode of `rule`: threshold 0.05, 1000 candidates, 100 detections."""
    shared = {"score_threshold": 0.05, "pre_nms_topk": 1000, "max_detections": 100}
    return config.with_(**_form(rule, config), **_NUMBERS[rule], **shared)


def decode_rule(config: ModelConfig) -> str:
    """The rule whose form `config` has, whatever its numbers; "custom" when it is none of the named ones."""
    for rule in DECODE_RULES:
        if all(getattr(config, key) == value for key, value in _form(rule, config).items()):
            return rule
    return "custom"


def _form(rule: DecodeRule, config: ModelConfig) -> dict[str, Any]:
    """The pull request leaves masks at the stride of the mask features, the others scale them to 4."""
    return {**_FORMS[rule], "mask_out_stride": config.mask_feats_stride if rule == "mmdet-pr" else 4}
