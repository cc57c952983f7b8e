"""The default matching rule: a pure function from detections and memory to "which slot" and "start a tracklet"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stc.runtime.serial_blas import inner_products
from stc.runtime.tracking.assignment import best_assignment
from stc.runtime.tracking.bank import NO_TRACK, TrackBank, norms
from stc.runtime.tracking.detections import Detections

if TYPE_CHECKING:
    from stc.runtime.tracking.config import TrackerConfig

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

TINY = np.float32(1e-12)


class Match(NamedTuple):
    """Per detection: `slots` int64 (n,), the slot it continues or -1, each slot at most once; `births` bool (n,).

    backdrops: bool (n,), what to remember for one frame without a track; None for rules without them.
    """

    slots: NDArray[np.int64]
    births: Bools
    backdrops: Bools | None = None


@dataclass(frozen=True)
class Rule:
    """How a tracker matches and remembers; `match` is given the detections in descending order of score.

    settings: what of a `TrackerConfig` the rule fixes. patience: a track is forgotten when it has been missing for that
    many frames; None: `max_age` decides. recent: see `TrackBank`. keeps_label: a track keeps its first label.
    needs_embeddings, needs_masks: without them its `match` has no meaning.
    """

    match: Callable[[Detections, TrackBank, TrackerConfig], Match]
    settings: Mapping[str, Any] = field(default_factory=dict)
    patience: int | None = None
    recent: int = 0
    with_backdrops: bool = False
    keeps_label: bool = False
    needs_embeddings: bool = False
    needs_masks: bool = False


def match_default(ranked: Detections, bank: TrackBank, config: TrackerConfig) -> Match:
    """Bi-softmax (Pang et al., QDTrack, CVPR 2021) among pairs of one class, with a cosine floor and an IoU cue.

    `ranked` is in descending order of score. Without embeddings the affinity is the IoU alone. What is unmatched starts
    a tracklet unless its score is low or it duplicates a matched or better detection: by the IoU of their boxes, or of
    one class by how far the mask of one lies inside the other's.
    """
    used = bank.used
    affinity, threshold = _affinity(ranked, bank, used, config)
    assign = linear if config.assignment == "linear" else greedy
    slots = assign(affinity, threshold)

    births = np.zeros(len(ranked), np.bool_)
    candidates = ((slots < 0) & (ranked.scores >= config.init_score)).nonzero()[0]
    if len(candidates):
        taken = slots >= 0
        overlaps = iou(ranked.boxes[candidates], ranked.boxes)
        for index, overlap in zip(candidates.tolist(), overlaps, strict=True):
            if (taken & (overlap > config.duplicate_iou)).any():
                continue
            if not _inside_one_another(ranked, index, taken & (overlap > 0), config.duplicate_containment):
                births[index] = taken[index] = True
    return Match(slots, births)


def _inside_one_another(ranked: Detections, index: int, touched: Bools, limit: float) -> bool:
    """Whether more than `limit` of the smaller mask is shared by detection `index` and one of its class of `touched`.

    limit: of 1 or more nothing is compared, as without masks.
    """
    others = (touched & (ranked.labels == ranked.labels[index])).nonzero()[0]
    if ranked.containment is None or limit >= 1 or not len(others):
        return False
    return bool((ranked.containment.of(index, others) > limit).any())


def iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of boxes (n, 4) and (m, 4) xyxy: float32 (n, m); 1e-5 in the divisor as in CrossVIS."""
    left, top, right, bottom = a.T[:, :, None]
    left_b, top_b, right_b, bottom_b = np.ascontiguousarray(b.T)
    width = np.minimum(right, right_b) - np.maximum(left, left_b)
    height = np.minimum(bottom, bottom_b) - np.maximum(top, top_b)
    shared: Floats = np.maximum(width, 0, out=width)
    shared *= np.maximum(height, 0, out=height)
    union = ((right - left) * (bottom - top) + np.float32(1e-5)) + (right_b - left_b) * (bottom_b - top_b)
    union -= shared
    shared /= union
    return shared


