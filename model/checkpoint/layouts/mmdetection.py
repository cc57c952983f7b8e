"""Layouts of mmdetection: CondInst and BoxInst of 3.x, and pull request 5248 by STC's first author."""

from __future__ import annotations

from functools import partial

from stc.model.backbones.resnet import TORCHVISION
from stc.model.checkpoint.layouts.layout import OLD_MSRA_MEAN, Layout
from stc.model.checkpoint.layouts.names import conv_modules, crossvis_tracking, mask_tower, our_tracking, sequential
from stc.model.renaming import Pairs, below

_IGNORED = (r".*num_batches_tracked", r"data_preprocessor\..*")
_COMMON: Pairs = (
    *below("backbone.", "backbone.", TORCHVISION),
    *((f"neck.lateral_convs.{i}.conv.{{p}}", f"fpn.lateral.{i}.{{p}}") for i in range(3)),
    *((f"neck.fpn_convs.{i}.conv.{{p}}", f"fpn.output.{i}.{{p}}") for i in range(3)),
    ("neck.fpn_convs.3.conv.{p}", "fpn.p6.{p}"),
    ("neck.fpn_convs.4.conv.{p}", "fpn.p7.{p}"),
    *conv_modules("bbox_head.cls_convs", "cls_tower"),
    *conv_modules("bbox_head.reg_convs", "box_tower"),
    ("bbox_head.scales.{i}.scale", "head.scales.{i}"),
    ("bbox_head.controller.{p}", "head.controller.{p}"),
)
_MASK = "mask_head.mask_feature_head"
_MMDET3: Pairs = (
    *_COMMON,
    ("bbox_head.conv_cls.{p}", "head.cls_logits.{p}"),
    ("bbox_head.conv_reg.{p}", "head.bbox_pred.{p}"),
    ("bbox_head.conv_centerness.{p}", "head.centerness.{p}"),
    *(
        pair
        for i in range(3)
        for pair in (
            (f"{_MASK}.convs_all_levels.{i}.conv{i}.conv.{{p}}", f"mask_branch.refine.{i}.conv.{{p}}"),
            (f"{_MASK}.convs_all_levels.{i}.conv{i}.bn.{{p}}", f"mask_branch.refine.{i}.bn.{{p}}"),
        )
    ),
    (f"{_MASK}.conv_branch.{{i}}.conv.{{p}}", "mask_branch.tower.{i}.conv.{p}"),
    (f"{_MASK}.conv_branch.{{i}}.bn.{{p}}", "mask_branch.tower.{i}.bn.{p}"),
    (f"{_MASK}.conv_pred.{{p}}", "mask_branch.pred.{p}"),
)
_MMDET_PR: Pairs = (
    *_COMMON,
    ("bbox_head.fcos_cls.{p}", "head.cls_logits.{p}"),
    ("bbox_head.fcos_reg.{p}", "head.bbox_pred.{p}"),
    ("bbox_head.fcos_centerness.{p}", "head.centerness.{p}"),
    ("bbox_head.mask_refine.{i}.0.{p}", "mask_branch.refine.{i}.conv.{p}"),
    ("bbox_head.mask_refine.{i}.1.{p}", "mask_branch.refine.{i}.bn.{p}"),
    *mask_tower("bbox_head.mask_head"),
)
# A tracking head that was added: a tower in mmdetection's style or in CrossVIS's.
_TRACKING: tuple[Pairs, ...] = (
    (),
    crossvis_tracking("bbox_head", conv_modules("bbox_head.reid_convs", "track_tower")),
    crossvis_tracking("bbox_head", sequential("bbox_head.reid_tower", "track_tower")),
    our_tracking("bbox_head", conv_modules("bbox_head.track_convs", "track_tower")),
    our_tracking("bbox_head", sequential("bbox_head.track_tower", "track_tower")),
)
_layout = partial(
    Layout,
    ignored=_IGNORED,
    backbone_style="torchvision",
    scale_shape=(),
    code_base="mmengine",
    bare_towers=True,
)
_pull_request = partial(_layout, "mmdet-pr", decode_rule="mmdet-pr", msra_mean=OLD_MSRA_MEAN)
LAYOUTS = (
    *(_layout("mmdet3", (*_MMDET3, *tracking), decode_rule="mmdet3") for tracking in _TRACKING),
    *(_pull_request((*_MMDET_PR, *tracking)) for tracking in _TRACKING),
)
