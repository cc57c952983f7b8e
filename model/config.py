"""Every size and rule of an STC model in one dataclass."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any, Literal, TypedDict, get_origin, get_type_hints

from stc.errors import InputError
from stc.runtime import schema
from stc.runtime.letterbox import Letterbox, Resize
from stc.runtime.mask_head_op import part_sizes

MIN_SIZE, MAX_SIZE = 32, 4096  # pixels of a side that `--size` may ask for
DIVISOR = 32  # pixels; pictures are padded to sides of multiples of it, as the pyramid needs
MSRA_MEAN = (103.53, 116.28, 123.675)  # BGR, of the ResNets that detectron2 publishes
# What the fields of a config from a file must be. Sizes are bounded so that a network of them can be thought of.
Channels = Annotated[int, schema.integer(1, 1 << 14)]
Convs = Annotated[int, schema.integer(0, 100)]
Kernel = Annotated[int, schema.integer(1, 31)]
Stride = Annotated[int, schema.integer(1, 1024)]
Share = Annotated[float, schema.number(0, 1)]
Pixels = Annotated[tuple[int, int], schema.items(schema.integer(1, 8192), 2, 2)]
LevelSizes = Annotated[tuple[float, ...], schema.items(schema.number(0, 1e6), 1, 8)]
Colour = tuple[float, float, float]


def parse_size(text: str) -> tuple[int, int]:
    """`HxW`, as `--size` takes it -> (H, W) pixels. Raises InputError for anything else, or a side beyond 32..4096."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None or not all(MIN_SIZE <= int(side) <= MAX_SIZE for side in match.groups()):
        raise InputError(f"--size {text}: must be HEIGHTxWIDTH, {MIN_SIZE} to {MAX_SIZE} pixels each, such as 360x640")
    return int(match[1]), int(match[2])


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
    backbone: Annotated[str, schema.text(100)] = "resnet50"  # one of backbones/known.py
    stride_in_1x1: bool = True  # MSRA placement (detectron2); False is torchvision's. Not visible in a weight file.
    fpn_channels: Channels = 256
    p6_from: Literal["p5", "c5"] = "p5"  # "c5": the backbone's last feature, as early mmdetection had it
    strides: Annotated[tuple[int, ...], schema.items(schema.integer(1, 1024), 1, 8)] = (8, 16, 32, 64, 128)
    cls_convs: Convs = 4
    box_convs: Convs = 4
    track_convs: Convs = 4
    track_dim: Annotated[int, schema.integer(0, 4096)] = 256  # 0: no tracking head, ids come from IoU and class cues
    track_kernel: Kernel = 1
    track_norm: bool = True  # batch norm after the embedding layer, as CrossVIS has it
    # "batch" keeps one set of statistics per level and folds into the convs.
    head_norm: Literal["group", "batch"] = "group"
    head_kernel: Kernel = 3  # of the prediction layers, the controller among them
    tower_kernel: Kernel = 3  # of the class and box towers
    tower_separable: bool = False  # these towers' convolutions are depthwise, then 1x1
    mask_branch_channels: Channels = 128
    mask_branch_convs: Convs = 4
    mask_channels: Annotated[int, schema.integer(1, 1024)] = 8  # channels of mask_feats and of the dynamic layers
    mask_layers: Annotated[int, schema.integer(1, 64)] = 3
    mask_feats_stride: Stride = 8  # of mask_feats; 4: the mask branch reads C2, too
    appearance: bool = False  # also give each object the mean of C3 under its mask; computed, so not in the weights
    sizes_of_interest: LevelSizes = (64, 128, 256, 512, 1024)
    mask_out_stride: Stride = 4  # of `masks`: logits are upsampled to it before the sigmoid
    classes: Annotated[tuple[str, ...], schema.items(schema.text(1000), 0, 10_000)] = ()

    # Input
    input_size: Pixels = (360, 640)  # (H, W) of `frames`; with `shortest_edge` that of frames of this shape
    # (shorter side, most for the longer): each frame is resized so and keeps its shape. None: all are letterboxed.
    shortest_edge: Pixels | None = None
    resize: Resize = "pil-bilinear"
    channel_order: Literal["bgr", "rgb"] = "bgr"
    pixel_mean: Annotated[Colour, schema.items(schema.number(-1000, 1000), 3, 3)] = MSRA_MEAN  # in channel_order
    pixel_std: Annotated[Colour, schema.items(schema.number(0, 1000, above=True), 3, 3)] = (1.0, 1.0, 1.0)

    # Decode (named rules: decode_rules.py). Quality is class probability x centerness.
    score_form: Literal["sqrt", "product"] = "sqrt"  # the shown score: square root of the quality, or the quality
    score_threshold: Share = 0.05  # strict
    threshold_with_centerness: bool = True  # the threshold is on the quality; False: on the class probability alone
    # Best (location, class) pairs of all levels together, by quality.
    pre_nms_topk: Annotated[int, schema.integer(1, 1_000_000)] = 1000
    # Before that, each level may be limited to as many pairs, by class probability, or locations, by best quality.
    level_topk: Literal["none", "pairs", "locations"] = "none"
    clip_boxes: bool = False  # to the input, before suppression
    drop_empty_boxes: bool = False  # before suppression
    nms_threshold: Share = 0.6  # suppress where IoU is greater
    # Unrolled steps of cluster NMS; exact for suppression chains up to this length.
    nms_steps: Annotated[int, schema.integer(0, 1000)] = 16
    max_detections: Annotated[int, schema.integer(1, 100_000)] = 100

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
        return cls(**schema.known(cls, values))

    def with_(self, **changes: Any) -> ModelConfig:
        return replace(self, **changes)


FIELDS = schema.table(ModelConfig)
# Checked of any config: another word would pass for one of these.
_CHOICES = [name for name, hint in get_type_hints(ModelConfig).items() if get_origin(hint) is Literal]

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
    appearance=True,
)

PRESETS = {"r50": R50, "r101": R101, "stc-lite": STC_LITE, "stc-lite-2": STC_LITE_2}
PRESET_OF = {config.backbone: name for name, config in PRESETS.items()}  # of each backbone
