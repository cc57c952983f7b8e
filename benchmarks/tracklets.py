"""The ids that a stream would give to recorded outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.agreement.ids import NO_TRACK
from stc.benchmarks.reference import FrameOutputs
from stc.runtime import tracker_config
from stc.runtime.detections import Detections, kept
from stc.runtime.passport import Passport
from stc.runtime.preprocess import Letterbox
from stc.runtime.tracker import Tracker

Array = NDArray[Any]


def track(outputs: Sequence[FrameOutputs], passport: Passport, fps: float = 30.0) -> list[Array]:
    """The tracklet of every detection (its handle, known from the first sight on; -1: none), frame by frame.

    What a stream would show of frames at the input size: boxes are clipped to it, and empty ones have no tracklet.
    """
    tracker = Tracker(tracker_config.from_dict(passport.tracker, passport.name))
    letterbox = Letterbox.fit(passport.input_size, passport.input_size, passport.resize, passport.border)
    handles = []
    for index, o in enumerate(outputs):
        boxes = letterbox.to_frame(o.boxes)
        rows = kept(boxes, o.scores, 0.0)
        update = tracker.update(Detections(boxes, o.scores, o.labels.astype(np.int64), o.embeddings)[rows], index / fps)
        handles.append(scatter(update.handles, rows, len(o)))
    return handles


def scatter(handles: Array, rows: Array, count: int) -> Array:
    """The handles of all `count` detections of a frame, from those of `rows`; -1 for the others."""
    every = np.full(count, NO_TRACK, np.int64)
    every[rows] = handles
    return every