def bi_softmax(similarity: Floats, allowed: Bools) -> Floats:
    """Mean of the softmax over tracks and the one over detections, both among `allowed` pairs; 0 elsewhere (n, m)."""
    masked = np.where(allowed, similarity, np.float32(-np.inf))
    both = _softmax(masked, axis=1)
    both += _softmax(masked, axis=0)
    both *= np.float32(0.5)
    return both


def _affinity(ranked: Detections, bank: TrackBank, used: int, config: TrackerConfig) -> tuple[Floats, float]:
    """Affinity (n, used) with -inf where a match is out of the question, and the threshold that goes with it."""
    if used == 0 or len(ranked) == 0:
        return np.empty((len(ranked), 0), np.float32), config.match_threshold
    labels = ranked.labels[:, None]
    # A free slot has the label -1 and a cosine and an IoU of nothing.
    allowed = (labels == bank.labels[:used]) if config.class_gate else (labels >= 0) & bank.active[:used]
    if ranked.embeddings.shape[1] == 0:
        affinity, threshold = iou(ranked.boxes, bank.boxes[:used]), config.iou_threshold
    else:
        product = inner_products(ranked.embeddings, bank.embeddings[:used])
        similarity = _with_appearance(product, ranked, bank, used, config.appearance_weight)
        affinity, threshold = bi_softmax(similarity, allowed), config.match_threshold
        if config.iou_weight:
            # Where a lost track was last seen, another object may stand by now.
            seen = (~bank.lost[:used]).nonzero()[0]
            affinity[:, seen] += np.float32(config.iou_weight) * iou(ranked.boxes, bank.boxes[seen])
        # cosine > floor without the division, so that an embedding of length 0 is like no other.
        floor = np.float32(config.cosine_floor) * norms(ranked.embeddings)
        allowed &= product > floor[:, None] * bank.norms[:used]
    np.putmask(affinity, ~allowed, -np.inf)
    return affinity, threshold


def _with_appearance(product: Floats, ranked: Detections, bank: TrackBank, used: int, weight: float) -> Floats:
    """Inner products of the embeddings (n, used), their cosines drawn towards those of the appearances by weight x
    score.

    For ranking alone: appearances of different objects are alike by half, so the cosine floor is of the embeddings.
    """
    if not weight or ranked.appearance is None:
        return product
    known = bank.appearance[:used]
    looks = inner_products(ranked.appearance, known)
    looks /= np.maximum(norms(ranked.appearance)[:, None] * norms(known), TINY)
    looks *= norms(ranked.embeddings)[:, None] * bank.norms[:used]
    return product + (np.float32(weight) * ranked.scores)[:, None] * (looks - product)


def _softmax(masked: Floats, axis: int) -> Floats:
    top = masked.max(axis=axis, keepdims=True)
    np.maximum(top, np.finfo(np.float32).min, out=top)  # a line of -inf alone becomes zeros
    shares: Floats = masked - top
    np.exp(shares, out=shares)
    shares /= np.maximum(shares.sum(axis=axis, keepdims=True), TINY)
    return shares


def greedy(affinity: Floats, threshold: float) -> NDArray[np.int64]:
    """Row after row takes its best column that is left, if above `threshold`: int64 (n,), -1 for none."""
    slots = np.full(len(affinity), NO_TRACK, np.int64)
    if affinity.size == 0:
        return slots
    best = affinity.argmax(axis=1)
    rows = (affinity[np.arange(len(best)), best] > threshold).nonzero()[0]
    taken: set[int] = set()
    for row, favourite in zip(rows.tolist(), best[rows].tolist(), strict=True):
        column = favourite
        if column in taken:
            left = affinity[row].copy()
            left[list(taken)] = -np.inf
            column = int(left.argmax())
            if not left[column] > threshold:
                continue
        taken.add(column)
        slots[row] = column
    return slots


def linear(affinity: Floats, threshold: float) -> NDArray[np.int64]:
    """The assignment of greatest total affinity among pairs above `threshold`: int64 (n,), -1 for none."""
    slots = np.full(len(affinity), NO_TRACK, np.int64)
    # Pairs that must not match are worth nothing, so they only fill up the assignment and are dropped from it.
    gain = np.where(affinity > threshold, affinity, 0)
    rows, columns = best_assignment(gain)
    real = gain[rows, columns] > 0
    slots[rows[real]] = columns[real]
    return slots
