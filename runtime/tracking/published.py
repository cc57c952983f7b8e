"""The trackers that four methods released, with the constants they were released with, to compare with.

Detections come in descending order of score, as in the originals after their NMS. A video's objects live in the slots
of a `TrackBank`: what an original never forgets is bounded by its size here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stc.runtime.serial_blas import inner_products
from stc.runtime.tracking.bank import NO_TRACK, TrackBank, norms
from stc.runtime.tracking.detections import Detections
from stc.runtime.tracking.rules import TINY, Bools, Floats, Match, Rule, bi_softmax, iou

if TYPE_CHECKING:
    from stc.runtime.tracking.config import TrackerConfig

CROSSVIS_THRESHOLD = 0.4
MASKTRACK_IOU, MASKTRACK_LABEL = 2.0, 10.0  # beside log p and log score, each with 1
MATCH = 0.5  # bi-softmax from which QDTrack and IDOL match
QDTRACK_INIT, QDTRACK_CONTINUE = 0.8, 0.5  # least score of a new track, and to continue one
QDTRACK_DUPLICATE, QDTRACK_BACKDROP = 0.7, 0.3  # IoU with a better detection that drops one; weak ones by the second
IDOL_INIT = 0.2  # least score of a new track, in an empty memory as well as later
IDOL_DUPLICATE = 0.5  # mask IoU


def match_crossvis(ranked: Detections, bank: TrackBank, config: TrackerConfig) -> Match:
    """CrossVIS (Yang et al., ICCV 2021): cosine + IoU where the class is equal, else -1; below 0.4 a new track.

    Of several detections that choose one track the most similar gets it; the others are discarded, without a new track.
    """
    used = bank.used
    if used == 0 or len(ranked) == 0:
        return _all_new(len(ranked))
    lengths = norms(ranked.embeddings)[:, None] * bank.norms[:used]
    similarity = inner_products(ranked.embeddings, bank.embeddings[:used])
    similarity /= np.maximum(lengths, TINY)
    similarity += iou(ranked.boxes, bank.boxes[:used])
    same = ranked.labels[:, None] == bank.labels[:used]  # a free slot has the label -1
    similarity = np.where(same, similarity, np.float32(-1))
    choice = similarity.argmax(axis=1)
    value = similarity[np.arange(len(choice)), choice]
    return _highest_claim(choice, value, births=value < CROSSVIS_THRESHOLD)


def match_masktrack(ranked: Detections, bank: TrackBank, config: TrackerConfig) -> Match:
    """MaskTrack R-CNN (Yang et al., ICCV 2019): softmax over all objects and "new", score, IoU and class added up.

    The label of an object is its first one. Of several detections that choose one object the highest sum gets it; the
    others are discarded. (In the original's own output an earlier claimant shares the id until it is overruled.)
    """
    used = bank.used
    if used == 0 or len(ranked) == 0:
        return _all_new(len(ranked))
    logits = inner_products(ranked.embeddings, bank.embeddings[:used])
    logits[:, ~bank.active[:used]] = -np.inf
    top = np.maximum(logits.max(axis=1), 0)  # "new" has the logit 0
    total = top + np.log(np.exp(-top) + np.exp(logits - top[:, None]).sum(axis=1))
    log_scores = np.log(np.maximum(ranked.scores, TINY))
    value = logits - total[:, None] + log_scores[:, None]
    value += np.float32(MASKTRACK_IOU) * iou(ranked.boxes, bank.boxes[:used])
    value += np.float32(MASKTRACK_LABEL) * (ranked.labels[:, None] == bank.labels[:used])
    choice = value.argmax(axis=1)
    best = value[np.arange(len(choice)), choice]
    return _highest_claim(choice, best, births=best <= log_scores - total + np.float32(MASKTRACK_LABEL))


def match_qdtrack(ranked: Detections, bank: TrackBank, config: TrackerConfig) -> Match:
    """QDTrack (Pang et al., CVPR 2021): bi-softmax over tracks and backdrops, class gate after it, greedy by score.

    A weak detection whose best partner is a track takes nothing from it, starts nothing and becomes no backdrop.
    """
    slots = np.full(len(ranked), NO_TRACK, np.int64)
    strong = ranked.scores > QDTRACK_CONTINUE
    overlaps = np.tril(iou(ranked.boxes, ranked.boxes), -1)  # with better ones
    limit = np.where(ranked.scores < QDTRACK_CONTINUE, QDTRACK_BACKDROP, QDTRACK_DUPLICATE)
    rows = np.flatnonzero(~(overlaps > limit[:, None]).any(axis=1))
    found, used, backdrops = ranked[rows], bank.used, bank.backdrops
    similarity = _compare(found, bank, backdrops.embeddings)
    similarity *= found.labels[:, None] == np.concatenate((bank.labels[:used], backdrops.labels))
    weak = np.zeros(len(ranked), np.bool_)
    for index in _promising(similarity):
        choice = int(similarity[index].argmax())
        if similarity[index, choice] > MATCH and choice < used:
            if strong[rows[index]]:
                slots[rows[index]] = choice
                similarity[:, choice] = 0
            else:
                weak[rows[index]] = True
    left = np.zeros(len(ranked), np.bool_)
    left[rows] = True
    left &= (slots < 0) & ~weak
    births = left & (ranked.scores > QDTRACK_INIT)
    covered = (overlaps[:, rows] > QDTRACK_BACKDROP).any(axis=1)
    return Match(slots, births, left & ~births & ~covered)


def match_idol(ranked: Detections, bank: TrackBank, config: TrackerConfig) -> Match:
    """IDOL (Wu et al., ECCV 2022): bi-softmax over tracks without regard to class, greedy by score.

    Where several tracks are alike enough, the one seen in more frames is preferred: its similarity is multiplied by
    their number. Backdrops, which the original stores and never reads, are left out; so is its choice of queries (score
    above 0.1, NMS of boxes), in whose place is that of the model.
    """
    assert ranked.masks is not None  # Tracker.check
    slots = np.full(len(ranked), NO_TRACK, np.int64)
    rows = _without_duplicates(_mask_iou(ranked.masks), IDOL_DUPLICATE)
    frames = bank.hits[: bank.used]
    similarity = _compare(ranked[rows], bank)
    for index in _promising(similarity):
        values = similarity[index]
        alike = values > MATCH
        if alike.sum() > 1:
            values = values * np.where(alike, frames, frames[alike].mean())
        choice = int(values.argmax())
        if values[choice] > MATCH:
            slots[rows[index]] = choice
            similarity[:, choice] = 0
    births = np.zeros(len(ranked), np.bool_)
    births[rows] = True
    return Match(slots, births & (slots < 0) & (ranked.scores > IDOL_INIT))


_AT_ONCE = {"confirm_hits": 1, "max_age": math.inf}
CROSSVIS = Rule(match_crossvis, {**_AT_ONCE, "momentum": 1.0})
MASKTRACK = Rule(match_masktrack, {**_AT_ONCE, "momentum": 1.0}, keeps_label=True, needs_embeddings=True)
QDTRACK = Rule(match_qdtrack, {**_AT_ONCE, "momentum": 0.8}, patience=10, with_backdrops=True, needs_embeddings=True)
IDOL = Rule(match_idol, _AT_ONCE, patience=10, recent=3, needs_embeddings=True, needs_masks=True)


def _all_new(count: int) -> Match:
    return Match(np.full(count, NO_TRACK, np.int64), np.ones(count, np.bool_))


def _highest_claim(choice: NDArray[np.int64], value: Floats, births: Bools) -> Match:
    """Each slot goes to the detection that chose it with the highest value; of equal ones the earlier."""
    claims = (~births).nonzero()[0]
    claims = claims[np.argsort(-value[claims], kind="stable")]
    winners = claims[np.unique(choice[claims], return_index=True)[1]]
    slots = np.full(len(choice), NO_TRACK, np.int64)
    slots[winners] = choice[winners]
    return Match(slots, births)


def _compare(found: Detections, bank: TrackBank, others: Floats | None = None) -> Floats:
    """Bi-softmax with the tracks, and `others` (m, D) behind them; 0 with free slots."""
    used = bank.used
    products, active = inner_products(found.embeddings, bank.embeddings[:used]), bank.active[:used]
    if others is not None and len(others):
        products = np.concatenate((products, inner_products(found.embeddings, others)), axis=1)
        active = np.concatenate((active, np.ones(len(others), np.bool_)))
    if products.size == 0:
        return products
    return bi_softmax(products, np.broadcast_to(active, products.shape))


def _promising(similarity: Floats) -> list[int]:
    """The rows that may match: nothing that a rule does to others raises one above the threshold."""
    rows: list[int] = np.flatnonzero(similarity.max(axis=1, initial=0) > MATCH).tolist()
    return rows


def _without_duplicates(overlaps: Floats, limit: float) -> NDArray[np.intp]:
    """The rows that overlap no kept earlier one by more than `limit`."""
    kept = np.ones(len(overlaps), np.bool_)
    for row in range(1, len(overlaps)):
        kept[row] = not (kept[:row] & (overlaps[row, :row] > limit)).any()
    return kept.nonzero()[0]


def _mask_iou(masks: NDArray[np.floating]) -> Floats:
    """Between the masks (n, h, w) > 0.5: float32 (n, n); 0 between empty ones."""
    pixels = (masks.reshape(len(masks), masks.shape[1] * masks.shape[2]) > 0.5).astype(np.float32)
    shared = inner_products(pixels, pixels)
    areas = shared.diagonal()
    shares: Floats = shared / np.maximum(areas[:, None] + areas - shared, 1)
    return shares
