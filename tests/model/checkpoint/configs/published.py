"""Training configs as the code bases write them: their keys with the published values."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

# What AdelaiDet's and CrossVIS's trainings leave as config.yaml in OUTPUT_DIR, without what only training needs.
DETECTRON2: dict[str, Any] = {
    "DATASETS": {"TRAIN": ["coco_2017_train"], "TEST": ["coco_2017_val"]},
    "INPUT": {"FORMAT": "BGR", "MIN_SIZE_TEST": 800, "MAX_SIZE_TEST": 1333, "MIN_SIZE_TRAIN": "(640, 800)"},
    "MODEL": {
        "META_ARCHITECTURE": "CondInst",
        "PIXEL_MEAN": [103.53, 116.28, 123.675],
        "PIXEL_STD": [1.0, 1.0, 1.0],
        "RESNETS": {"DEPTH": 50, "STRIDE_IN_1X1": True, "RES5_DILATION": 1, "NORM": "FrozenBN"},
        "FPN": {"OUT_CHANNELS": 256, "FUSE_TYPE": "sum", "NORM": ""},
        "FCOS": {
            "NUM_CLASSES": 80,
            "IN_FEATURES": ["p3", "p4", "p5", "p6", "p7"],
            "FPN_STRIDES": [8, 16, 32, 64, 128],
            "INFERENCE_TH_TEST": 0.05,
            "NMS_TH": 0.6,
            "PRE_NMS_TOPK_TEST": 1000,
            "POST_NMS_TOPK_TEST": 100,
            "THRESH_WITH_CTR": True,
            "BOX_QUALITY": "ctrness",
            "SIZES_OF_INTEREST": [64, 128, 256, 512],
            "NUM_CLS_CONVS": 4,
            "NUM_BOX_CONVS": 4,
        },
        "CONDINST": {
            "MASK_OUT_STRIDE": 4,
            "BOTTOM_PIXELS_REMOVED": -1,
            "MASK_HEAD": {"CHANNELS": 8, "NUM_LAYERS": 3, "DISABLE_REL_COORDS": False},
            "MASK_BRANCH": {"OUT_CHANNELS": 8, "IN_FEATURES": ["p3", "p4", "p5"], "CHANNELS": 128, "NUM_CONVS": 4},
        },
    },
}
# mmdetection 3.x as mmengine prints it, and 2.x as mmcv does.
MMDET3 = """
img_size = (1333, 800)
model = dict(
    type='CondInst',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True,
        pad_mask=True, pad_size_divisor=32),
    backbone=dict(type='ResNet', depth=50, num_stages=4, out_indices=(0, 1, 2, 3), style='pytorch'),
    neck=dict(
        type='FPN', in_channels=[256, 512, 1024, 2048], out_channels=256, start_level=1, add_extra_convs='on_output',
        num_outs=5, relu_before_extra_convs=True),
    bbox_head=dict(
        type='CondInstBboxHead', num_params=169, num_classes=80, stacked_convs=4, strides=[8, 16, 32, 64, 128],
        norm_on_bbox=True, centerness_on_reg=True),
    mask_head=dict(
        type='CondInstMaskHead', num_layers=3, feat_channels=8, size_of_interest=8, mask_out_stride=4,
        mask_feature_head=dict(
            feat_channels=128, start_level=0, end_level=2, out_channels=8, mask_stride=8, num_stacked_convs=4)),
    test_cfg=dict(
        nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.6), max_per_img=100,
        mask_thr=0.5))
test_pipeline = [
    dict(type='LoadImageFromFile', backend_args=None),
    dict(type='Resize', scale=img_size, keep_ratio=True, backend='pillow'),
]
test_dataloader = dict(batch_size=1, dataset=dict(type='CocoDataset', pipeline=test_pipeline))
"""
MMDET2 = """
img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
model = dict(
    type='CondInst',
    backbone=dict(type='ResNet', depth=50, style='pytorch'),
    neck=dict(
        type='FPN', out_channels=256, start_level=1, add_extra_convs='on_input', num_outs=5,
        relu_before_extra_convs=True),
    bbox_head=dict(type='CondInstHead', num_classes=80, stacked_convs=4, strides=[8, 16, 32, 64, 128]),
    test_cfg=dict(nms_pre=1000, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms', iou_thr=0.5), max_per_img=100))
data = dict(
    test=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(
                type='MultiScaleFlipAug', img_scale=(640, 360), flip=False,
                transforms=[
                    dict(type='Resize', keep_ratio=True),
                    dict(type='Normalize', **img_norm_cfg),
                    dict(type='Pad', size_divisor=32),
                ]),
        ]))
"""


def changed(key: str, value: Any, tree: dict[str, Any] = DETECTRON2) -> dict[str, Any]:
    """`tree` with another value under the dotted `key`."""
    copy = deepcopy(tree)
    *path, last = key.split(".")
    section = copy
    for name in path:
        section = section.setdefault(name, {})
    section[last] = value
    return copy
