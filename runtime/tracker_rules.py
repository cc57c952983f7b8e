"""The matching rules: pure functions from detections and memory to "which slot" and "start a tracklet"."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stc.runtime.detections import Detections
from stc.runtime.serial_blas import inner_products
from stc.runtime.track_bank import NO_TRACK, TrackBank, norms

if TYPE_CHECKING:
    from stc.runtime.tracker import TrackerConfig

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

CROSSVIS_THRESHOLD = 0.4
_TINY = np.float32(1e-12)


class Match(NamedTuple):
    """Per detection: `slots` int64 (n,), the slot it continues or -1, each slot at most once; `births` bool (n,)."""

    slots: NDArray[np.int64]
    births: Bools


def match_default(ranked: Detections, bank: TrackBank, config: TrackerConfig) -> Match:
    """Bi-softmax (Pang et al., QDTrack, CVPR 2021) among pairs of one class, with a cosine floor and an IoU cue.

    `ranked` is in descending order of score. Without embeddings the affinity is the IoU alone. What is unmatched starts
    a tracklet unless its score is low or it duplicates a matched or better detection.
    """
    used = bank.used
    affinity, threshold = _affinity(ranked, bank, used, config)
    assign = _linear if config.assignment == "linear" else _greedy
    slots = assign(affinity, threshold)

    births = np.zeros(len(ranked), np.bool_)
    candidates = ((slots < 0) & (ranked.scores >= config.init_score)).nonzero()[0]
    if len(candidates):
        taken = slots >= 0
        overlaps = iou(ranked.boxes[candidates], ranked.boxes) > config.duplicate_iou
        for index, overlap in zip(candidates, overlaps, strict=True):
            if not (overlap & taken).any():
                births[index] = taken[index] = True
    return Match(slots, births)


def match_crossvis(ranked: Detections, bank: TrackBank, config: TrackerConfig) -> Match:
    """The released CrossVIS tracker: cosine + IoU where the class is equal, else -1; below 0.4 a new track.

    Of several detections that choose one track the most similar gets it; the others are discarded, without a new track.
    """
    used = bank.used
    count = len(ranked)
    if used == 0 or count == 0:
        return Match(np.full(count, NO_TRACK, np.int64), np.ones(count, np.bool_))
    lengths = norms(ranked.embeddings)[:, None] * bank.norms[:used]
    similarity = inner_products(ranked.embeddings, bank.embeddings[:used])
    similarity /= np.maximum(lengths, _TINY)
    similarity += iou(ranked.boxes, bank.boxes[:used])
    same = ranked.labels[:, None] == bank.labels[:used]  # a free slot has the label -1
    similarity = np.where(same, similarity, np.float32(-1))
    choice = similarity.argmax(axis=1)
    value = similarity[np.arange(count), choice]
    births = value < CROSSVIS_THRESHOLD
    # Of equal values the earlier detection wins: a stable sort by value, then the first of each slot.
    claims = (~births).nonzero()[0]
    claims = claims[np.argsort(-value[claims], kind="stable")]
    winners = claims[np.unique(choice[claims], return_index=True)[1]]
    slots = np.full(count, NO_TRACK, np.int64)
    slots[winners] = choice[winners]
    return Match(slots, births)


RULES: dict[str, Callable[[Detections, TrackBank, TrackerConfig], Match]] = {
    "default": match_default,
    "crossvis": match_crossvis,
}


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
        affinity, threshold = bi_softmax(product, allowed), config.match_threshold
        if config.iou_weight:
            # Where a lost track was last seen, another object may stand by now.
            seen = (~bank.lost[:used]).nonzero()[0]
            affinity[:, seen] += np.float32(config.iou_weight) * iou(ranked.boxes, bank.boxes[seen])
        # cosine > floor without the division, so that an embedding of length 0 is like no other.
        floor = np.float32(config.cosine_floor) * norms(ranked.embeddings)
        allowed &= product > floor[:, None] * bank.norms[:used]
    np.putmask(affinity, ~allowed, -np.inf)
    return affinity, threshold


def _softmax(masked: Floats, axis: int) -> Floats:
    top = masked.max(axis=axis, keepdims=True)
    np.maximum(top, np.finfo(np.float32).min, out=top)  # a line of -inf alone becomes zeros
    shares: Floats = masked - top
    np.exp(shares, out=shares)
    shares /= np.maximum(shares.sum(axis=axis, keepdims=True), _TINY)
    return shares


def _greedy(affinity: Floats, threshold: float) -> NDArray[np.int64]:
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


def _linear(affinity: Floats, threshold: float) -> NDArray[np.int64]:
    """The assignment of greatest total affinity among pairs above `threshold`: int64 (n,), -1 for none."""
    from scipy.optimize import linear_sum_assignment

    slots = np.full(len(affinity), NO_TRACK, np.int64)
    # Pairs that must not match are worth nothing, so they only fill up the assignment and are dropped from it.
    gain = np.where(affinity > threshold, affinity, 0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    real = gain[rows, columns] > 0
    slots[rows[real]] = columns[real]
    return slots
