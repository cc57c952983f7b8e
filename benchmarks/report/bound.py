"""Which part of a frame bounds the box, and what overlapping the parts can gain at most.

Parts are what can work on different frames at the same time: `Stream.submit` has a thread for each of the inner three,
and a program another for decoding and its own for the masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stc.benchmarks.timing.intervals import figures
from stc.runtime.stages import DOWNLOAD, ENGINE, MASKING, PREPROCESS, TRACK, UPLOAD

DECODE = "decode"
PARTS = {
    DECODE: (DECODE,),
    PREPROCESS: (PREPROCESS,),
    ENGINE: (UPLOAD, ENGINE, DOWNLOAD),  # one call, copies included
    TRACK: (TRACK,),
    MASKING: (MASKING,),
}
IN_WORDS = {
    DECODE: "decoding",
    PREPROCESS: "the resize",
    ENGINE: "the engine",
    TRACK: "the tracker",
    MASKING: "the masks",
}
# An engine that takes whole frames: what the host does before is a copy, and what it would do after is done there.
IN_WORDS_OF_WHOLE_FRAMES = IN_WORDS | {
    PREPROCESS: "the copy into pinned memory",
    ENGINE: "the engine with resize and masks",
    MASKING: "encoding the masks",
}


@dataclass(frozen=True)
class Bound:
    """part: the slowest. share: of all parts, 0..1. parts_ms: mean milliseconds of a frame in each. overlapped_fps:
    what the slowest part alone would give; None where the parts were not measured one after the other. whole_frames:
    the engine took them, and resized and composed the masks in the same call.
    """

    part: str
    share: float
    parts_ms: dict[str, float]
    overlapped_fps: float | None
    whole_frames: bool = False

    @classmethod
    def of(cls, stages: Mapping[str, float], *, serial: bool, whole_frames: bool = False) -> Bound:
        """stages: mean milliseconds of each, with decoding where it was timed; others than those of PARTS do not count,
        such as the wait for a camera. serial: nothing of a frame overlapped.
        """
        parts = {
            part: sum(stages.get(name, 0.0) for name in names)
            for part, names in PARTS.items()
            if any(name in stages for name in names)
        }
        slowest = max(parts, key=lambda part: parts[part])
        longest, whole = parts[slowest], sum(parts.values())
        fps = 1e3 / longest if serial and longest > 0 else None
        return cls(slowest, longest / whole if whole > 0 else 1.0, parts, fps, whole_frames)

    def in_words(self, device: str) -> str:
        """device: where the engine runs."""
        words = IN_WORDS_OF_WHOLE_FRAMES if self.whole_frames else IN_WORDS
        text = f"bound by {words[self.part]}: {self.share:.0%} of a frame"
        others = ", ".join(f"{words[part]} {figures(ms)}" for part, ms in self.parts_ms.items() if part != self.part)
        text += f" ({figures(self.parts_ms[self.part])} ms; {others})" if others else ""
        if self.overlapped_fps is None:
            return text
        free = ", with processors that the engine leaves free" if device == "cpu" else ""
        return f"{text}; overlapped at most {figures(self.overlapped_fps)} FPS{free}"
