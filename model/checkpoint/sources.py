"""Where each field of the config of a foreign checkpoint comes from: its weights, its entries, or an option."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from stc.model.checkpoint.infer import SIZES_OF_INTEREST
from stc.model.checkpoint.options import Reading

# Config fields that `infer` reads off the weights -> our names (expressions) of the weights that tell.
INFERRED = {
    "backbone": r"backbone\.(blocks\..*|res4\.\d+\.conv1\.weight)",
    "fpn_channels": r"fpn\.lateral\.0\.weight",
    "p6_from": r"fpn\.p6\.weight",
    "cls_convs": r"head\.cls_tower\.convs\.\d+\.weight",
    "box_convs": r"head\.box_tower\.convs\.\d+\.weight",
    "track_convs": r"head\.track_tower\.convs\.\d+\.weight",
    "track_dim": r"head\.track_pred\.weight",
    "track_kernel": r"head\.track_pred\.weight",
    "track_norm": r"head\.track_norm\.weight",
    "head_norm": r"head\.cls_tower\.norms\.0\..*weight",
    "head_kernel": r"head\.cls_logits\.weight",
    "mask_branch_channels": r"mask_branch\.refine\.0\.conv\.weight",
    "mask_branch_convs": r"mask_branch\.tower\.\d+\.conv\.weight",
    "mask_channels": r"mask_branch\.pred\.weight",
    "mask_layers": r"head\.controller\.weight",
}
# Config fields that some files store -> our name of the entry; where it is not there, the preset's value stands.
STORED = {"sizes_of_interest": SIZES_OF_INTEREST}
# Config fields that the weights do not tell -> the option that says them.
FLAGS = {
    "classes": "--classes",
    **dict.fromkeys(("stride_in_1x1", "channel_order", "pixel_mean", "pixel_std"), "--backbone-style"),
    **dict.fromkeys(("score_form", "threshold_with_centerness", "level_topk", "clip_boxes"), "--decode-rule"),
    **dict.fromkeys(("drop_empty_boxes", "mask_out_stride", "resize", "nms_threshold"), "--decode-rule"),
    **dict.fromkeys(("input_size", "shortest_edge"), "--size"),
    "max_detections": "--max-detections",
}


@dataclass(frozen=True)
class Origins:
    """In words, by topic, what was assumed because nothing tells it; by field, what a config said, and which one."""

    assumed: dict[str, str] = field(default_factory=dict)
    read: dict[str, str] = field(default_factory=dict)


def told(entries: Container[str]) -> frozenset[str]:
    """The fields that the weights tell, and those that the file stores: `entries` are its names, by our names."""
    return frozenset({*INFERRED, "num_classes", *(name for name, entry in STORED.items() if entry in entries)})


def said_by_user(reading: Reading) -> frozenset[str]:
    """The fields that an option has said."""
    given = {
        "--classes": reading.classes is not None,
        "--backbone-style": reading.backbone_style is not None,
        "--decode-rule": reading.decode_rule is not None,
    }
    return frozenset(name for name, flag in FLAGS.items() if given.get(flag))
