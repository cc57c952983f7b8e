"""What float32 itself can hold: how far PyTorch in float32 is from the same weights in float64.

Two float32 computations of one model, each within the floor of the exact result, differ by up to twice the floor; so
that is what a float32 candidate may differ by where it exceeds the fixed budget. More is a fault.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from stc.runtime import schema
from stc.runtime.bundle.passport import MODEL_FILE, Passport

FACTOR = 2.0
# A budget goes no further, however sharp the weights are: where float32 itself is off by half of that, its result is
# not the model's.
MOST_PX, MOST_SCORE, MOST_PROBABILITY = 0.5, 1e-2, 0.1
Measure = Annotated[float, schema.number(0, 1e9)]


@dataclass(frozen=True)
class Floor:
    """Largest differences between PyTorch float32 and float64 at the detections of `frames` frames, those with the
    largest figures: sides of boxes (input pixels), scores and mask probabilities (0..1). ties: detections of all frames
    whose equal scores the candidate ordered otherwise than the reference.
    """

    frames: Annotated[int, schema.integer(1, 10_000)]
    boxes_px: Measure
    scores: Measure
    masks: Measure
    ties: Annotated[int, schema.integer(0, 1 << 31)] = 0

    @property
    def shift(self) -> float:
        """How far rounding may move a side of a box, in input pixels."""
        return min(FACTOR * self.boxes_px, MOST_PX)

    @property
    def margin(self) -> float:
        """How far rounding may move a score."""
        return min(FACTOR * self.scores, MOST_SCORE)

    @property
    def probability(self) -> float:
        """How far rounding may move a mask probability."""
        return min(FACTOR * self.masks, MOST_PROBABILITY)

    def __str__(self) -> str:
        return (
            f"float32's own floor (PyTorch against float64 on {self.frames} frames): boxes {self.boxes_px:.3g} px, "
            f"scores {self.scores:.3g}, mask probabilities {self.masks:.3g}; allowed {FACTOR:g} times that where it is "
            f"more than the fixed budget; {self.ties} ties of scores matched by place and class"
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


FIELDS = schema.table(Floor)


def of_passport(passport: Passport) -> Floor | None:
    """What the export measured; None where it had no need to, or says nothing that this version reads."""
    found = passport.agreement.get(MODEL_FILE, {}).get("floor")
    known = schema.record(FIELDS, tuple(FIELDS))
    return None if found is None or any(known(found, "floor")) else Floor(**schema.known(Floor, found))
