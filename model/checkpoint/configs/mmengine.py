"""Configs of mmengine and of mmcv before it: mmdetection 3.x and 2.x. A checkpoint of theirs holds it under `meta`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stc.model.checkpoint.configs.statements import (
    ABSENT,
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

_HEAD, _MASK, _TEST = "model.bbox_head", "model.mask_head", "model.test_cfg"
_FEATURES = f"{_MASK}.mask_feature_head"
STRIDES = (8, 16, 32, 64, 128)


def _in_1x1(style: Any) -> Any:
    return {"caffe": True, "pytorch": False}.get(style, style) if isinstance(style, str) else style


def _p6_from(extra: Any) -> Any:
    known = {"on_input": "c5", True: "c5", "on_output": "p5"}
    return known.get(extra, ABSENT) if isinstance(extra, str | bool) else ABSENT  # others are not supported


def _order(to_rgb: Any) -> Any:
    return {True: "rgb", False: "bgr"}[to_rgb] if isinstance(to_rgb, bool) else to_rgb


def _sizes_of_interest(size: Any) -> Any:
    return [size * stride for stride in STRIDES] if type(size) in (int, float) else size


_ENTRIES = (
    Entry("model.backbone.depth", ("backbone",), resnet),
    Entry("model.backbone.style", ("stride_in_1x1",), _in_1x1),
    Entry("model.neck.out_channels", ("fpn_channels",)),
    Entry("model.neck.add_extra_convs", ("p6_from",), _p6_from),
    Entry(f"{_HEAD}.num_classes", ("num_classes",)),
    Entry(f"{_HEAD}.stacked_convs", ("cls_convs", "box_convs")),
    Entry(f"{_MASK}.num_layers", ("mask_layers",)),
    Entry(f"{_MASK}.size_of_interest", ("sizes_of_interest",), _sizes_of_interest),
    Entry(f"{_MASK}.mask_out_stride", ("mask_out_stride",)),
    Entry(f"{_FEATURES}.feat_channels", ("mask_branch_channels",)),
    Entry(f"{_FEATURES}.num_stacked_convs", ("mask_branch_convs",)),
    Entry(f"{_FEATURES}.out_channels", ("mask_channels",)),
    Entry(f"{_TEST}.nms_pre", ("pre_nms_topk",)),
    Entry(f"{_TEST}.score_thr", ("score_threshold",)),
    Entry(f"{_TEST}.nms.iou_threshold", ("nms_threshold",)),
    Entry(f"{_TEST}.nms.iou_thr", ("nms_threshold",)),
    Entry(f"{_TEST}.max_per_img", ("max_detections",)),
    Entry("model.data_preprocessor.mean", ("pixel_mean",)),
    Entry("model.data_preprocessor.std", ("pixel_std",)),
    Entry("model.data_preprocessor.bgr_to_rgb", ("channel_order",), _order),
    Entry("Normalize.mean", ("pixel_mean",)),
    Entry("Normalize.std", ("pixel_std",)),
    Entry("Normalize.to_rgb", ("channel_order",), _order),
)
_REQUIRED = (
    Required("model.backbone.dilations", ((1, 1, 1, 1),), "a dilated backbone"),
    Required("model.neck.add_extra_convs", ("on_input", "on_output", True), "P6 from a lateral convolution"),
    Required("model.neck.relu_before_extra_convs", (True,), "P7 without a ReLU before it", default=False),
    Required("model.neck.start_level", (1,), "other levels of the pyramid", default=0),
    Required("model.neck.num_outs", (5,), "other levels of the pyramid"),
    Required(f"{_HEAD}.strides", (STRIDES,), "other strides of the pyramid"),
    Required(f"{_FEATURES}.mask_stride", (8,), "another stride of the mask features"),
    Required(f"{_FEATURES}.end_level", (2,), "other levels below the mask branch"),
    Required(f"{_MASK}.disable_rel_coors", (False,), "mask heads without relative coordinates"),
    Required(f"{_TEST}.nms.type", ("nms",), "another suppression"),
    Required(f"{_TEST}.mask_thr", (0.5,), "another threshold of masks"),
    Required(f"{_TEST}.min_bbox_size", (-1, 0), "a least size of boxes"),
    Required("Resize.keep_ratio", (True,), "frames that are stretched to the input", default=False),
    Required("Resize.interpolation", ("bilinear",), "another interpolation of frames"),
    Required("model.data_preprocessor.pad_size_divisor", (32,), "another padding than to multiples of 32", default=1),
    Required("Pad.size_divisor", (32,), "another padding than to multiples of 32"),
)
# What 3.x lets off by default; the head of pull request 5248 has no such choice.
_REQUIRED_OF_3 = (
    Required(f"{_HEAD}.norm_on_bbox", (True,), "boxes as exponentials", default=False),
    Required(f"{_HEAD}.centerness_on_reg", (True,), "centerness from the class tower", default=False),
)
_ENTRIES_OF_3 = (Entry(f"{_TEST}.min_bbox_size", ("drop_empty_boxes",), lambda least: least == 0),)
_PIPELINES = ("test_dataloader.dataset.pipeline", "data.test.pipeline", "test_pipeline")


def is_one(tree: Mapping[str, Any]) -> bool:
    return isinstance(lookup(tree, "model.bbox_head"), Mapping)


def read(tree: Mapping[str, Any], source: str) -> Statements:
    """What the decoded text of a config says. Raises InputError for values that no model of ours can have."""
    whole = {**tree, **_steps(tree)}
    of_3 = lookup(whole, _MASK) is not ABSENT
    said = said_by(whole, (*_ENTRIES, *(_ENTRIES_OF_3 if of_3 else ())), source)
    scale = next((s for name in ("scale", "img_scale") if (s := lookup(whole, f"Resize.{name}")) is not ABSENT), None)
    resize = edges(min(scale), max(scale)) if scale is not None and _is_pair(scale) else None
    if resize is not None:
        said |= resized("scale of Resize in the test pipeline", resize)
    if scale is not None:  # there is such a step; its default is mmcv's, OpenCV
        by = "pil-bilinear" if lookup(whole, "Resize.backend") == "pillow" else "linear"
        said["resize"] = Said(by, "backend of Resize in the test pipeline")
    unsupported = unsupported_in(whole, (*_REQUIRED, *(_REQUIRED_OF_3 if of_3 else ())))
    return Statements(source, "mmengine", said, unsupported)


def _is_pair(scale: Any) -> bool:
    return isinstance(scale, list | tuple) and len(scale) == 2 and all(type(side) is int for side in scale)


def _steps(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The steps of the test pipeline by their type; those that 2.x nests in MultiScaleFlipAug take its scale."""
    found = (steps for name in _PIPELINES if isinstance(steps := lookup(tree, name), list))
    steps = _named(next(found, []))
    if (flips := steps.get("MultiScaleFlipAug")) is not None:
        inner = _named(flips.get("transforms"))
        inner["Resize"] = {**inner.get("Resize", {}), "scale": flips.get("img_scale")}
        steps |= inner
    return {name: steps[name] for name in ("Resize", "Normalize", "Pad") if name in steps}


def _named(steps: Any) -> dict[str, Any]:
    if not isinstance(steps, list):
        return {}
    return {
        step["type"].rpartition(".")[2]: step
        for step in steps
        if isinstance(step, dict) and isinstance(step.get("type"), str)
    }
