"""What the native library is worth on whole frames: the same frames without it, in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.latency import timed
from stc.runtime.session import Session

FRAMES, WARM_UP = 60, 5


@dataclass(frozen=True)
class WithoutNative:
    """Medians over `frames` frames, in milliseconds: the op's function body and NumPy beside the native library.

    `engine` contains the mask head, `masks` the way to COCO RLE at frame size. `ratio` is the median sum of the
    two without the library over that with it.
    """

    frames: int
    engine_p50_ms: float
    masks_p50_ms: float
    native_engine_p50_ms: float
    native_masks_p50_ms: float
    ratio: float

    def __str__(self) -> str:
        return (
            f"without the native library: engine {self.engine_p50_ms:.2f} ms + masks {self.masks_p50_ms:.2f} ms, "
            f"with it {self.native_engine_p50_ms:.2f} + {self.native_masks_p50_ms:.2f} ms: {self.ratio:.2f}x "
            f"(medians of {self.frames} frames, in turns)"
        )


def measure(
    native: Session,
    plain: Session,
    pictures: Sequence[NDArray[Any]],
    frames: int = FRAMES,
    progress: Callable[[], None] = lambda: None,
) -> WithoutNative:
    """Run `frames` frames through both sessions, one after the other frame by frame, after 5 that are not counted.

    `plain` is the same model opened with `native=False`.
    """
    streams = [session.stream("bench") for session in (plain, native)]
    samples = np.empty((frames, 2, 2))  # (frame, session, engine and masks)
    for index, picture in enumerate(islice(cycle(pictures), WARM_UP + frames)):
        for number, stream in enumerate(streams):
            _, timings = timed(stream, picture)
            if index >= WARM_UP:
                samples[index - WARM_UP, number] = timings["engine"], timings["masks"]
        progress()
    for stream in streams:
        stream.close()
    (engine, masks), (native_engine, native_masks) = np.median(samples, axis=0) * 1e3
    without, with_it = np.median(samples.sum(axis=2), axis=0)
    return WithoutNative(frames, *map(float, (engine, masks, native_engine, native_masks, without / with_it)))
