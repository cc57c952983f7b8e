"""Elementary losses against loops in float64 that follow the formulas literally."""

from __future__ import annotations

import math

import numpy as np
import torch

from stc.training.losses.masks import box_iou, dice_loss, focal_loss, giou_loss, projection_loss

# The statements run in float64 on both sides; what is left is rounding of a few operations.
EXACT = 1e-12


def test_focal_loss_follows_its_definition() -> None:
    rng = np.random.default_rng(0)
    logits, target = rng.normal(0, 4, (5, 3)), rng.integers(0, 2, (5, 3))
    found = focal_loss(torch.tensor(logits), torch.tensor(target), 0.25, 2.0)
    for index in np.ndindex(5, 3):
        p = 1 / (1 + math.exp(-logits[index]))
        p_t, alpha_t = (p, 0.25) if target[index] else (1 - p, 0.75)
        assert abs(float(found[index]) + alpha_t * (1 - p_t) ** 2 * math.log(p_t)) < EXACT


def test_focal_loss_stays_finite_at_extreme_logits() -> None:
    logits = torch.tensor([200.0, -200.0, 200.0, -200.0], requires_grad=True)
    loss = focal_loss(logits, torch.tensor([0, 0, 1, 1]), 0.25, 2.0)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert loss[0] > 100
    assert loss[2] == 0


def test_giou_loss_equals_that_of_boxes() -> None:
    """Distances from a common point are boxes around the origin; the smoothing of IoU is AdelaiDet's."""
    rng = np.random.default_rng(1)
    predicted, target = rng.uniform(0, 9, (2, 200, 4))
    found = giou_loss(torch.tensor(predicted), torch.tensor(target))
    for loss, p, t in zip(found.tolist(), predicted, target, strict=True):
        (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = ((-l, -t_, r, b) for l, t_, r, b in (p, t))  # noqa: E741
        inter = max(0, min(ax2, bx2) - max(ax1, bx1)) * max(0, min(ay2, by2) - max(ay1, by1))
        union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - inter
        hull = (max(ax2, bx2) - min(ax1, bx1)) * (max(ay2, by2) - min(ay1, by1))
        assert abs(loss - (1 - ((inter + 1) / (union + 1) - (hull - union) / hull))) < EXACT


def test_giou_loss_of_a_box_of_no_size_has_a_gradient() -> None:
    predicted = torch.full((1, 4), 0.01, requires_grad=True)
    giou_loss(predicted, torch.ones(1, 4)).sum().backward()
    assert predicted.grad is not None
    assert (predicted.grad < 0).all()  # growing lowers the loss


def test_dice_loss_follows_its_definition() -> None:
    rng = np.random.default_rng(2)
    probabilities, target = rng.uniform(0, 1, (4, 6, 7)), rng.integers(0, 2, (4, 6, 7)).astype(float)
    target[3] = 0
    found = dice_loss(torch.tensor(probabilities), torch.tensor(target)).tolist()
    for loss, x, y in zip(found, probabilities, target, strict=True):
        top = sum(float(a * b) for a, b in zip(x.flat, y.flat, strict=True))
        bottom = sum(float(a * a + b * b) for a, b in zip(x.flat, y.flat, strict=True))
        assert abs(loss - (1 - 2 * top / (bottom + 1e-5))) < EXACT
    assert found[3] == 1


def test_box_iou_is_that_of_boxes_around_the_origin() -> None:
    rng = np.random.default_rng(5)
    predicted, target = rng.uniform(0, 9, (2, 50, 4))
    found = box_iou(torch.tensor(predicted), torch.tensor(target))
    for index, (p, t) in enumerate(zip(predicted, target, strict=True)):
        shared = (min(p[0], t[0]) + min(p[2], t[2])) * (min(p[1], t[1]) + min(p[3], t[3]))
        whole = sum((box[0] + box[2]) * (box[1] + box[3]) for box in (p, t)) - shared
        assert abs(float(found[index]) - shared / whole) < EXACT


def test_projection_loss_compares_shadows_alone() -> None:
    """A cross and a diagonal throw the shadows of their box; half of the box does not."""
    box = torch.zeros(1, 9, 9, dtype=torch.float64)
    box[0, 2:7, 2:7] = 1
    diagonal, cross, half = torch.zeros_like(box), torch.zeros_like(box), box.clone()
    diagonal[0, range(2, 7), range(2, 7)] = 1
    cross[0, 4, 2:7] = cross[0, 2:7, 4] = 1
    half[0, 5:] = 0
    assert projection_loss(diagonal, box) < 1e-5
    assert projection_loss(cross, box) < 1e-5
    # Rows 2 to 4 of 2 to 6 are seen: 1 - 2 * 3 / (3 + 5).
    assert abs(float(projection_loss(half, box)) - 0.25) < 1e-5
