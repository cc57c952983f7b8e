"""What a checkpoint says about how to feed it, as the runtime reads it."""

from __future__ import annotations

from dataclasses import asdict, replace

from stc.model.appearance import appearance_dim
from stc.model.checkpoint.load import Checkpoint
from stc.model.config import DIVISOR
from stc.model.decode_rules import decode_rule
from stc.runtime.bundle.passport import Passport
from stc.runtime.tracking.config import TrackerConfig

# By which models of our own training see their frames. How far same-class masks lie inside each other was measured with
# those; of others nothing is known, and where a mask is so sharp that float32 does not hold its edge, which of two
# detections starts a track would be decided by rounding.
OUR_RESIZE = "area"


def passport_of(source: Checkpoint, file: str, name: str) -> Passport:
    """The passport of a checkpoint before any export: no precision, no files. file: its name, without folders."""
    config = source.config
    rooted = config.score_form == "sqrt"
    bound = config.score_threshold**0.5 if rooted else config.score_threshold
    tracker = TrackerConfig()
    if not rooted:  # its scores are meant for square roots
        tracker = replace(tracker, init_score=tracker.init_score**2, instant_score=tracker.instant_score**2)
    if config.resize != OUR_RESIZE:
        tracker = replace(tracker, duplicate_containment=1.0)
    return Passport(
        name=name,
        classes=config.classes,
        input_size=config.input_size,
        padded_size=config.padded_size,
        shortest_edge=config.shortest_edge,
        divisor=DIVISOR,
        resize=config.resize,
        border=config.border_bgr,
        max_detections=config.max_detections,
        embedding_dim=config.track_dim,
        appearance_dim=appearance_dim(config),
        mask_stride=config.mask_out_stride,
        # A threshold on the class probability alone lets any score through, but decides only about scores below it.
        score_threshold=bound if config.threshold_with_centerness else 0.0,
        threshold_bound=bound,
        head_norm=config.head_norm,
        nms_threshold=config.nms_threshold,
        tracker=asdict(tracker),
        checkpoint={
            "file": file,
            "sha256": source.sha256,
            "layout": source.layout,
            "decode_rule": decode_rule(config),
            "assumed": source.assumed,
            "read": source.read,
        },
        model=config.to_dict(),
    )
