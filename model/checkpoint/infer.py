"""The architecture that a set of weights was made for, read off their names and shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from stc.model.backbones import known as backbones
from stc.model.config import PRESET_OF, PRESETS, R50, ModelConfig

MAX_MASK_LAYERS = 8
SIZES_OF_INTEREST = "mask_head.sizes_of_interest"  # no weight: a setting that AdelaiDet stores as an entry


def infer(tensors: Mapping[str, Tensor]) -> ModelConfig:
    """The config of `tensors` (our names), without class names; what weights cannot tell keeps the preset's value.

    Never raises: where a tensor that decides is missing or has an odd shape, the preset decides, so that the comparison
    with the weights that follows can list everything that is wrong at once.
    """
    backbone = backbones.recognise(tensors) or backbones.find(R50.backbone)
    preset = PRESETS[PRESET_OF[backbone.name]]
    tracked = "head.track_pred.weight" in tensors
    width = _size(tensors, "fpn.lateral.0.weight", 0, preset.fpn_channels)
    # Only a P6 that plainly reads the backbone is taken for one; any other odd shape is an error of the file.
    on_backbone = _size(tensors, "fpn.p6.weight", 1, width) == backbone.channels[-1] != width
    separable = "head.cls_tower.convs.0.depthwise.weight" in tensors
    conv, spatial = ("pointwise.", "depthwise.") if separable else ("", "")
    config = preset.with_(
        fpn_channels=width,
        p6_from="c5" if on_backbone else "p5",
        cls_convs=_count(tensors, f"head.cls_tower.convs.{{}}.{conv}weight"),
        box_convs=_count(tensors, f"head.box_tower.convs.{{}}.{conv}weight"),
        track_convs=_count(tensors, "head.track_tower.convs.{}.weight"),
        track_dim=_size(tensors, "head.track_pred.weight", 0, preset.track_dim) if tracked else 0,
        track_kernel=_size(tensors, "head.track_pred.weight", 2, preset.track_kernel),
        track_norm="head.track_norm.weight" in tensors,
        head_norm="batch" if "head.cls_tower.norms.0.0.weight" in tensors else "group",
        tower_kernel=_size(tensors, f"head.cls_tower.convs.0.{spatial}weight", 2, preset.tower_kernel),
        tower_separable=separable,
        head_kernel=_size(tensors, "head.cls_logits.weight", 2, preset.head_kernel),
        mask_branch_channels=_size(tensors, "mask_branch.refine.0.conv.weight", 0, preset.mask_branch_channels),
        mask_branch_convs=_count(tensors, "mask_branch.tower.{}.conv.weight"),
        mask_feats_stride=preset.strides[0] // (2 if "mask_branch.fine.conv.weight" in tensors else 1),
        mask_channels=_size(tensors, "mask_branch.pred.weight", 0, preset.mask_channels),
    )
    return config.with_(mask_layers=_mask_layers(config, _size(tensors, "head.controller.weight", 0, 0)))


def class_count(tensors: Mapping[str, Tensor]) -> int:
    """Rows of the classifier; COCO's 80 when there is none."""
    return _size(tensors, "head.cls_logits.weight", 0, 80)


def sizes_of_interest(tensor: Tensor, levels: int) -> tuple[float, ...]:
    """The sizes that `tensor` stores: positive, ascending, one per level. Raises ValueError for anything else."""
    values = tensor.tolist() if tensor.ndim == 1 and len(tensor) <= 2 * levels else []
    fitting = len(values) == levels and values == sorted(set(values)) and all(0 < value < math.inf for value in values)
    if not fitting:
        found = values or f"a tensor of shape {tuple(tensor.shape)}"
        raise ValueError(f"must be {levels} positive ascending numbers, one per level; got {found}")
    return tuple(int(value) if float(value).is_integer() else value for value in values)


def _size(tensors: Mapping[str, Tensor], name: str, axis: int, default: int) -> int:
    tensor = tensors.get(name)
    return default if tensor is None or tensor.ndim <= axis else tensor.shape[axis]


def _count(tensors: Mapping[str, Tensor], template: str) -> int:
    """How many of template.format(0), template.format(1), ... there are: one more than the highest number present."""
    start, end = template.split("{}")
    found = [name[len(start) : -len(end)] for name in tensors if name.startswith(start) and name.endswith(end)]
    return max((int(number) + 1 for number in found if number.isdecimal() and len(number) <= 2), default=0)


def _mask_layers(config: ModelConfig, params: int) -> int:
    """How many dynamic layers make `params` parameters; the config's own number when none does."""
    fitting = (n for n in range(2, MAX_MASK_LAYERS + 1) if config.with_(mask_layers=n).num_mask_params == params)
    return next(fitting, config.mask_layers)
