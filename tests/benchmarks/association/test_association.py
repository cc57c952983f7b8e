"""The association study counts what it says."""

from __future__ import annotations

import numpy as np

from stc.annotations.videos import Track, Video
from stc.benchmarks.association.__main__ import Seen, hits


def test_undetected_objects_are_asked_for_and_objects_without_a_rival_are_not() -> None:
    """Two persons whose appearances are exchanged between the frames, a vehicle, and a third person never detected."""
    video = Video(
        1,
        "clip",
        (10, 10),
        ("0", "1"),
        tuple(Track(category, (None, None), 1.0, False, None) for category in (1, 1, 2, 1)),
    )
    axes = dict(enumerate(np.eye(3)))
    scores = dict.fromkeys(range(3), 1.0)
    there = frozenset(range(4))
    before = Seen(there, axes, axes, scores)
    now = Seen(there, axes, {0: axes[1], 1: axes[0], 2: axes[2]}, scores)
    assert hits(video, [before, now], 1, 0.0) == (2, 2, 3)
    assert hits(video, [before, now], 1, 1.0) == (0, 2, 3)
    assert hits(video, [before, before], 1, 1.0) == (2, 2, 3)
    assert hits(video, [before, now], 2, 0.0) == (0, 0, 0)
