"""Every size and rule of an STC model in one dataclass."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypedDict

from stc.runtime import schema
from stc.runtime.letterbox import RESIZE_RULES, Letterbox, Resize
from stc.runtime.mask_head_op import part_sizes

DIVISOR = 32  # pixels; pictures are padded to sides of multiples of it, as the pyramid needs
MSRA_MEAN = (103.53, 116.28, 123.675)  # BGR, of the ResNets that detectron2 publishes
# What a config from a file must be. Sizes are bounded so that a network of them can be thought of.
_CHANNELS = schema.integer(1, 1 << 14)
_CONVS = schema.integer(0, 100)
_KERNEL = schema.integer(1, 31)
_COLOUR = schema.items(schema.number(-1000, 1000), 3, 3)
FIELDS: schema.Table = {
    "backbone": schema.text(100),  # which there are says `backbones.known`
    "stride_in_1x1": schema.flag(),
    "fpn_channels": _CHANNELS,
    "p6_from": schema.choice("p5", "c5"),
    "strides": schema.items(schema.integer(1, 1024), 1, 8),
    **dict.fromkeys(("cls_convs", "box_convs", "track_convs", "mask_branch_convs"), _CONVS),
    "track_dim": schema.integer(0, 4096),
    "track_kernel": _KERNEL,
    "track_norm": schema.flag(),
    "head_norm": schema.choice("group", "batch"),
    "head_kernel": _KERNEL,
    "tower_kernel": _KERNEL,
    "tower_separable": schema.flag(),
    "mask_branch_channels": _CHANNELS,
    "mask_channels": schema.integer(1, 1024),
    "mask_layers": schema.integer(1, 64),
    "mask_feats_stride": schema.integer(1, 1024),
    "sizes_of_interest": schema.items(schema.number(0, 1e6), 1, 8),
    "mask_out_stride": schema.integer(1, 1024),
    "classes": schema.items(schema.text(1000), 0, 10_000),
    "input_size": schema.items(schema.integer(1, 8192), 2, 2),
    "shortest_edge": schema.optional(schema.items(schema.integer(1, 8192), 2, 2)),
    "resize": schema.choice(*RESIZE_RULES),
    "channel_order": schema.choice("bgr", "rgb"),
    "pixel_mean": _COLOUR,
    "pixel_std": schema.items(schema.number(0, 1000, above=True), 3, 3),
    "score_form": schema.choice("sqrt", "product"),
    "score_threshold": schema.number(0, 1),
    "threshold_with_centerness": schema.flag(),
    "pre_nms_topk": schema.integer(1, 1_000_000),
    "level_topk": schema.choice("none", "pairs", "locations"),
    "clip_boxes": schema.flag(),
    "drop_empty_boxes": schema.flag(),
    "nms_threshold": schema.number(0, 1),
    "nms_steps": schema.integer(0, 1000),
    "max_detections": schema.integer(1, 100_000),
}


# Checked of any config: another word would pass for one of these.
_CHOICES = ("p6_from", "head_norm", "resize", "channel_order", "score_form", "level_topk")


class MaskHeadAttributes(TypedDict):
    """channels: of the features and of the hidden layers. layers: dynamic ones. stride: input pixels per cell of the
    features. upsample: cells of the output per cell of the features, and side.
    """

    channels: int
    layers: int
    stride: int
    upsample: int


@dataclass(frozen=True)
class ModelConfig:
    """Architecture, preprocessing and decoding of one model.

    The defaults are AdelaiDet's CondInst R-50 at the VIS size (360x640). Pixels are in the model's input, `(x, y)`
    order for points and `(H, W)` for sizes.
    """

    # Architecture
    backbone: str = "resnet50"  # one of backbones/known.py
    stride_in_1x1: bool = True  # MSRA placement (detectron2); False is torchvision's. Not visible in a weight file.
    fpn_channels: int = 256
    p6_from: Literal["p5", "c5"] = "p5"  # "c5": the backbone's last feature, as early mmdetection had it
    strides: tuple[int, ...] = (8, 16, 32, 64, 128)
    cls_convs: int = 4
    box_convs: int = 4
    track_convs: int = 4
    track_dim: int = 256  # 0: no tracking head, ids come from IoU and class cues
    track_kernel: int = 1
    track_norm: bool = True  # batch norm after the embedding layer, as CrossVIS has it
    head_norm: Literal["group", "batch"] = (
        "group"  # "batch" keeps one set of statistics per level and folds into the convs
    )
    head_kernel: int = 3  # of the prediction layers, the controller among them
    tower_kernel: int = 3  # of the class and box towers
    tower_separable: bool = False  # these towers' convolutions are depthwise, then 1x1
    mask_branch_channels: int = 128
    mask_branch_convs: int = 4
    mask_channels: int = 8  # channels of mask_feats and of the dynamic layers
    mask_layers: int = 3
    mask_feats_stride: int = 8  # of mask_feats; 4: the mask branch reads C2, too
    sizes_of_interest: tuple[float, ...] = (64, 128, 256, 512, 1024)
    mask_out_stride: int = 4  # of `masks`: logits are upsampled to it before the sigmoid
    classes: tuple[str, ...] = ()

    # Input
    input_size: tuple[int, int] = (360, 640)  # (H, W) of `frames`; with `shortest_edge` that of frames of this shape
    # (shorter side, most for the longer): each frame is resized so and keeps its shape. None: all are letterboxed.
    shortest_edge: tuple[int, int] | None = None
    resize: Resize = "pil-bilinear"
    channel_order: Literal["bgr", "rgb"] = "bgr"
    pixel_mean: tuple[float, float, float] = MSRA_MEAN  # in channel_order
    pixel_std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    # Decode (named rules: decode_rules.py). Quality is class probability x centerness.
    score_form: Literal["sqrt", "product"] = "sqrt"  # the shown score: square root of the quality, or the quality
    score_threshold: float = 0.05  # strict
    threshold_with_centerness: bool = True  # the threshold is on the quality; False: on the class probability alone
    pre_nms_topk: int = 1000  # best (location, class) pairs of all levels together, by quality
    # Before that, each level may be limited to as many pairs, by class probability, or locations, by best quality.
    level_topk: Literal["none", "pairs", "locations"] = "none"
    clip_boxes: bool = False  # to the input, before suppression
    drop_empty_boxes: bool = False  # before suppression
    nms_threshold: float = 0.6  # suppress where IoU is greater
    nms_steps: int = 16  # unrolled steps of cluster NMS; exact for suppression chains up to this length
    max_detections: int = 100

    def __post_init__(self) -> None:
        if len(self.strides) != len(self.sizes_of_interest):
            raise ValueError(f"{len(self.strides)} strides but {len(self.sizes_of_interest)} sizes of interest")
        choices = {name: getattr(self, name) for name in _CHOICES}
        if wrong := schema.problems(choices, FIELDS):
            raise ValueError(schema.sentence(wrong))
        if self.nms_steps % 2:
            raise ValueError(f"nms_steps must be even, so that NMS keeps a superset of greedy; got {self.nms_steps}")
        if self.shortest_edge is not None and self.shortest_edge[0] > self.shortest_edge[1]:
            raise ValueError(f"shortest_edge {self.shortest_edge}: the shorter side exceeds the longer one's limit")
        if self.max_detections > self.pre_nms_topk:
            raise ValueError(f"max_detections {self.max_detections} exceeds pre_nms_topk {self.pre_nms_topk}")
        if len(self.strides) not in {4, 5}:
            raise ValueError(f"{len(self.strides)} strides: the pyramid has P3 to P6 or to P7")
        if self.mask_feats_stride not in {self.strides[0], self.strides[0] // 2}:
            raise ValueError(f"mask_feats_stride {self.mask_feats_stride}: must be the stride of P3 or of C2")
        if self.mask_feats_stride % self.mask_out_stride:
            raise ValueError(
                f"mask_out_stride {self.mask_out_stride} does not divide the mask stride {self.mask_feats_stride}"
            )

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def num_mask_params(self) -> int:
        """Length of `params`, the weights then the biases of the dynamic layers (169 by default)."""
        return sum(part_sizes(self.mask_channels, self.mask_layers))

    @property
    def mask_head(self) -> MaskHeadAttributes:
        """The attributes of the op `stc::DynamicMaskHead` for this model."""
        return MaskHeadAttributes(
            channels=self.mask_channels,
            layers=self.mask_layers,
            stride=self.mask_feats_stride,
            upsample=self.mask_feats_stride // self.mask_out_stride,
        )

    @property
    def padded_size(self) -> tuple[int, int]:
        """Input size (H, W) rounded up to multiples of 32, as the FPN needs it."""
        height, width = self.input_size
        return -(-height // DIVISOR) * DIVISOR, -(-width // DIVISOR) * DIVISOR

    @property
    def border_bgr(self) -> tuple[int, int, int]:
        """Letterbox colour, BGR in 0..255: the mean, so that the border is about zero once normalised."""
        mean = self.pixel_mean if self.channel_order == "bgr" else self.pixel_mean[::-1]
        blue, green, red = (round(value) for value in mean)
        return blue, green, red

    def letterbox(self, frame_size: tuple[int, int]) -> Letterbox:
        """How frames of this size (H, W) become the model's input. Raises InputError for an empty frame."""
        return Letterbox.fit(frame_size, self.input_size, self.resize, self.border_bgr, self.shortest_edge)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelConfig:
        """Inverse of `to_dict`, also after JSON.

        Raises ValueError for what is no dictionary, for unknown fields, and for values of another type or out of range.
        """
        if not isinstance(values, dict):
            raise ValueError(f"must be a dictionary; got {schema.shown(values)}")
        known = {field.name for field in fields(cls)}
        if unknown := set(values) - known:
            raise ValueError(f"unknown config fields {', '.join(sorted(unknown))[:200]}")
        if wrong := schema.problems(values, FIELDS):
            raise ValueError(schema.sentence(wrong))
        fixed: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**fixed)

    def with_(self, **changes: Any) -> ModelConfig:
        return replace(self, **changes)


