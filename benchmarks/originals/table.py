"""The table of what both sides found, and what must hold in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stc.benchmarks.originals.seen import Difference

# An original against itself with another convolution differs by 0.01 px and 0.01 % of set pixels at most.
MOST_PIXELS = 0.05
MOST_MASK = 2e-4
MARGIN = 1e-4  # of a score or an IoU from its threshold, as for float32 everywhere
HEADER = (
    "| original | raw frame | detections theirs/ours/matched | box max px | score max | mask pixels differing of set "
    "| embedding of longest |\n| --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True)
class Row:
    """ours: beside the original. floor: the original beside itself, without oneDNN."""

    title: str
    frame: str
    ours: Difference
    floor: Difference

    def lines(self) -> Iterator[str]:
        yield f"| {self.title} | {self.frame} | {_cells(self.ours)} |"
        yield f"| …against itself | {self.frame} | {_cells(self.floor)} |"

    def misses(self) -> list[str]:
        """What is not as the original has it, in words."""
        found = self.ours
        faults = (
            (found.unmatched > 0, f"{found.unmatched} detections without a partner"),
            (found.boxes > MOST_PIXELS, f"boxes off by {found.boxes:.3g} px, more than {MOST_PIXELS:g}"),
            (found.masks_off > MOST_MASK, f"{found.masks_off:.3%} of mask pixels differ, more than {MOST_MASK:.2%}"),
        )
        return [f"{self.title}, {self.frame}: {text}" for applies, text in faults if applies]


def _cells(found: Difference) -> str:
    blamed = f" ({found.at_threshold} at a threshold)" if found.at_threshold else ""
    embedding = f"{found.embeddings:.1e} of {found.length:.1f}" if found.length else "-"
    return (
        f"{found.theirs}/{found.ours}/{found.matched}{blamed} | {found.boxes:.1e} | {found.scores:.1e} "
        f"| {found.mask_pixels} of {found.set_pixels / 1e6:.1f} M | {embedding}"
    )
