"""Layouts of AdelaiDet and what came before and after it: CondInst, BoxInst, CrossVIS, the FCOS repository."""

from __future__ import annotations

from functools import partial

from stc.model.backbones.resnet import DETECTRON2, TORCHVISION
from stc.model.checkpoint.infer import SIZES_OF_INTEREST
from stc.model.checkpoint.layouts.layout import OLD_MSRA_MEAN, Layout
from stc.model.checkpoint.layouts.names import crossvis_tracking, mask_tower, our_tracking, sequential
from stc.model.renaming import Pairs, below

_HEAD = "proposal_generator.fcos_head"
_OLD_HEAD = "rpn.head"
_IGNORED = (
    r".*num_batches_tracked",
    r"mask_head\._iter",  # BoxInst's warm-up
    r"mask_branch\.(seg_head|logits)\..*",  # the semantic loss of the _sem configurations
    r"cls\..*",  # CrossVIS: one class per training track
    r"pixel_(mean|std)",
    r".*anchor_generator\.cell_anchors.*",
)


def _head(root: str, centerness: str) -> Pairs:
    return (
        *sequential(f"{root}.cls_tower", "cls_tower"),
        *sequential(f"{root}.bbox_tower", "box_tower"),
        (f"{root}.cls_logits.{{p}}", "head.cls_logits.{p}"),
        (f"{root}.bbox_pred.{{p}}", "head.bbox_pred.{p}"),
        (f"{root}.{centerness}.{{p}}", "head.centerness.{p}"),
        (f"{root}.scales.{{i}}.scale", "head.scales.{i}"),
    )


_CONDINST: Pairs = (
    ("controller.{p}", "head.controller.{p}"),
    (SIZES_OF_INTEREST, SIZES_OF_INTEREST),
    ("mask_branch.refine.{i}.0.{p}", "mask_branch.refine.{i}.conv.{p}"),
    ("mask_branch.refine.{i}.1.{p}", "mask_branch.refine.{i}.bn.{p}"),
    *mask_tower("mask_branch.tower"),
)
_REST: Pairs = (
    *((f"backbone.fpn_lateral{i + 3}.{{p}}", f"fpn.lateral.{i}.{{p}}") for i in range(3)),
    *((f"backbone.fpn_output{i + 3}.{{p}}", f"fpn.output.{i}.{{p}}") for i in range(3)),
    ("backbone.top_block.{level}.{p}", "fpn.{level}.{p}"),
    *_head(_HEAD, "ctrness"),
    *_CONDINST,
)
_REID = crossvis_tracking(_HEAD, sequential(f"{_HEAD}.reid_tower", "track_tower"))
_TRACK = our_tracking(_HEAD, sequential(f"{_HEAD}.track_tower", "track_tower"))
_DETECTRON2 = (*below("backbone.bottom_up.", "backbone.", DETECTRON2), *_REST)
_TORCHVISION = (*below("backbone.bottom_up.", "backbone.", TORCHVISION), *_REST)

# The FCOS repository (maskrcnn-benchmark), as AdelaiDet's converter for it reads them; CondInst's parts as they are.
_FCOS: Pairs = (
    *below("backbone.body.stem.", "backbone.", TORCHVISION[:2]),
    *below("backbone.body.", "backbone.", TORCHVISION[2:]),
    *((f"backbone.fpn.fpn_inner{i + 2}.{{p}}", f"fpn.lateral.{i}.{{p}}") for i in range(3)),
    *((f"backbone.fpn.fpn_layer{i + 2}.{{p}}", f"fpn.output.{i}.{{p}}") for i in range(3)),
    ("backbone.fpn.top_blocks.{level}.{p}", "fpn.{level}.{p}"),
    *_head(_OLD_HEAD, "centerness"),
    *_CONDINST,
)
_OLD_REID = crossvis_tracking(_OLD_HEAD, sequential(f"{_OLD_HEAD}.reid_tower", "track_tower"))
_OLD_TRACK = our_tracking(_OLD_HEAD, sequential(f"{_OLD_HEAD}.track_tower", "track_tower"))

_layout = partial(Layout, ignored=_IGNORED, may_lack_scales=True, code_base="detectron2")
_crossvis = partial(_layout, "crossvis", tracker="crossvis")
_fcos = partial(_layout, "fcos", msra_mean=OLD_MSRA_MEAN)
ADELAIDET = _layout("adelaidet", _DETECTRON2)
CROSSVIS = _crossvis((*_DETECTRON2, *_REID))
LAYOUTS = (
    ADELAIDET,
    CROSSVIS,
    _layout("adelaidet", (*_DETECTRON2, *_TRACK)),
    # A ResNet that kept torchvision's names is torchvision's.
    _layout("adelaidet", _TORCHVISION, backbone_style="torchvision"),
    _crossvis((*_TORCHVISION, *_REID), backbone_style="torchvision"),
    _layout("adelaidet", (*_TORCHVISION, *_TRACK), backbone_style="torchvision"),
    _fcos(_FCOS),
    _fcos((*_FCOS, *_OLD_REID)),
    _fcos((*_FCOS, *_OLD_TRACK)),
)