R50 = ModelConfig()
R101 = ModelConfig(backbone="resnet101")

STC_LITE = ModelConfig(
    backbone="efficientnet-lite0",
    fpn_channels=64,
    cls_convs=2,
    box_convs=2,
    track_convs=2,
    track_dim=64,
    track_norm=False,
    head_norm="batch",
    mask_branch_channels=64,
    mask_branch_convs=2,
    classes=("person", "animal", "vehicle"),
    input_size=(256, 448),
    resize="area",
    channel_order="rgb",
    pixel_mean=(126.99, 126.99, 126.99),
    pixel_std=(128.01, 128.01, 128.01),
    pre_nms_topk=256,
    max_detections=50,
)

# No P7, C5 of 192 channels, wider and lighter towers: room for a larger input and masks of twice the resolution.
STC_LITE_2 = STC_LITE.with_(
    backbone="efficientnet-lite0-192",
    strides=(8, 16, 32, 64),
    sizes_of_interest=(64, 128, 256, 512),
    tower_kernel=5,
    tower_separable=True,
    mask_feats_stride=4,
    mask_branch_channels=48,
    mask_branch_convs=1,
    input_size=(288, 512),
)

PRESETS = {"r50": R50, "r101": R101, "stc-lite": STC_LITE, "stc-lite-2": STC_LITE_2}
PRESET_OF = {config.backbone: name for name, config in PRESETS.items()}  # of each backbone
