"""The stages of a frame: what `Stream.timings` and every report of a measurement call them."""

from __future__ import annotations

from collections.abc import Mapping

WAIT = "wait"  # of a camera's frame for the previous one
PREPROCESS = "preprocess"
UPLOAD = "upload"
ENGINE = "engine"
MASK_HEAD = "mask_head"
ENQUEUE = "enqueue"  # the host's time to put the engine's work on a GPU
DOWNLOAD = "download"
TRACK = "track"  # selection of detections included
MASKING = "masks"
END_TO_END = "end_to_end"

COPIES = (UPLOAD, DOWNLOAD)
INNER = (MASK_HEAD, ENQUEUE)  # parts of ENGINE


def of_call(seconds: float, parts: Mapping[str, float]) -> dict[str, float]:
    """The stages of a call of the engine that took `seconds`, in the order of the work.

    parts: what its backend told apart. What is neither a copy to the GPU nor back is the engine's. Of frames in flight
    copies run beside the call, and nothing is left where they took longer.
    """
    stages = {**parts, ENGINE: max(0.0, seconds - sum(parts.get(name, 0.0) for name in COPIES))}
    return {name: stages[name] for name in (UPLOAD, ENGINE, *INNER, DOWNLOAD) if name in stages}
