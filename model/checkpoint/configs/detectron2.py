"""Configs of detectron2 and what builds on it, as training writes one into OUTPUT_DIR: AdelaiDet's and CrossVIS's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stc.model.checkpoint.configs.statements import (
    Entry,
    Required,
    Said,
    Statements,
    edges,
    lookup,
    resized,
    resnet,
    said_by,
    unsupported_in,
)

_FCOS, _CONDINST = "MODEL.FCOS", "MODEL.CONDINST"


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _sizes_of_interest(bounds: Any) -> Any:
    """The last level has twice the size of the one before it, and no upper bound in the list."""
    return [*bounds, 2 * bounds[-1]] if bounds and _numbers(bounds) else bounds


def _numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(type(item) in (int, float) for item in value)


_ENTRIES = (
    Entry("MODEL.RESNETS.DEPTH", ("backbone",), resnet),
    Entry("MODEL.RESNETS.STRIDE_IN_1X1", ("stride_in_1x1",)),
    Entry("MODEL.FPN.OUT_CHANNELS", ("fpn_channels",)),
    Entry(f"{_FCOS}.NUM_CLASSES", ("num_classes",)),
    Entry(f"{_FCOS}.NUM_CLS_CONVS", ("cls_convs",)),
    Entry(f"{_FCOS}.NUM_BOX_CONVS", ("box_convs",)),
    Entry(f"{_FCOS}.SIZES_OF_INTEREST", ("sizes_of_interest",), _sizes_of_interest),
    Entry(f"{_FCOS}.INFERENCE_TH_TEST", ("score_threshold",)),
    Entry(f"{_FCOS}.THRESH_WITH_CTR", ("threshold_with_centerness",)),
    Entry(f"{_FCOS}.PRE_NMS_TOPK_TEST", ("pre_nms_topk",)),
    Entry(f"{_FCOS}.POST_NMS_TOPK_TEST", ("max_detections",)),
    Entry(f"{_FCOS}.NMS_TH", ("nms_threshold",)),
    Entry(f"{_CONDINST}.MASK_OUT_STRIDE", ("mask_out_stride",)),
    Entry(f"{_CONDINST}.MASK_HEAD.NUM_LAYERS", ("mask_layers",)),
    Entry(f"{_CONDINST}.MASK_BRANCH.OUT_CHANNELS", ("mask_channels",)),
    Entry(f"{_CONDINST}.MASK_BRANCH.CHANNELS", ("mask_branch_channels",)),
    Entry(f"{_CONDINST}.MASK_BRANCH.NUM_CONVS", ("mask_branch_convs",)),
    Entry("INPUT.FORMAT", ("channel_order",), _lower),
    Entry("MODEL.PIXEL_MEAN", ("pixel_mean",)),
    Entry("MODEL.PIXEL_STD", ("pixel_std",)),
)
# BOX_QUALITY is none of them: what "iou" trains is multiplied as "ctrness" is.
_REQUIRED = (
    Required("MODEL.RESNETS.RES5_DILATION", (1,), "a dilated res5"),
    Required("MODEL.FPN.FUSE_TYPE", ("sum",), "a pyramid that averages"),
    Required(f"{_FCOS}.IN_FEATURES", (("p3", "p4", "p5", "p6", "p7"),), "other levels of the pyramid"),
    Required(f"{_FCOS}.FPN_STRIDES", ((8, 16, 32, 64, 128),), "other strides of the pyramid"),
    Required(f"{_CONDINST}.MASK_BRANCH.IN_FEATURES", (("p3", "p4", "p5"),), "other levels below the mask branch"),
    Required(f"{_CONDINST}.MASK_HEAD.DISABLE_REL_COORDS", (False,), "mask heads without relative coordinates"),
)
# How the names of data sets begin -> a key of `class_names.KNOWN`.
_DATA_SETS = {
    "coco_20": "coco",
    "youtubevis_": "ytvis2019",
    "ytvis_2019": "ytvis2019",
    "youtube_vis_2019": "ytvis2019",
    "ytvis_2021": "ytvis2021",
    "youtube_vis_2021": "ytvis2021",
    "ovis": "ovis",
}


def is_one(tree: Mapping[str, Any]) -> bool:
    return isinstance(tree.get("MODEL"), Mapping)


def read(tree: Mapping[str, Any], source: str) -> Statements:
    """What the decoded YAML of a config says. Raises InputError for values that no model of ours can have."""
    said = said_by(tree, _ENTRIES, source)
    resize = edges(*(_first(lookup(tree, f"INPUT.{side}_SIZE_TEST")) for side in ("MIN", "MAX")))
    if resize is not None:
        said |= resized("INPUT.MIN_SIZE_TEST, MAX_SIZE_TEST", resize)
    if known := _known_classes(lookup(tree, "DATASETS.TRAIN")):
        said["classes"] = Said(known, "DATASETS.TRAIN")
    return Statements(source, "detectron2", said, unsupported_in(tree, _REQUIRED))


def _known_classes(data_sets: Any) -> str | None:
    name = _first(data_sets)
    if not isinstance(name, str):
        return None
    return next((known for start, known in _DATA_SETS.items() if name.lower().startswith(start)), None)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and value else value
