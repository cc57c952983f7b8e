"""Agreement of an artefact with PyTorch float32 on the same frames, and the budget it has to meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.matching import Thresholds, match
from stc.benchmarks.reference import FrameOutputs, Reference
from stc.runtime.passport import Passport
from stc.runtime.tracker import Detections, Tracker, TrackerConfig

Array = NDArray[Any]
MIN_DETECTIONS = 20  # fewer in the reference, or fewer than MIN_TRACKS, prove nothing
MIN_TRACKS = 2
UNDECIDED = 1e-3  # mask pixels with abs(p - 0.5) up to this are left out of the IoU


@dataclass(frozen=True)
class Budget:
    """Limits of a precision. `margin` is how far rounding may move a score or an IoU across a threshold."""

    margin: float
    left_out: float  # largest fraction of detections decided by rounding
    detections_matched: float
    boxes_px: float
    masks: float  # largest difference of a probability
    mask_iou_p1: float
    mask_iou_min: float
    ids_equal: float


# Rounded storage moves scores by several thousandths: what exists at all may differ there. The promise is about what
# it finds: the masks of matched objects and their ids. Boxes and probabilities are reported, not limited.
_ROUNDED = Budget(
    margin=1e-2,
    left_out=0.05,
    detections_matched=0.99,
    boxes_px=np.inf,
    masks=np.inf,
    mask_iou_p1=0.95,
    mask_iou_min=0.0,
    ids_equal=0.99,
)
BUDGETS = {
    "fp32": Budget(
        margin=1e-4,
        left_out=0.01,
        detections_matched=1.0,
        boxes_px=0.05,
        masks=1e-4,
        mask_iou_p1=1.0,
        mask_iou_min=1.0,
        ids_equal=1.0,
    ),
    "fp16": _ROUNDED,
    "bf16": _ROUNDED,
    "int8": _ROUNDED,
}


@dataclass(frozen=True)
class Agreement:
    """How far a candidate is from the reference.

    Fractions are 0..1, boxes in input pixels; IoU of masks thresholded at 0.5 at stride 4.
    """

    frames: int
    detections: int
    tracks: int
    detections_matched: float
    detections_left_out: float
    boxes_max_px: float
    scores_max: float
    masks_max: float
    mask_iou_mean: float
    mask_iou_p1: float
    mask_iou_min: float
    embedding_cos_min: float
    ids_equal: float
    verdict: Literal["pass", "fail", "unproven"]
    failures: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(reference: Reference, candidate: Sequence[FrameOutputs], passport: Passport, precision: str) -> Agreement:
    """Match every frame's detections and measure their differences against the budget of `precision`."""
    budget = BUDGETS[precision]
    limits = Thresholds(passport.score_threshold, passport.nms_threshold, passport.max_detections, budget.margin)
    tracker = TrackerConfig(**passport.tracker)
    ids = track(reference.outputs, tracker)
    candidate_ids = track(candidate, tracker)

    boxes, scores, masks = [0.0], [0.0], [0.0]
    ious: list[float] = []
    cosines: list[float] = []
    id_pairs: list[tuple[int, int]] = []
    matched = unmatched = left_out = 0
    for frame, (expected, found) in enumerate(zip(reference.outputs, candidate, strict=True)):
        matches = match(expected, found, limits)
        matched += len(matches.pairs)
        unmatched += len(matches.missed) + len(matches.extra)
        left_out += matches.left_out
        if not len(matches.pairs):
            continue
        a, b = matches.pairs.T
        boxes.append(float(np.abs(expected.boxes[a] - found.boxes[b]).max()))
        scores.append(float(np.abs(expected.scores[a] - found.scores[b]).max()))
        masks.append(float(np.abs(expected.masks[a] - found.masks[b]).max()))
        ious.extend(_mask_iou(expected.masks[a], found.masks[b]).tolist())
        cosines.extend(_cosine(expected.embeddings[a], found.embeddings[b]).tolist())
        id_pairs.extend(zip(ids[frame][a].tolist(), candidate_ids[frame][b].tolist(), strict=True))

    detections = sum(len(o) for o in reference.outputs)
    values: dict[str, Any] = {
        "frames": len(reference.outputs),
        "detections": detections,
        "tracks": len({i for frame in ids for i in frame.tolist()} - {-1}),
        "detections_matched": matched / (matched + unmatched) if matched + unmatched else 1.0,
        "detections_left_out": left_out / max(detections, 1),
        "boxes_max_px": float(np.max(boxes)),
        "scores_max": float(np.max(scores)),
        "masks_max": float(np.max(masks)),
        "mask_iou_mean": float(np.mean(ious)) if ious else 1.0,
        "mask_iou_p1": float(np.percentile(ious, 1)) if ious else 1.0,
        "mask_iou_min": min(ious, default=1.0),
        "embedding_cos_min": min(cosines, default=1.0),
        "ids_equal": consistent_fraction(id_pairs),
    }
    failures = _failures(values, budget)
    proven = values["detections"] >= MIN_DETECTIONS and values["tracks"] >= MIN_TRACKS
    verdict: Literal["pass", "fail", "unproven"] = "fail" if failures else "pass" if proven else "unproven"
    return Agreement(**values, verdict=verdict, failures=failures)


