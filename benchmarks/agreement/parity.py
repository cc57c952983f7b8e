"""Agreement of an artefact with PyTorch float32 on the same frames, and the budget it has to meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.agreement.accuracy import accuracy
from stc.benchmarks.agreement.floor import FIELDS as FLOOR
from stc.benchmarks.agreement.floor import Floor, of_passport
from stc.benchmarks.agreement.ids import FrameIds, compare_ids, track
from stc.benchmarks.agreement.matching import match, thresholds
from stc.benchmarks.agreement.metrics import BUDGETS, METRICS, misses
from stc.benchmarks.reference import FrameOutputs, Reference
from stc.runtime import schema
from stc.runtime.bundle.passport import Passport
from stc.runtime.masks.axis import MASK_THRESHOLD
from stc.runtime.tracking import config as tracker_config
from stc.runtime.tracking.bank import NO_TRACK

Array = NDArray[Any]
MIN_DETECTIONS = 20  # fewer in the reference, or fewer than MIN_TRACKS, prove nothing
MIN_TRACKS = 2
# What the numbers must be in a report that is read again; JSON has none for what is not finite: then None.
_MEASURE = schema.optional(schema.number(-1e300, 1e300))
Measure = Annotated[float, _MEASURE]
Count = Annotated[int, schema.integer(0, 1 << 62)]
Words = Annotated[str, schema.text(10_000)]
_FLOOR = schema.record(FLOOR, tuple(FLOOR))
Failures = Annotated[tuple[str, ...], schema.items(schema.text(10_000), 0, 1000)]


@dataclass(frozen=True)
class Agreement:
    """How far a candidate is from the reference.

    Fractions are 0..1, boxes in input pixels; IoU of masks thresholded at 0.5 at stride 4. frame_masks_off: pixels of
    masks at frame size that differ, over pixels on their outline; None where nobody made such masks. not_finite:
    numbers that are NaN or infinite in valid rows. required: per output, the least absolute or, alone, relative
    tolerance at which matched rows would be equal. first_divergence: the first stage, in the order of the computation,
    that misses its budget; "" for none. masks_shift to tracks_ids: see `Accuracy`.
    """

    frames: Count
    detections: Count
    tracks: Count
    detections_matched: Measure
    detections_left_out: Measure
    boxes_max_px: Measure
    scores_max: Measure
    masks_max: Measure
    mask_iou_mean: Measure
    mask_iou_p1: Measure
    mask_iou_min: Measure
    embedding_cos_min: Measure
    frame_masks_off: Measure | None
    ids_equal: Measure
    id_switches: Count
    idf1: Measure
    masks_shift: Measure
    masks_growth: Measure
    tracks_recall: Measure
    tracks_precision: Measure
    tracks_iou: Measure
    tracks_j: Measure
    tracks_ids: Measure
    not_finite: Count
    required: Annotated[dict[str, tuple[float, float]], schema.mapping(schema.items(_MEASURE, 2, 2))]
    first_divergence: Words
    verdict: Literal["pass", "fail", "unproven"]
    failures: Failures
    floor: Annotated[Floor, schema.record(FLOOR, tuple(FLOOR))] | None = (
        None  # of float32, where its budget rests on it
    )
    appearance_cos_min: Measure | None = None  # None: the model gives none

    def in_words(self) -> str:
        """What was compared, and every number of it."""
        metrics = "; ".join(f"{metric.title} {metric.shown(getattr(self, metric.name))}" for metric in METRICS)
        return f"{self.detections} detections of {self.tracks} tracks in {self.frames} frames: {metrics}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which has no number for what is not finite: then None."""
        return {name: _finite(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Shown:
    """What a session made of one frame's outputs. handles: the tracklet of every row, -1 for none. differences: as
    `FrameMasks.differences`."""

    handles: Array
    differences: Callable[[Array, Array], tuple[int, int]]


def compare(
    reference: Reference,
    candidate: Sequence[FrameOutputs],
    passport: Passport,
    precision: str,
    shown: Sequence[Shown] | None = None,
    floor: Floor | None = None,
) -> Agreement:
    """Match every frame's detections and measure their differences against the budget of `precision`.

    floor: of float32, for that precision alone; None: as the passport has it. shown: what the candidate's own stream
    and mask route made of its outputs; None: ids by a tracker of the same settings, and nothing said of masks at frame
    size.
    """
    floor = (floor or of_passport(passport)) if precision == "fp32" else None
    budget = BUDGETS[precision] if floor is None else BUDGETS[precision].above(floor)
    limits = thresholds(passport, budget.margin, budget.shift)
    size = reference.input_size
    ids = track(reference.outputs, passport, size)
    candidate_ids = track(candidate, passport, size) if shown is None else [frame.handles for frame in shown]

    ious, cosines, looks = [np.ones(0)], [np.ones(0)], [np.ones(0)]
    required = dict.fromkeys(("boxes", "scores", "embeddings", "masks"), (0.0, 0.0))
    frame_ids: list[FrameIds] = []
    matched = unmatched = left_out = different = outline = not_finite = 0
    for frame, (expected, found) in enumerate(zip(reference.outputs, candidate, strict=True)):
        not_finite += sum(int((~np.isfinite(getattr(found, name))).sum()) for name in (*required, "appearance"))
        matches = match(expected, found, limits)
        matched += len(matches.pairs)
        unmatched += len(matches.missed) + len(matches.extra)
        left_out += matches.left_out
        a, b = matches.pairs.reshape(-1, 2).T
        own, other = ids[frame], candidate_ids[frame]
        pairs = tuple(zip(own[a].tolist(), other[b].tolist(), strict=True))
        frame_ids.append(FrameIds(pairs, int((own != NO_TRACK).sum()), int((other != NO_TRACK).sum())))
        if not len(a):
            continue
        for name, least in required.items():
            required[name] = _larger(least, _tolerance(getattr(expected, name)[a], getattr(found, name)[b]))
        ious.append(mask_iou(expected.masks[a], found.masks[b], budget.undecided))
        cosines.append(_cosine(expected.embeddings[a], found.embeddings[b]))
        looks.append(_cosine(expected.appearance[a], found.appearance[b]))
        if shown is not None:
            off, on = shown[frame].differences(expected.masks[a], found.masks[b])
            different, outline = different + off, outline + on

    all_ious, all_cosines = np.concatenate(ious), np.concatenate(cosines)
    id_values = compare_ids(frame_ids)
    init_score = tracker_config.from_dict(passport.tracker, passport.name).init_score
    seen = accuracy(reference.outputs, ids, candidate, candidate_ids, init_score)
    detections = sum(len(o) for o in reference.outputs)
    values: dict[str, Any] = {
        "frames": len(reference.outputs),
        "detections": detections,
        "tracks": len({i for frame in ids for i in frame.tolist()} - {NO_TRACK}),
        "detections_matched": matched / (matched + unmatched) if matched + unmatched else 1.0,
        "detections_left_out": left_out / max(detections, 1),
        "boxes_max_px": required["boxes"][0],
        "scores_max": required["scores"][0],
        "masks_max": required["masks"][0],
        "mask_iou_mean": float(all_ious.mean()) if len(all_ious) else 1.0,
        "mask_iou_p1": float(np.percentile(all_ious, 1)) if len(all_ious) else 1.0,
        "mask_iou_min": float(all_ious.min(initial=1.0)),
        "embedding_cos_min": float(all_cosines.min(initial=1.0)),
        "appearance_cos_min": float(np.concatenate(looks).min(initial=1.0)) if passport.appearance_dim else None,
        "frame_masks_off": None if shown is None else different / max(outline, 1),
        "ids_equal": id_values.equal,
        "id_switches": id_values.switches,
        "idf1": id_values.idf1,
        "masks_shift": seen.shift,
        "masks_growth": seen.growth,
        "tracks_recall": seen.recall,
        "tracks_precision": seen.precision,
        "tracks_iou": seen.mask_iou,
        "tracks_j": seen.j,
        "tracks_ids": seen.ids_kept,
        "not_finite": not_finite,
        "required": required,
    }
    missed = misses(values, budget)
    proven = values["detections"] >= MIN_DETECTIONS and values["tracks"] >= MIN_TRACKS
    verdict: Literal["pass", "fail", "unproven"] = "fail" if missed else "pass" if proven else "unproven"
    return Agreement(
        **values,
        first_divergence=missed[0].stage if missed else "",
        verdict=verdict,
        failures=tuple(miss.text for miss in missed),
        floor=floor,
    )


def mask_iou(expected: Array, found: Array, undecided: float = BUDGETS["fp32"].undecided) -> Array:
    """(n,) of masks (n, Hm, Wm) thresholded at 0.5, over the pixels that the reference decides by more than
    `undecided`."""
    decided = np.abs(expected - MASK_THRESHOLD) > undecided
    a, b = (expected > MASK_THRESHOLD) & decided, (found > MASK_THRESHOLD) & decided
    union = (a | b).sum(axis=(1, 2))
    ratio: Array = np.where(union > 0, (a & b).sum(axis=(1, 2)) / np.maximum(union, 1), 1.0)
    return ratio


def _cosine(a: Array, b: Array) -> Array:
    if not a.shape[1]:
        return np.ones(len(a))
    norm = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    with np.errstate(invalid="ignore"):  # not finite: counted elsewhere
        ratio: Array = (a.astype(np.float64) * b).sum(axis=1) / np.maximum(norm, 1e-12)
    return ratio


def _tolerance(expected: Array, found: Array) -> tuple[float, float]:
    """The least absolute, and the least relative tolerance that each alone would make two arrays equal."""
    error = np.abs(expected.astype(np.float64) - found)
    size = np.abs(expected.astype(np.float64))
    relative = np.divide(error, size, out=np.where(error == 0, 0.0, np.inf), where=size > 0)
    return float(error.max(initial=0.0)), float(relative.max(initial=0.0))


def _larger(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    """NaN is larger than everything."""
    return float(np.maximum(a[0], b[0])), float(np.maximum(a[1], b[1]))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
