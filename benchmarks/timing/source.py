"""The frames that are timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks import reference
from stc.benchmarks.agreement.proof import recorded
from stc.benchmarks.models.candidates import Candidate, is_checkpoint
from stc.benchmarks.timing.intervals import Percentiles
from stc.errors import InputError

MAX_DECODED = 300  # frames; of 1280x720 these are 0.8 GB


@dataclass(frozen=True)
class Pictures:
    """frames: uint8 (H, W, 3) BGR, all in memory. decode: what decoding one took; None for recorded frames."""

    frames: list[NDArray[Any]]
    name: str
    decode: Percentiles | None

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.frames[0].shape[:2]
        return height, width


def load(candidates: Sequence[Candidate], source: str | None, given: str | None, count: int) -> Pictures:
    """The first `count` frames of `source`, at most 300; without one, those of the `given` reference.npz or of the
    first bundle's. Raises InputError when there are none."""
    if source is not None:
        return _decode(source, count)
    if given is not None and not is_checkpoint(Path(given)):
        frames = reference.read(Path(given)).frames
    else:
        bundle = next((candidate for candidate in candidates if candidate.folder is not None), None)
        if bundle is None:
            raise InputError("a checkpoint brings no frames to time; give some with: --source VIDEO")
        frames = recorded(bundle).reference.frames
    return Pictures(list(frames), "reference frames, already at the input size", None)


def _decode(source: str, count: int) -> Pictures:
    from stc.runtime.video.sources import open_source

    pictures, seconds = [], []
    start = perf_counter()
    with open_source(source, policy="wait") as frames:
        for frame in islice(frames, min(count, MAX_DECODED)):
            seconds.append(perf_counter() - start)
            pictures.append(frame.image)
            start = perf_counter()
    if not pictures:
        raise InputError(f"{source}: no frames")
    return Pictures(pictures, source, Percentiles.of(np.array(seconds)))
