"""Every choice of a training run, with its default and the reason for it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_type_hints

from stc.errors import InputError
from stc.model.config import PRESETS


def _setting(default: Any, why: str, *, above: bool = False) -> Any:
    """A number is 0 or more, or `above` it."""
    return field(default=default, metadata={"why": why, "above": above})


def _positive(default: float, why: str) -> Any:
    return _setting(default, why, above=True)


@dataclass(frozen=True)
class TrainConfig:
    """The recipe. Defaults suit `stc-lite` on a thousand pictures; pixels are of the model's input.

    Raises ValueError for a value out of range. `docs/training.md` has the same table.
    """

    seed: int = _setting(0, "a batch is a function of (seed, step): a resumed run continues with the same pictures")

    # What a batch holds
    batch_pairs: int = _positive(4, "key and reference each: eight pictures, enough for the batch norms of the heads")
    accumulate: int = _positive(1, "batches whose gradients are added up before a step: larger batches in small memory")
    views: Literal["pairs", "independent"] = _setting(
        "pairs", "two views of a pair show one scene, as tracking needs, or two: a detector learns from twice as much"
    )
    still_share: float = _setting(0.55, "pairs made of one still picture by two geometries")
    clip_share: float = _setting(0.20, "pairs of two frames of a clip in one geometry; few clips: more is memorised")
    composite_share: float = _setting(
        0.25, "pairs with cut-outs pasted in, each with its own motion: occlusions with known ids"
    )
    clip_window: int = _positive(20, "frames between key and reference at most (CrossVIS: 20)")
    repeat_limit: float = _setting(3.0, "a still with a rare class is drawn at most so many times as often as a common")
    negative_weight: float = _setting(0.4, "how often a still without objects is drawn, against one with objects")
    empty_share: float = _setting(0.0, "composites on a picture without objects that get no cut-out: nothing is there")
    min_cutouts: int = _setting(1, "cut-outs pasted into a composite at least")
    max_cutouts: int = _positive(3, "and at most")
    cutout_sizes: Literal["uniform", "logarithm"] = _setting(
        "uniform", "how their sizes are spread: evenly, or evenly by the logarithm, half of them small"
    )
    cutout_smallest: float = _positive(0.2, "longest side of a cut-out, of the input's height")
    cutout_largest: float = _setting(1.0, "and at most")
    cutout_min_area: float = _setting(0.02, "of its picture: smaller ones have no detail to enlarge")
    occluder_share: float = _setting(0.0, "composites with thin strips in front, cut from pictures without objects")
    mosaic_share: float = _setting(0.0, "of independent views: four scenes of half the size, so many small objects")
    cache_bytes: int = _setting(4 << 30, "decoded pictures kept in memory")

    # Geometry and colour
    plain_share: float = _setting(0.3, "views that are exactly the letterbox of inference, mirrored or not")
    zoom_out: float = _positive(0.7, "smallest scale, relative to the picture fitting the input")
    zoom_in: float = _positive(1.6, "largest scale, relative to the picture covering the input: a crop")
    closeup_share: float = _setting(0.0, "views filled by the largest object of the picture")
    closeup_zoom: float = _setting(4.0, "how many times larger than the input that object is at most")
    aspect_jitter: float = _setting(0.12, "logarithm of the largest stretch")
    max_rotation: float = _setting(6.0, "degrees, of three views in ten")
    motion_scale: float = _setting(0.18, "key to reference of a still: logarithm of the largest scale change")
    motion_shift: float = _setting(0.10, "key to reference of a still: share of the input size")
    motion_rotation: float = _setting(8.0, "key to reference of a still: degrees")
    colour_strength: float = _setting(1.0, "of light, colour and blur; 0 leaves pictures as they are")
    colour_drift: float = _setting(
        0.3, "share of it by which key and reference differ: within a second colours last, and they tell objects apart"
    )
    min_area: float = _positive(32.0, "visible pixels, two cells of the mask; an object with less is ignored")
    min_visible: float = _setting(0.1, "of an object's own area; a smaller sliver cannot be named and is ignored")
    partial_margin: float = _setting(0.2, "background around the objects of a partially annotated frame, of the box")

    # Targets (FCOS, arXiv 1904.01355)
    centre_radius: float = _positive(1.5, "strides around the mask centroid that are positive (AdelaiDet: 1.5)")
    range_factor: float = _positive(
        4.0,
        "level of stride s takes max(l, t, r, b) up to factor * s. FCOS has 8 at 800 pixels; at 256 pixels objects are "
        "three times smaller and slim towers see seven cells, so larger objects go to coarser levels",
    )
    every_object: bool = _setting(
        False, "an object without a location gets the nearest of P3, or its surroundings are unknown; never background"
    )
    quality: Literal["centerness", "iou"] = _setting(
        "centerness", "what the centerness layer learns: FCOS's centerness, or the IoU of the location's box"
    )

    # Losses of CondInst
    cls_weight: float = _setting(1.0, "AdelaiDet: 1")
    box_weight: float = _setting(1.0, "AdelaiDet: 1")
    centerness_weight: float = _setting(1.0, "AdelaiDet: 1")
    mask_weight: float = _setting(2.0, "AdelaiDet: 1; masks are the product, and only this term trains the mask branch")
    focal_alpha: float = _setting(0.25, "of the focal loss of the classes")
    focal_gamma: float = _setting(2.0, "of the focal loss of the classes")
    mask_sampling: Literal["balanced", "random"] = _setting(
        "balanced", "positives whose mask is computed: spread evenly over the instances, or random as in AdelaiDet"
    )
    max_masks: int = _positive(64, "their number per batch (AdelaiDet: 500); more repeat the same instances")

    # Bi-directional contrastive learning
    contrast_weight: float = _setting(0.25, "QDTrack: 0.25; 0 leaves the term out")
    contrast_form: Literal["multi-positive", "infonce"] = _setting(
        "multi-positive", "QDTrack's sum over all positives at once, or InfoNCE for each positive"
    )
    directions: Literal["both", "key-to-reference"] = _setting("both", "STC: both; the other is for the ablation")
    similarity: Literal["dot", "cosine"] = _setting("dot", "of two embeddings (QDTrack: dot)")
    temperature: float = _positive(1.0, "similarities are divided by it; with `cosine` 0.1 is usual")
    max_contrast: int = _positive(128, "positives per frame, spread evenly over the instances")
    max_background: int = _setting(64, "background locations per frame among the negatives; 0: none")
    max_foreign: int = _setting(64, "positives of other pairs among the negatives: most pictures hold few instances")
    cosine_weight: float = _setting(1.0, "the auxiliary term on cosines, to which trackers put a floor (QDTrack: 1)")
    cosine_margin: float = _setting(0.1, "cosine below which a negative is far enough (QDTrack: 0.1)")
    cosine_negatives: Literal["hardest", "random"] = _setting("hardest", "QDTrack: hardest, IDOL: random")
    negatives_per_positive: int = _setting(3, "of them at most (QDTrack: 3, IDOL: 10)")

    # Temporal consistency
    consistency: Literal["crossover", "filters", "embedding", "none"] = _setting(
        "crossover",
        "what of one instance must agree in both frames: masks made with the other frame's filters (CrossVIS), the "
        "filters themselves, or the embeddings. Crossover is the only one with published evidence; ours is to be run",
    )
    consistency_weight: float = _setting(1.0, "CrossVIS: 1. The squared norms of the other two need about 0.01")
    consistency_partner: Literal["random", "best"] = _setting(
        "random", "which positive of the other frame: any (CrossVIS), or the one with the best score"
    )
    max_consistency: int = _positive(8, "positives per frame, spread evenly over the instances")

    # Optimiser
    learns: Literal["everything", "tracking"] = _setting(
        "everything", "or the tracking tower alone, on pairs, after the detector: what is detected stays as it is"
    )
    freeze: bool = _setting(
        True, "the backbone keeps its norms' statistics and its layers up to stride 4; without --init false by default"
    )
    optimiser: Literal["adamw", "sgd"] = _setting(
        "adamw", "from ImageNet to a detector in a few thousand steps, where SGD (momentum 0.9) wants tens of thousands"
    )
    lr: float = _positive(1e-3, "peak learning rate")
    backbone_lr: float = _setting(2e-4, "pretrained weights move slower (CrossVIS: a tenth)")
    weight_decay: float = _setting(0.03, "not on norms and biases")
    schedule: Literal["cosine", "steps"] = _setting("cosine", "or a tenth at 65 % and a hundredth at 91 % (CrossVIS)")
    warmup_steps: int = _positive(100, "linear")
    final_lr: float = _setting(0.01, "of the peak, at the end of the cosine")
    clip_norm: float = _positive(10.0, "of the gradient (MaskTrack R-CNN: 35 with SGD)")
    ema_decay: float = _setting(0.998, "a window of 500 steps: a run may have no more than two thousand; 0: no average")
    mixed_precision: bool = _setting(
        True, "bfloat16 in the network on CUDA GPUs that have it, losses in float32; never executed. CPUs: float32"
    )
    save_minutes: float = _setting(3.0, "between two saved states; 0 saves after every step")

    @property
    def embeds(self) -> bool:
        """Whether any term reads the tracking embeddings."""
        return bool(self.contrast_weight or self.cosine_weight or self.consistency == "embedding")

    def __post_init__(self) -> None:
        types = get_type_hints(TrainConfig)
        for setting in fields(self):
            value, allowed = getattr(self, setting.name), get_args(types[setting.name])
            if allowed and value not in allowed:
                raise ValueError(f"{setting.name}={value}: must be one of {', '.join(allowed)}")
            above = setting.metadata["above"]
            if not allowed and not (0 <= value < math.inf and (value > 0 or not above)):
                raise ValueError(f"{setting.name}={value}: must be {'above 0' if above else '0 or more'}")
        if self.still_share + self.clip_share + self.composite_share == 0:
            raise ValueError("still_share, clip_share and composite_share are all 0; no pair could be drawn")
        for least, most in (("cutout_smallest", "cutout_largest"), ("min_cutouts", "max_cutouts")):
            if getattr(self, least) > getattr(self, most):
                raise ValueError(f"{least}={getattr(self, least)}: must not exceed {most}={getattr(self, most)}")
        if self.learns == "tracking" and self.views == "independent":
            raise ValueError("learns=tracking: needs views=pairs, for independent views share no object")
        if self.learns == "tracking" and not self.embeds:
            raise ValueError("learns=tracking: nothing to learn from, contrast_weight and cosine_weight are 0")
        if self.closeup_zoom < 1:
            raise ValueError(f"closeup_zoom={self.closeup_zoom}: must be at least 1")
        if self.zoom_out > self.zoom_in:
            raise ValueError(f"zoom_out={self.zoom_out}: must not exceed zoom_in={self.zoom_in}")
        if self.seed >= 1 << 32:
            raise ValueError(f"seed={self.seed}: must be below 2^32")
        if self.ema_decay >= 1:
            raise ValueError(f"ema_decay={self.ema_decay}: must be below 1")


# The published optimiser, targets and weights of CondInst and CrossVIS; augmentation as above. Never run in full here.
_PUBLISHED = TrainConfig(
    batch_pairs=16,
    range_factor=8.0,
    mask_weight=1.0,
    mask_sampling="random",
    max_masks=500,
    optimiser="sgd",
    lr=0.005,
    backbone_lr=0.0005,
    weight_decay=1e-4,
    schedule="steps",
    warmup_steps=1000,
    clip_norm=35.0,
    ema_decay=0.9998,
)
# For stc-lite-2 a detector first: independent views, many small objects, nothing of tracking yet.
_DETECTOR = TrainConfig(
    views="independent",
    still_share=0.5,
    clip_share=0.1,
    composite_share=0.4,
    negative_weight=1.0,
    empty_share=0.5,
    min_cutouts=3,
    max_cutouts=8,
    cutout_min_area=0.005,
    cutout_sizes="logarithm",
    cutout_smallest=0.04,
    cutout_largest=0.9,
    occluder_share=0.3,
    mosaic_share=0.2,
    closeup_share=0.1,
    min_area=16.0,
    every_object=True,
    quality="iou",
    box_weight=2.0,
    mask_weight=4.0,
    contrast_weight=0.0,
    cosine_weight=0.0,
    consistency="none",
    warmup_steps=300,
    ema_decay=0.9995,
)
# Then, from the weights of that detector or of any whole stc-lite-2: pairs of frames, and all terms.
_TRACKER = replace(
    _DETECTOR,
    views="pairs",
    still_share=0.35,
    clip_share=0.25,
    contrast_weight=0.25,
    cosine_weight=1.0,
    consistency="crossover",
    warmup_steps=100,
    ema_decay=0.998,
)
# Of every preset; one without a recipe of its own has that of stc-lite.
RECIPES = dict.fromkeys(PRESETS, TrainConfig()) | {
    "r50": _PUBLISHED,
    "r101": _PUBLISHED,
    "stc-lite-2": _DETECTOR,
}


def recipe(preset: str, whole: bool) -> TrainConfig:
    """The settings of a run that begins with the weights of a `whole` model, or else of a backbone or none at all."""
    return _TRACKER if whole and preset == "stc-lite-2" else RECIPES[preset]


def with_settings(config: TrainConfig, texts: Iterable[str]) -> TrainConfig:
    """`config` with changes given as `name=value`. Raises InputError for an unknown name or a value that does not fit.

    A whole number may be written as a float's value (`lr=1`), not the reverse.
    """
    types = get_type_hints(TrainConfig)
    changes: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or name not in types:
            raise InputError(f"--set {text}: not NAME=VALUE of a setting; list them with: stc-train --settings")
        try:
            changes[name] = _parse(types[name], value)
        except ValueError as error:
            raise InputError(f"--set {text}: {error}; see: stc-train --settings") from error
    try:
        return replace(config, **changes)
    except ValueError as error:
        raise InputError(f"--set {error}; see: stc-train --settings") from error


def describe_settings(config: TrainConfig) -> list[tuple[str, str, str]]:
    """(name, value, why) of every setting."""
    return [(f.name, str(getattr(config, f.name)), str(f.metadata["why"])) for f in fields(config)]


def _parse(kind: Any, value: str) -> Any:
    if kind is bool:
        if value not in {"true", "false", "True", "False"}:
            raise ValueError("must be true or false")
        return value.lower() == "true"
    return kind(value) if kind in {int, float} else value
