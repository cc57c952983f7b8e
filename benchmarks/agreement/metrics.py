"""What agreement with PyTorch consists of: every number once, with the stage it judges and the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from stc.benchmarks.agreement.floor import Floor


@dataclass(frozen=True)
class Metric:
    """One number of an `Agreement`.

    name: its field. stage: the part of the computation that it judges. title: in words. form: how its value is shown,
    with its unit. limit: whether a budget may state the most or the least that is allowed; None: it is only reported.
    headline: it is in the short block `agreement` of a benchmark's JSON.
    """

    name: str
    stage: str
    title: str
    form: str
    limit: Literal["most", "least"] | None = None
    headline: bool = False

    def shown(self, value: Any) -> str:
        return "not measured" if value is None else self.form.format(value)

    @property
    def sign(self) -> str:
        return "<=" if self.limit == "most" else ">="

    def allowed(self, limit: float) -> str:
        return f"at {self.limit} {self.form.format(limit)}"

    def meets(self, value: Any, limit: float) -> bool:
        """Whether `value` keeps to `limit`; NaN never does, and what was not measured always."""
        if value is None:
            return True
        return bool(value <= limit if self.limit == "most" else value >= limit)


# In the order of the computation: the stage of the first limit that is missed is where the runs part.
METRICS = (
    Metric("not_finite", "numbers", "numbers that are NaN or infinite", "{:.0f}", "most"),
    Metric("detections_left_out", "detections", "detections decided by rounding", "{:.2%}", "most"),
    Metric("detections_matched", "detections", "detections matched", "{:.2%}", "least", headline=True),
    Metric("boxes_max_px", "boxes", "boxes, largest difference", "{:.3g} px", "most", headline=True),
    Metric("scores_max", "scores", "scores, largest difference", "{:.3g}", headline=True),
    Metric("masks_max", "masks", "mask probabilities, largest difference", "{:.3g}", "most"),
    Metric("mask_iou_mean", "masks", "mask IoU, mean", "{:.5f}"),
    Metric("mask_iou_p1", "masks", "mask IoU, 1st percentile", "{:.5f}", "least", headline=True),
    Metric("mask_iou_min", "masks", "mask IoU, minimum", "{:.5f}", "least", headline=True),
    Metric("frame_masks_off", "masks at frame size", "outlines at frame size off by", "{:.3%}", "most"),
    Metric("embedding_cos_min", "embeddings", "embeddings, least cosine", "{:.6f}", headline=True),
    Metric("appearance_cos_min", "appearance", "appearance, least cosine", "{:.6f}"),
    Metric("ids_equal", "ids", "ids equal", "{:.2%}", "least", headline=True),
    Metric("id_switches", "ids", "id switches", "{:d}"),
    Metric("idf1", "ids", "IDF1 between the two runs", "{:.4f}"),
    # Of `accuracy`: float32's own tracks, found again.
    Metric("masks_shift", "tracks", "masks apart, on average", "{:.3f} cells", "most"),
    Metric("masks_growth", "tracks", "masks larger or smaller, on average", "{:.2%}", "most"),
    Metric("tracks_recall", "tracks", "objects on tracks found again", "{:.2%}", "least", headline=True),
    Metric("tracks_precision", "tracks", "found objects that are on tracks of float32", "{:.2%}", "least"),
    Metric("tracks_iou", "tracks", "their mask IoU, mean by score", "{:.4f}", "least", headline=True),
    Metric("tracks_j", "tracks", "the same along one track each", "{:.4f}", "least"),
    Metric("tracks_ids", "tracks", "their ids kept", "{:.2%}", "least"),
)


@dataclass(frozen=True)
class Budget:
    """How far a precision may be from PyTorch float32. margin: how far rounding may move a score or an IoU across a
    threshold. limits: by the name of a metric. undecided: mask pixels with abs(p - MASK_THRESHOLD) up to this are left
    out of the IoU. shift: pixels that rounding may move a side of a box, beyond what `margin` says of the IoU.
    """

    margin: float
    limits: dict[str, float]
    undecided: float = 1e-3
    shift: float = 0.0

    def above(self, floor: Floor) -> Budget:
        """As wide as `floor` needs, where that is wider."""
        limits = {"boxes_max_px": floor.shift, "masks_max": floor.probability}
        return replace(
            self,
            margin=max(self.margin, floor.margin),
            undecided=max(self.undecided, floor.probability),
            shift=floor.shift,
            limits={name: max(limit, limits.get(name, limit)) for name, limit in self.limits.items()},
        )


# Rounded storage moves scores by several thousandths: what exists at all may differ there. The promise is about what
# it finds: the masks of matched objects and their ids. Boxes and probabilities are reported, not limited.
_ROUNDED = Budget(
    margin=1e-2,
    limits={
        "not_finite": 0,
        "detections_left_out": 0.05,
        "detections_matched": 0.99,
        "mask_iou_p1": 0.95,
        "frame_masks_off": 0.25,
        "ids_equal": 0.99,
    },
)
# With eight bits or fewer of mantissa other locations win among faint rivals, and mean J, recall and switches against
# ground truth stay (docs/measuring.md). So the promise is about what a user sees: float32's tracks are found again,
# with masks that differ at the rim alone, under ids that hold. What rounding does is without direction: masks that all
# move or grow one way are a fault however little they overlap less. Faint detections are reported, not limited. Ids
# have the widest margin: an object that flickers breaks its track in one run and not in the other, now here, now there
# (in a crowd at twelve frames a second 8 % of the rows, with equal switches against ground truth).
_ACCURATE = Budget(
    margin=1e-2,
    limits={
        "not_finite": 0,
        "masks_shift": 0.2,
        "masks_growth": 0.03,
        "tracks_recall": 0.97,
        "tracks_precision": 0.97,
        "tracks_iou": 0.93,
        "tracks_j": 0.85,
        "tracks_ids": 0.9,
    },
)
BUDGETS = {
    "fp32": Budget(
        margin=1e-4,
        limits={
            "not_finite": 0,
            "detections_left_out": 0.01,
            "detections_matched": 1.0,
            "boxes_max_px": 0.05,
            "masks_max": 1e-4,
            "mask_iou_p1": 1.0,
            "mask_iou_min": 1.0,
            "frame_masks_off": 0.01,
            "ids_equal": 1.0,
        },
    ),
    "fp16": _ROUNDED,
    "bf16": _ACCURATE,
    "int8": _ACCURATE,
}


@dataclass(frozen=True)
class Miss:
    """A limit that was missed, in words that begin with the metric's name."""

    stage: str
    text: str


def misses(values: Mapping[str, Any], budget: Budget) -> tuple[Miss, ...]:
    """What misses the budget, in the order of the computation."""
    return tuple(
        Miss(metric.stage, f"{metric.name} {values[metric.name]:.6g}, allowed {metric.sign} {limit:g}")
        for metric in METRICS
        if (limit := budget.limits.get(metric.name)) is not None and not metric.meets(values[metric.name], limit)
    )
