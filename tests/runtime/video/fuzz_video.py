"""Damaged and hostile videos, as files."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from stc.runtime.video import open_source
from tests.runtime.video.mutations import mutated
from tests.runtime.video.zoo import CLIPS

NAMES = (
    "plain.mp4", "plain.mkv", "plain.ts", "plain.flv", "fragmented.mp4", "vfr.mp4", "hevc.mp4", "mpeg4.avi",
    "mpeg2.mpg", "vp9.webm", "av1.mp4", "mjpeg.avi", "raw.mjpeg", "prores.mov", "ffv1.mkv", "animated.gif",
    "uncompressed.y4m", "turned90m.mp4", "sar2.mp4", "wmv2.wmv", "animated.apng", "cover-first.mp4", "sound-first.mp4",
    "edit-list.mp4",
)  # fmt: skip
MOST = 60  # frames that are looked at; a damaged header may promise any number


def cases(folder: Path) -> Callable[[random.Random], object]:
    clips = [clip for clip in CLIPS if clip.name in NAMES]
    contents = [(Path(clip.name).suffix, clip.make(folder).read_bytes()) for clip in clips]
    others = [content for _, content in contents]

    def case(r: random.Random) -> None:
        suffix, content = r.choice(contents)
        path = folder / f"case{suffix}"
        path.write_bytes(mutated(content, others, r))
        with open_source(path, every=r.choice((1, 1, 3))) as source:
            frames = list(islice(source, MOST))
        assert frames and frames[0].time == 0
        assert all(a.time < b.time and a.index < b.index for a, b in pairwise(frames))
        for frame in frames:
            assert frame.image.dtype == np.uint8 and frame.image.shape[2:] == (3,) and frame.image.flags.c_contiguous

    return case
