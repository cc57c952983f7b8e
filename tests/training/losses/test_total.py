"""Every term of the loss: gradients against finite differences, minima reached, invariances."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from stc.model.decode import RawOutputs
from stc.training.config import TrainConfig
from stc.training.losses.masks import box_iou
from stc.training.losses.total import Losses, compute_losses
from tests.training.losses.batches import MODEL, leaves, pair_batch, random_outputs

TERMS = [f.name for f in fields(Losses) if f.name not in {"total", "positives"}]
# Small caps, so that sampling takes part; the generator is seeded anew for every evaluation.
CONFIG = TrainConfig(max_masks=6, max_contrast=5, max_background=7, max_consistency=4)
VARIANTS = {
    "defaults": CONFIG,
    "infonce": replace(CONFIG, contrast_form="infonce", similarity="cosine", temperature=0.2),
    "forward": replace(CONFIG, directions="key-to-reference", cosine_negatives="random", mask_sampling="random"),
    "filters": replace(CONFIG, consistency="filters"),
    "embedding": replace(CONFIG, consistency="embedding", consistency_partner="best"),
}


def _losses(raw: RawOutputs, config: TrainConfig) -> Losses:
    return compute_losses(raw, pair_batch(config), MODEL, config, torch.Generator().manual_seed(3))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("term", TERMS)
def test_gradients_agree_with_finite_differences(variant: str, term: str) -> None:
    """Central differences in float64 along random directions of all predictions at once.

    Step 1e-6: truncation about 1e-12, rounding about 1e-16 / 1e-6 = 1e-10, both relative to values of about 1; kinks
    (minima, ReLUs) lie apart from a random point.
    """
    config = VARIANTS[variant]
    raw = random_outputs(seed=1)
    getattr(_losses(raw, config), term).backward()
    step = 1e-6
    for seed in (0, 1):
        generator = torch.Generator().manual_seed(seed)
        directions = [torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in leaves(raw)]
        analytic = sum(
            float((x.grad * d).sum()) for x, d in zip(leaves(raw), directions, strict=True) if x.grad is not None
        )
        values = []
        for sign in (1, -1):
            moved = random_outputs(seed=1)
            with torch.no_grad():
                for x, d in zip(leaves(moved), directions, strict=True):
                    x.add_(d, alpha=sign * step)
            values.append(getattr(_losses(moved, config), term).item())
        numeric = (values[0] - values[1]) / (2 * step)
        assert analytic != 0
        assert abs(analytic - numeric) < 1e-6 * max(1.0, abs(analytic))


def test_total_is_the_weighted_sum() -> None:
    config = replace(CONFIG, cls_weight=2.0, box_weight=3.0, centerness_weight=5.0, mask_weight=7.0)
    config = replace(config, contrast_weight=11.0, cosine_weight=13.0, consistency_weight=17.0)
    losses = _losses(random_outputs(), config)
    weights = dict(zip(TERMS, (2, 3, 5, 7, 11, 13, 17), strict=True))
    expected = sum(weight * getattr(losses, name).item() for name, weight in weights.items())
    assert abs(float(losses.total) - expected) < 1e-9


def test_without_tracking_head_the_embedding_terms_are_zero() -> None:
    raw = replace(random_outputs(), embeddings=[])
    losses = _losses(raw, CONFIG)
    assert losses.contrast == losses.cosine == 0
    assert losses.consistency > 0
    with pytest.raises(ValueError, match="no tracking head"):
        _losses(raw, replace(CONFIG, consistency="embedding"))


def _entropy(target: Tensor) -> float:
    """Mean binary entropy: the least that cross entropy with soft targets can be."""
    one, zero = (-p * torch.log(p.clamp(min=1e-300)) for p in (target, 1 - target))
    return float((one + zero).mean())


def _minima(config: TrainConfig) -> dict[str, float]:
    batch = pair_batch(config)
    target = batch.centerness[batch.instance >= 0].double()
    return {name: _entropy(target) if name == "centerness" else 0.0 for name in TERMS}


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["defaults", "infonce", "filters"])
def test_free_predictions_reach_the_minimum_of_every_loss(variant: str) -> None:
    """Every prediction of one pair is a free parameter: nothing but a wrong target or loss could keep a term up."""
    config = replace(VARIANTS[variant], max_masks=64, max_consistency=16)
    raw = random_outputs(seed=2)
    optimiser = torch.optim.Adam(leaves(raw), lr=0.1)
    for step in range(160):
        optimiser.param_groups[0]["lr"] = 0.1 if step < 90 else 0.03
        optimiser.zero_grad()
        _losses(raw, config).total.backward()
        optimiser.step()
    losses, minima = _losses(raw, config), _minima(config)
    for name in TERMS:
        # Adam ends in small oscillations; masks share one set of features between two views' objects.
        assert abs(getattr(losses, name).item() - minima[name]) < 0.03, name


def test_background_of_classes_annotated_in_part_does_not_count() -> None:
    raw, batch = random_outputs(), pair_batch(CONFIG)
    part = replace(batch, complete=torch.tensor([[True, True], [True, False]]))
    compute_losses(raw, part, MODEL, CONFIG, torch.Generator().manual_seed(3)).cls.backward()
    gradient = torch.cat([level.grad.flatten(2) for level in raw.logits if level.grad is not None], dim=2)  # (M, C, L)
    background = batch.instance < 0
    assert (gradient[1, 1][background[1]] == 0).all()
    assert (gradient[1, 0][background[1]] != 0).all()
    assert (gradient[0][:, background[0]] != 0).all()
    assert (gradient[1][:, ~background[1]] != 0).all()  # what an object is, it is for all classes


def test_the_quality_may_be_the_overlap_of_the_predicted_box() -> None:
    config, batch, raw = replace(CONFIG, quality="iou"), pair_batch(CONFIG), random_outputs()
    loss = compute_losses(raw, batch, MODEL, config, torch.Generator().manual_seed(3)).centerness
    positive = batch.instance >= 0
    flat = [torch.cat([level.flatten(2) for level in levels], 2) for levels in (raw.ltrb, raw.centerness)]
    predicted, logits = flat[0].transpose(1, 2)[positive], flat[1][:, 0][positive]
    overlap = box_iou(predicted, batch.ltrb[positive].double())
    expected = -(overlap * logits.sigmoid().log() + (1 - overlap) * (1 - logits.sigmoid()).log()).sum() / positive.sum()
    assert abs(float(loss.detach()) - float(expected.detach())) < 1e-9
    loss.backward()
    assert all(level.grad is None for level in raw.ltrb)  # it judges the box, and does not move it


def test_masks_of_objects_with_a_box_alone_are_held_to_their_shadows() -> None:
    batch, config = pair_batch(CONFIG), replace(CONFIG, max_masks=10_000)
    boxed = replace(batch, outlined=[torch.zeros(len(masks), dtype=torch.bool) for masks in batch.masks])
    whole, shadows = (
        float(compute_losses(random_outputs(), b, MODEL, config, torch.Generator().manual_seed(3)).mask.detach())
        for b in (batch, boxed)
    )
    assert whole != shadows
    part = replace(batch, outlined=[boxed.outlined[0], batch.outlined[1]])
    mixed = compute_losses(random_outputs(), part, MODEL, config, torch.Generator().manual_seed(3)).mask
    assert min(whole, shadows) < float(mixed.detach()) < max(whole, shadows)
