"""The table of what two sides found, and what must hold in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stc.benchmarks.originals.seen import Difference

Side = Literal["our PyTorch", "our ONNX", "itself"]
MOST_PIXELS = 0.05
MOST_MASK = 2e-4
MARGIN = 1e-4  # of a score or an IoU from its threshold, as for float32 everywhere
HEADER = (
    "| original | raw frame | beside | detections theirs/other/matched | box max px | score max "
    "| mask pixels differing of set | embedding of longest |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True)
class Row:
    """An original beside us, or beside itself without oneDNN: what float32 can hold of it."""

    title: str
    frame: str
    side: Side
    found: Difference

    def __str__(self) -> str:
        found = self.found
        blamed = f" ({found.at_threshold} at a threshold)" if found.at_threshold else ""
        cells = (
            self.title,
            self.frame,
            self.side,
            f"{found.theirs}/{found.ours}/{found.matched}{blamed}",
            f"{found.boxes:.1e}",
            f"{found.scores:.1e}",
            f"{found.mask_pixels} of {found.set_pixels / 1e6:.1f} M",
            f"{found.embeddings:.1e} of {found.length:.1f}" if found.length else "-",
        )
        return f"| {' | '.join(cells)} |"

    def misses(self) -> list[str]:
        """Where we are not as the original is, in words."""
        if self.side == "itself":
            return []
        found = self.found
        faults = (
            (found.unmatched > 0, f"{found.unmatched} detections without a partner"),
            (found.boxes > MOST_PIXELS, f"boxes off by {found.boxes:.3g} px, more than {MOST_PIXELS:g}"),
            (found.masks_off > MOST_MASK, f"{found.masks_off:.3%} of mask pixels differ, more than {MOST_MASK:.2%}"),
        )
        return [f"{self.title}, {self.frame}, {self.side}: {text}" for applies, text in faults if applies]
