"""Scores that mean what they say: of detections with score s, a share s should be right.

Platt scaling (Platt 1999) of the two factors of a score: class and centerness logits are scaled and shifted, the same
for all classes, so that the score becomes the probability that the detection finds an object of its class with a mask
IoU of 0.5. Both maps are part of the weights afterwards: the architecture and the boxes, masks and embeddings of a
location stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stc.errors import InputError
from stc.model.network import STC

RIDGE = 1e-3  # pulls towards no change, for what the data does not decide
LEAST = 1e-6  # probabilities stay inside (0, 1)
BINS = 10


@dataclass(frozen=True)
class Sample:
    """n detections of pictures: class and centerness logits float64 (n,), whether each is right bool (n,), and the
    number of its picture int64 (n,)."""

    logits: Tensor
    centerness: Tensor
    right: Tensor
    picture: Tensor

    def of(self, chosen: Tensor) -> Sample:
        return Sample(self.logits[chosen], self.centerness[chosen], self.right[chosen], self.picture[chosen])


@dataclass(frozen=True)
class Calibration:
    """Logits become scale * logit + shift; scales are positive."""

    class_scale: float
    class_shift: float
    centerness_scale: float
    centerness_shift: float

    def scores(self, sample: Sample) -> NDArray[np.float64]:
        """(n,) in 0..1, the square root of class x centerness."""
        theta = torch.tensor(
            [np.log(self.class_scale), self.class_shift, np.log(self.centerness_scale), self.centerness_shift]
        )
        return np.asarray(_scores(theta.double(), sample))


UNCHANGED = Calibration(1.0, 0.0, 1.0, 0.0)


def fit(sample: Sample) -> Calibration:
    """The calibration of greatest likelihood. Raises InputError where all detections are right, or none is."""
    hits = int(sample.right.sum())
    if not 0 < hits < len(sample.right):
        raise InputError(
            f"{hits} of {len(sample.right)} detections are right; calibration needs both, right and wrong ones: give "
            "more annotated pictures with --data, or train the model further"
        )
    theta = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([theta], max_iter=500, line_search_fn="strong_wolfe")
    right = sample.right.double()

    def loss() -> Tensor:
        optimiser.zero_grad()
        likelihood = torch.nn.functional.binary_cross_entropy(_scores(theta, sample), right)
        total: Tensor = likelihood + RIDGE * (theta**2).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    class_scale, class_shift, scale, shift = theta.detach().tolist()
    return Calibration(float(np.exp(class_scale)), class_shift, float(np.exp(scale)), shift)


def apply(model: STC, calibration: Calibration) -> None:
    """Change the last layers of `model` in place."""
    head = model.head
    with torch.no_grad():
        for layer, scale, shift in (
            (head.cls_logits, calibration.class_scale, calibration.class_shift),
            (head.centerness, calibration.centerness_scale, calibration.centerness_shift),
        ):
            assert layer.bias is not None
            layer.weight.mul_(scale)
            layer.bias.mul_(scale).add_(shift)


def held_out(sample: Sample, folds: int = 5) -> NDArray[np.float64]:
    """Scores (n,) of each detection by the calibration of the other folds' pictures."""
    scores = np.empty(len(sample.right))
    for fold in range(folds):
        inside = sample.picture % folds == fold
        if inside.any():
            scores[inside.numpy()] = fit(sample.of(~inside)).scores(sample.of(inside))
    return scores


def error(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error (Naeini et al. 2015), 0..1: mean over detections of how far the precision of their
    tenth of the score range is from its mean score."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    gaps = [abs(float((right[bins == b] - scores[bins == b]).sum())) for b in range(BINS)]
    return sum(gaps) / max(len(scores), 1)


def _scores(theta: Tensor, sample: Sample) -> Tensor:
    classes = torch.sigmoid(theta[0].exp() * sample.logits + theta[1])
    centerness = torch.sigmoid(theta[2].exp() * sample.centerness + theta[3])
    return (classes * centerness).sqrt().clamp(LEAST, 1 - LEAST)
