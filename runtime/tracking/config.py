"""The settings of a tracker, and the names of its rules. Loads no NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args

from stc.errors import IncompatibleError, InputError
from stc.runtime import schema

RuleName = Literal["default", "crossvis", "masktrack", "qdtrack", "idol"]
RULE_NAMES: tuple[RuleName, ...] = get_args(RuleName)

# Tracks at once. With the largest embedding that a passport may have, the memory of a tracker stays below 0.4 GB (four
# times that for the rule "idol").
MAX_CAPACITY = 1 << 14

Share = Annotated[float, schema.number(0, 1)]
Amount = Annotated[float, schema.number(0, 1000)]


@dataclass(frozen=True)
class TrackerConfig:
    """Rule and settings of a tracker; scores, similarities and IoU are in 0..1, times in seconds.

    `rule` "default" is bi-softmax matching (QDTrack) with the guards below. "crossvis", "masktrack", "qdtrack" and
    "idol" are the released trackers of these methods, to compare with (`published.py`): their own constants, what
    is unmatched and good enough a track at once, expiry after 10 frames ("qdtrack", "idol") or never. Of the settings
    only `capacity` applies to them: what never expires is forgotten when there are more tracks than that, the one lost
    for longest first; up to there a rule equals its original.
    """

    rule: RuleName = "default"
    # Tracks remembered at once, seen or lost. When all slots are taken, the track lost for longest gives up its slot.
    # 256 holds two seconds of a crowd and its whole memory stays in the CPU's cache.
    capacity: Annotated[int, schema.integer(1, MAX_CAPACITY)] = 256
    # Affinity above which a detection continues a track. Bi-softmax above 0.5 means: the best partner from both sides
    # (QDTrack).
    match_threshold: Amount = 0.5
    # Least cosine of the embeddings. Bi-softmax only ranks: one detection against one track gives 1 whatever they look
    # like. Training pulls one object's cosines to 1 and pushes others below 0.1 (cosine_margin): 0.6 lies between.
    cosine_floor: Annotated[float, schema.number(-1, 1)] = 0.6
    # Share of the appearance in the similarity, times the detection's score, since a mean under a wrong mask misleads.
    # It only ranks. The value was chosen on 57 crossings of composites, which flatter it (docs/tracking.md).
    appearance_weight: Share = 0.5
    # Added to the affinity: iou_weight x IoU with tracks seen in the previous frame. Steadies look-alikes that stand
    # still; at 0.5 a clear embedding still wins over a complete overlap with the wrong object.
    iou_weight: Amount = 0.5
    # IoU above which a detection continues a track when the model has no tracking head (SORT's value).
    iou_threshold: Share = 0.3
    # A detection continues only a track whose last detection had its class.
    class_gate: bool = True
    # "greedy": best score chooses first, as QDTrack does; "linear": the assignment of the greatest total affinity
    # (SciPy).
    assignment: Literal["greedy", "linear"] = "greedy"
    # Share of the newest embedding in a track's memory (QDTrack).
    momentum: Annotated[float, schema.number(0, 1, above=True)] = 0.8
    # A lost track is forgotten after this time. Two seconds outlast a passer-by in front of the object.
    max_age: Annotated[float, schema.number(0)] = 2.0
    # Least score to start a tracklet: weaker detections only continue what is known. With the demo model 0.4 starts
    # five times as many short-lived tracks in a crowd, 0.6 misses objects (docs/measuring.md).
    init_score: Amount = 0.5
    # A tracklet becomes a track, with an id, at this score at once …
    instant_score: Amount = 0.7
    # … or after this many consecutive frames; a flicker of one or two frames never gets an id …
    confirm_hits: Annotated[int, schema.integer(1, 1 << 31)] = 3
    # … or in the second frame, so many seconds after the first or more: what is still there then is no flicker. At 25
    # frames per second the count decides, at 10 and fewer this does.
    confirm_time: Annotated[float, schema.number(0)] = 0.09
    # An unmatched detection starts no tracklet where it overlaps a matched or better one by more than this IoU,
    # whatever the classes: one object found as two classes is one track. QDTrack has 0.7; class-wise NMS lets boxes of
    # one class stand up to 0.6, and 0.5 spares a third of the short-lived tracks in a crowd.
    duplicate_iou: Amount = 0.5
    # The same where more than this share of a mask lies inside a matched or better one of its class, or of that one's
    # in it: parts of one body. From 1 on masks are not looked at. Two objects that were seen apart have their tracks
    # already, which go on.
    duplicate_containment: Amount = 0.8

    def __post_init__(self) -> None:
        """Raises InputError for a value of another type or out of range."""
        if wrong := schema.problems(vars(self), FIELDS):
            raise InputError(f"tracker {schema.sentence(wrong)}")


FIELDS = schema.table(TrackerConfig)


def for_length(config: TrackerConfig, frames: int | None) -> TrackerConfig:
    """The settings for a video of so many frames; None: not known. No second frame confirms what the only one shows."""
    return replace(config, confirm_hits=1) if frames == 1 else config


def from_dict(values: Mapping[str, Any], where: str) -> TrackerConfig:
    """The settings in the passport of the model `where`.

    Raises IncompatibleError for one that this version does not know, of another type or out of range.
    """
    wrong = schema.problems(values, FIELDS, "tracker.")
    wrong += [
        f"tracker.{name[: schema.SHOWN]}: a setting that this version of stc does not know"
        for name in values
        if name not in FIELDS
    ]
    if wrong:
        raise IncompatibleError(
            f"{where}: its passport has tracker settings that this version of stc does not know or cannot use "
            f"({schema.sentence(wrong)}); re-export with: stc-export --ckpt FILE"
        )
    return TrackerConfig(**values)
