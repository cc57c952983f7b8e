"""Scenes whose objects are to be found again: frames by their time, as files of the cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GAPS = (5, 15, 30)  # frames between the two that are compared
STARTS = range(0, 61, 15)  # of the first of them
TIMES = sorted({start + gap for start in STARTS for gap in (0, *GAPS)})


@dataclass(frozen=True)
class Scenes:
    """In `folder` each frame has two files: what is `seen` in it and its `frozen` maps. crossings, composites: how many
    scenes of drawn crossings of `length` frames, and of two composed views.
    """

    folder: Path
    crossings: int
    composites: int
    length: int

    def frames(self) -> Iterator[tuple[str, int, int]]:
        """(set, scene, time) of each frame."""
        yield from (
            ("crossings", scene, time) for scene in range(self.crossings) for time in TIMES if time < self.length
        )
        yield from (("composites", scene, time) for scene in range(self.composites) for time in (0, 1))

    def path(self, name: str, scene: int, time: int, kind: str = "seen") -> Path:
        return self.folder / f"{name}-{scene:03d}-{time:02d}.{kind}.pt"

    def paths(self, kind: str = "seen") -> list[Path]:
        return [self.path(*frame, kind) for frame in self.frames()]

    def comparisons(self, kind: str = "seen") -> Iterator[tuple[str, Path, Path]]:
        """(set and gap, first frame, second frame)."""
        there = set(self.frames())
        steps = [(f"crossings, {gap} frames", start, start + gap) for gap in GAPS for start in STARTS]
        for scene in range(self.crossings):
            for name, one, two in steps:
                if ("crossings", scene, two) in there:
                    yield name, self.path("crossings", scene, one, kind), self.path("crossings", scene, two, kind)
        for scene in range(self.composites):
            yield "composites", self.path("composites", scene, 0, kind), self.path("composites", scene, 1, kind)