def track(outputs: Sequence[FrameOutputs], config: TrackerConfig, fps: float = 30.0) -> list[Array]:
    """The tracklet of every detection (its handle, known from the first sight on; -1: none), frame by frame."""
    tracker = Tracker(config)
    handles = []
    for index, o in enumerate(outputs):
        update = tracker.update(Detections(o.boxes, o.scores, o.labels, o.embeddings), index / fps)
        handles.append(update.handles)
    return handles


def consistent_fraction(pairs: Sequence[tuple[int, int]]) -> float:
    """Fraction of (reference id, candidate id) pairs under the best one-to-one renaming; 1.0 for no pairs.

    Identity is what counts, not the number: a track that only one run starts shifts all later numbers. -1 (no track) is
    only equal to -1.
    """
    votes = Counter(pairs)
    renaming: dict[int, int] = {-1: -1}
    for (expected, found), _ in sorted(votes.items(), key=lambda item: (-item[1], item[0])):
        if expected not in renaming and found not in renaming.values():
            renaming[expected] = found
    equal = sum(count for (expected, found), count in votes.items() if renaming.get(expected) == found)
    return equal / len(pairs) if pairs else 1.0


def _failures(values: dict[str, Any], budget: Budget) -> tuple[str, ...]:
    limits = {
        "detections_left_out": (budget.left_out, 1),
        "detections_matched": (budget.detections_matched, -1),
        "boxes_max_px": (budget.boxes_px, 1),
        "masks_max": (budget.masks, 1),
        "mask_iou_p1": (budget.mask_iou_p1, -1),
        "mask_iou_min": (budget.mask_iou_min, -1),
        "ids_equal": (budget.ids_equal, -1),
    }
    return tuple(
        f"{name} {values[name]:.6g}, allowed {'<=' if sign > 0 else '>='} {limit:g}"
        for name, (limit, sign) in limits.items()
        if not values[name] * sign <= limit * sign  # also true for NaN
    )


def _mask_iou(expected: Array, found: Array) -> Array:
    decided = np.abs(expected - 0.5) > UNDECIDED
    a, b = (expected > 0.5) & decided, (found > 0.5) & decided
    union = (a | b).sum(axis=(1, 2))
    ratio: Array = np.where(union > 0, (a & b).sum(axis=(1, 2)) / np.maximum(union, 1), 1.0)
    return ratio


def _cosine(a: Array, b: Array) -> Array:
    if not a.shape[1]:
        return np.ones(len(a))
    norm = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    ratio: Array = (a.astype(np.float64) * b).sum(axis=1) / np.maximum(norm, 1e-12)
    return ratio
