"""How long a frame takes, stage by stage, on the public API that users call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.session import Session
from stc.runtime.stream import Stream

Array = NDArray[Any]
STAGES = ("preprocess", "engine", "masks", "track", "end_to_end")
WARM_UP = 20


@dataclass(frozen=True)
class Percentiles:
    """Milliseconds over all samples; none is dropped."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    mean_ms: float
    max_ms: float


@dataclass(frozen=True)
class Latency:
    """Stages in milliseconds; `objects` is the mean number of detections per frame, which the mask stage depends on.

    `fps` is frames over the wall time of preprocess, engine, masks (to COCO RLE at frame size) and track. Decoding the
    video is not in it.
    """

    frames: int
    fps: float
    objects: float
    stages: dict[str, Percentiles]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(
    session: Session, pictures: Sequence[Array], frames: int, progress: Callable[[], None] = lambda: None
) -> Latency:
    """Run `frames` frames, cycling through `pictures` (uint8 (H, W, 3) BGR), after 20 that are not counted."""
    samples: dict[str, list[float]] = {stage: [] for stage in STAGES}
    objects = []
    stream = session.stream("bench")
    for index, picture in enumerate(islice(cycle(pictures), WARM_UP + frames)):
        found, timings = timed(stream, picture)
        if index >= WARM_UP:
            for stage, seconds in timings.items():
                samples[stage].append(seconds)
            objects.append(found)
        progress()
    stream.close()
    total = sum(samples["end_to_end"])
    stages = {stage: percentiles(values) for stage, values in samples.items()}
    return Latency(frames, frames / total, float(np.mean(objects)), stages)


def timed(stream: Stream, picture: Array) -> tuple[int, dict[str, float]]:
    """One frame to tracked objects and their masks as COCO RLE: how many objects, and the seconds of every stage."""
    start = perf_counter()
    result = stream(picture)
    masks_start = perf_counter()
    result.masks.rle()
    end = perf_counter()
    return len(result), stream.timings | {"masks": end - masks_start, "end_to_end": end - start}


def percentiles(seconds: Sequence[float]) -> Percentiles:
    milliseconds = np.asarray(seconds) * 1e3
    p50, p90, p99 = np.percentile(milliseconds, (50, 90, 99))
    return Percentiles(float(p50), float(p90), float(p99), float(milliseconds.mean()), float(milliseconds.max()))
