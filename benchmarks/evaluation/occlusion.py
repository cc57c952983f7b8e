"""How much an object is hidden, as OVIS grades it, and the bands that its evaluator reports."""

from __future__ import annotations

from collections.abc import Sequence

SCORES = {"no_occlusion": 0.0, "slight_occlusion": 0.25, "severe_occlusion": 0.75}
BANDS = {"light": (0.0, 0.25), "medium": (0.25, 0.5), "heavy": (0.5, 1.0)}  # both ends belong to a band


def occlusion_score(levels: Sequence[str | None]) -> float:
    """Mean over the more hidden half of the graded frames, 0..0.75; 0 without any graded frame."""
    scores = sorted(SCORES[level] for level in levels if level is not None)
    worst = scores[len(scores) // 2 :]
    return sum(worst) / len(worst) if worst else 0.0
