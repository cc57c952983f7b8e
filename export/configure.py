"""Sizes of a loaded model that the export may choose."""

from __future__ import annotations

import re
from dataclasses import replace

from stc.errors import InputError
from stc.model.checkpoint import Checkpoint

MIN_SIZE, MAX_SIZE = 32, 4096  # pixels; the pyramid pads to multiples of 32


def parse_size(text: str) -> tuple[int, int]:
    """`HxW` -> (H, W) pixels. Raises InputError for anything else, or a side that is not 32..4096."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if match is None:
        raise InputError(f"--size {text}: must be HEIGHTxWIDTH, such as 360x640")
    height, width = int(match[1]), int(match[2])
    if not (MIN_SIZE <= height <= MAX_SIZE and MIN_SIZE <= width <= MAX_SIZE):
        raise InputError(f"--size {text}: each side must be from {MIN_SIZE} to {MAX_SIZE} pixels")
    return height, width


def configured(source: Checkpoint, size: tuple[int, int] | None, max_detections: int | None) -> Checkpoint:
    """`source` with another input size (H, W) and another capacity; None: its own. Its model is changed in place.

    Raises InputError when the capacity exceeds the candidates that the model considers, or that the size has.
    """
    config = source.config
    if size is not None:
        config = config.with_(input_size=size)
    if max_detections is not None:
        if not 1 <= max_detections <= config.pre_nms_topk:
            raise InputError(
                f"--max-detections {max_detections}: must be from 1 to {config.pre_nms_topk}, the candidates that this "
                "model keeps before suppression"
            )
        config = config.with_(max_detections=max_detections)
    height, width = config.padded_size
    candidates = sum(-(-height // stride) * -(-width // stride) for stride in config.strides) * config.num_classes
    if candidates < config.max_detections:
        raise InputError(
            f"--size {height}x{width}: {candidates} candidates for {config.max_detections} detections; choose a larger "
            f"--size, or --max-detections {candidates}"
        )
    source.model.config = config
    return replace(source, config=config)
