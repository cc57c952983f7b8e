"""What a checkpoint says about how to feed it, as the runtime reads it."""

from __future__ import annotations

from dataclasses import asdict

from stc.model.checkpoint.load import Checkpoint
from stc.runtime.passport import Passport
from stc.runtime.tracker import TrackerConfig


def passport_of(source: Checkpoint, file: str, name: str) -> Passport:
    """The passport of a checkpoint before any export: no precision, no files. file: its name, without folders."""
    config = source.config
    return Passport(
        name=name,
        classes=config.classes,
        input_size=config.input_size,
        padded_size=config.padded_size,
        resize=config.resize,
        border=config.border_bgr,
        max_detections=config.max_detections,
        embedding_dim=config.track_dim,
        mask_stride=config.mask_out_stride,
        score_threshold=config.score_threshold**0.5,  # a shown score is the square root of class x centerness
        nms_threshold=config.nms_threshold,
        tracker=asdict(TrackerConfig()),
        checkpoint={"file": file, "sha256": source.sha256, "layout": source.layout, "assumed": source.assumed},
        model=config.to_dict(),
    )
