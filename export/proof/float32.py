"""What float32 can hold of a model on the frames of its proof, for a float32 file that misses the fixed budget."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stc.benchmarks.agreement.floor import Floor
from stc.benchmarks.agreement.matching import match, thresholds
from stc.benchmarks.agreement.metrics import BUDGETS
from stc.benchmarks.reference import FrameOutputs, Reference
from stc.export.proof.candidates import Candidates
from stc.model.network import STC
from stc.runtime.bundle.passport import Passport

Array = NDArray[Any]


@dataclass(frozen=True)
class Settled:
    """reference: PyTorch's, with ties of scores broken as the candidate breaks them."""

    reference: Reference
    floor: Floor


def settle(model: STC, reference: Reference, found: Sequence[FrameOutputs], passport: Passport) -> Settled:
    """What float32 can hold of `model`, where a file that `found` other outputs than `reference` misses its budget.

    Of two candidates of equal scores rounding decides which comes first, and which is kept. So every row of `found`
    that `reference` lacks is looked up among all candidates of PyTorch float32, by place and class, and takes the place
    of the row that it ties with; the numbers are PyTorch's still. Then float32 is held against float64 at these
    detections, in the frame whose boxes and in that whose masks differ most.
    """
    with torch.inference_mode():
        frames = [
            _Frame(Candidates.of(model, frame), expected, other, passport).settled()
            for frame, expected, other in zip(reference.frames, reference.outputs, found, strict=True)
        ]
        outputs = tuple(rows for rows, _ in frames)
        exact = copy.deepcopy(model).double()
        pairs = list(zip(outputs, found, strict=True))
        worst = {int(np.argmax([_difference(*pair, name) for pair in pairs])) for name in ("boxes", "masks")}
        floors = [_floor(exact, model, reference.frames[index], outputs[index]) for index in worst]
    boxes, scores, masks = np.max(floors, axis=0).tolist()
    floor = Floor(len(worst), boxes, scores, masks, sum(ties for _, ties in frames))
    return Settled(replace(reference, outputs=outputs), floor)


def _floor(exact: STC, model: STC, frame: Array, rows: FrameOutputs) -> tuple[float, float, float]:
    """Of boxes, scores and masks of the detections `rows` that `model` made of `frame`; `exact` is it in float64."""
    candidates = Candidates.of(model, frame)
    places = candidates.places(rows)
    own, truth = (found.outputs(places, rows.labels) for found in (candidates, Candidates.of(exact, frame)))
    boxes, scores, masks = (np.abs(getattr(truth, n) - getattr(own, n)) for n in ("boxes", "scores", "masks"))
    return float(boxes.max(initial=0)), float(scores.max(initial=0)), float(masks.max(initial=0))


def _difference(expected: FrameOutputs, found: FrameOutputs, name: str) -> float:
    """The largest difference of rows that stand at the same index with the same label: what differs otherwise is no
    matter of the floor."""
    count = min(len(expected), len(found))
    same = expected.labels[:count] == found.labels[:count]
    a, b = getattr(expected, name)[:count][same], getattr(found, name)[:count][same]
    return float(np.nan_to_num(np.abs(a.astype(np.float64) - b)).max(initial=0))


class _Frame:
    """One frame's rows by PyTorch, and by the candidate under test."""

    def __init__(self, candidates: Candidates, expected: FrameOutputs, found: FrameOutputs, passport: Passport) -> None:
        self.candidates, self.expected, self.found = candidates, expected, found
        budget = BUDGETS["fp32"]
        self.near = budget.limits["boxes_max_px"]
        self.tied = 2 * budget.margin
        pairs = match(expected, found, thresholds(passport, budget.margin)).pairs
        self.partner = {int(column): int(row) for row, column in pairs}  # row of `found` -> of `expected`
        self.free = sorted(set(range(len(expected))) - set(self.partner.values()))

    def settled(self) -> tuple[FrameOutputs, int]:
        """The expected rows with ties broken as found, and how many rows are others or stand elsewhere than before."""
        rows = _copied(self.expected)
        swapped = set()
        for row in range(len(self.found)):
            expected = self.partner.get(row)
            if expected is not None and self._near(row, expected):
                continue
            place = self.candidates.same(self.found, row, self.near, self.tied / 2)
            if place is None:
                continue
            other = self.candidates.outputs(np.array([place]), self.found.labels[row : row + 1])
            tied = self._tied(float(other.scores[0]), expected)
            if tied is None:
                continue
            for field in fields(FrameOutputs):
                getattr(rows, field.name)[tied] = getattr(other, field.name)[0]
            self.partner[row] = tied
            swapped.add(tied)
        order = self._order(rows)
        moved = {int(row) for index, row in enumerate(order) if row != index}
        ordered = FrameOutputs(**{field.name: getattr(rows, field.name)[order] for field in fields(FrameOutputs)})
        ordered.scores[:] = np.sort(ordered.scores)[::-1]  # tied ones change places too, or a tracker would sort anew
        return ordered, len(swapped | moved)

    def _near(self, row: int, expected: int) -> bool:
        return bool(np.abs(self.found.boxes[row] - self.expected.boxes[expected]).max() <= self.near)

    def _tied(self, score: float, expected: int | None) -> int | None:
        """The row of `expected` that a candidate of `score` ties with: its partner, or one that has none."""
        rows = self.free if expected is None else [expected]
        distances = {row: abs(float(self.expected.scores[row]) - score) for row in rows}
        row = min(distances, key=lambda row: distances[row], default=None)
        if row is None or distances[row] > self.tied:
            return None
        if expected is None:
            self.free.remove(row)
        return row

    def _order(self, rows: FrameOutputs) -> Array:
        """Of `rows`, as their partners stand in `found`; as they are where their scores say otherwise."""
        keys = [(-float(score), len(self.found)) for score in rows.scores]
        for row, expected in self.partner.items():
            keys[expected] = (-float(self.found.scores[row]), row)
        order = np.array(sorted(range(len(rows)), key=lambda row: keys[row]), np.int64)
        falling = np.diff(rows.scores[order]) <= self.tied
        return order if falling.all() else np.argsort(-rows.scores, kind="stable")


def _copied(rows: FrameOutputs) -> FrameOutputs:
    return FrameOutputs(**{f.name: getattr(rows, f.name).copy() for f in fields(FrameOutputs)})
