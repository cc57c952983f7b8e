"""The embedding losses against double sums, and their edge cases."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from stc.training.config import TrainConfig
from stc.training.losses.contrastive import (
    BACKGROUND,
    FrameSamples,
    Samples,
    contrastive_loss,
    cosine_loss,
    embedding_losses,
    pair_losses,
)
from stc.training.losses.predictions import balanced_sample


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_contrastive_loss_is_the_double_sum_over_positives_and_negatives() -> None:
    """log(1 + sum_p sum_n exp(s_n - s_p)), summed term by term in float64."""
    rng = np.random.default_rng(0)
    anchors, candidates = rng.normal(0, 1, (5, 8)), rng.normal(0, 1, (11, 8))
    same = rng.random((5, 11)) < 0.3
    same[:, 0] = True
    total = 0.0
    for anchor, row in zip(anchors, same, strict=True):
        scores = [float(anchor @ c) for c in candidates]
        terms = [math.exp(scores[n] - scores[p]) for p in np.flatnonzero(row) for n in np.flatnonzero(~row)]
        total += math.log1p(sum(terms))
    found = contrastive_loss(torch.tensor(anchors), torch.tensor(candidates), torch.tensor(same), TrainConfig())
    assert abs(float(found) - total / 5) < 1e-10  # rounding of float64 exponentials


def test_without_negatives_the_contrastive_loss_is_zero_with_a_finite_gradient() -> None:
    anchors = torch.randn(3, 4, requires_grad=True)
    loss = contrastive_loss(anchors, torch.randn(2, 4), torch.ones(3, 2, dtype=torch.bool), TrainConfig())
    loss.backward()
    assert loss == 0
    assert anchors.grad is not None
    assert (anchors.grad == 0).all()


def test_cosine_loss_keeps_all_positives_and_the_hardest_negatives() -> None:
    rng = np.random.default_rng(1)
    anchors, candidates = rng.normal(0, 1, (3, 4)), rng.normal(0, 1, (20, 4))
    same = np.zeros((3, 20), dtype=bool)
    same[:, 0] = True
    config = TrainConfig(cosine_margin=0.1, negatives_per_positive=2)
    positives, negatives = [], []
    for i, a in enumerate(anchors):
        for j, c in enumerate(candidates):
            cosine = float(a @ c / np.linalg.norm(a) / np.linalg.norm(c))
            if same[i, j]:
                positives.append((1 - cosine) ** 2)
            else:
                negatives.append(max(0.0, cosine - 0.1) ** 2)
    expected = np.mean(positives + sorted(negatives)[-6:])
    found = cosine_loss(torch.tensor(anchors), torch.tensor(candidates), torch.tensor(same), config, _generator())
    assert abs(float(found) - expected) < 1e-12


def test_embedding_losses_run_in_both_directions_over_shared_objects_only() -> None:
    """Two views, no background, caps out of reach: the mean of both directions, anchors of objects in both views."""
    rng = np.random.default_rng(2)
    embeddings = torch.tensor(rng.normal(0, 1, (2, 6, 4)))
    identities = torch.tensor([[7, 7, 8, -1, -1, -1], [7, 9, 9, -1, 7, -1]])
    clear = torch.zeros(2, 6, dtype=torch.bool)
    found, _ = embedding_losses(embeddings, identities, clear, TrainConfig(), _generator())
    key, reference = embeddings[0], embeddings[1]
    forward = contrastive_loss(
        key[[0, 1]], reference[[0, 1, 2, 4]], torch.tensor([[True, False, False, True]] * 2), TrainConfig()
    )
    backward = contrastive_loss(
        reference[[0, 4]], key[[0, 1, 2]], torch.tensor([[True, True, False]] * 2), TrainConfig()
    )
    assert abs(float(found - (forward + backward) / 2)) < 1e-12


def test_background_and_other_pairs_are_negatives() -> None:
    """Adding either raises the loss, since it only adds terms to the sum."""
    embeddings = torch.randn(4, 6, 4, generator=_generator())
    identities = torch.full((4, 6), -1)
    identities[:2, 0] = 1
    clear = torch.zeros(4, 6, dtype=torch.bool)
    alone, _ = embedding_losses(embeddings, identities, clear, TrainConfig(), _generator())
    assert alone == 0  # one object, nothing to confuse it with
    clear[:2, 3:] = True
    background, _ = embedding_losses(embeddings, identities, clear, TrainConfig(), _generator())
    identities[2:, 0] = 2
    foreign, _ = embedding_losses(embeddings[:, :1], identities[:, :1], clear[:, :1], TrainConfig(), _generator())
    assert background > 0
    assert foreign > 0


def test_no_shared_object_gives_zero_and_a_gradient_of_zero() -> None:
    embeddings = torch.randn(2, 5, 4, requires_grad=True)
    identities = torch.tensor([[1, 1, -1, -1, -1], [2, -1, -1, -1, -1]])
    contrast, cosine = embedding_losses(embeddings, identities, identities < 0, TrainConfig(), _generator())
    (contrast + cosine).backward()
    assert contrast == cosine == 0
    assert embeddings.grad is not None
    assert (embeddings.grad == 0).all()


def test_balanced_sample_takes_from_every_group_before_it_repeats_one() -> None:
    groups = torch.tensor([0] * 50 + [1] * 3 + [5] * 20)
    chosen = balanced_sample(groups, 12, _generator())
    assert len(set(chosen.tolist())) == 12
    assert torch.bincount(groups[chosen], minlength=6).tolist() in ([4, 3, 0, 0, 0, 5], [5, 3, 0, 0, 0, 4])


def test_balanced_sample_under_the_cap_is_everything() -> None:
    assert sorted(balanced_sample(torch.tensor([3, 3, 1]), 5, _generator()).tolist()) == [0, 1, 2]
    assert balanced_sample(torch.zeros(0, dtype=torch.int64), 5, _generator()).tolist() == []


def _frame(seed: int, ids: list[int], background: int) -> FrameSamples:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(len(ids) + background, 5, generator=generator, dtype=torch.float64)
    objects = Samples(embeddings[: len(ids)], torch.tensor(ids))
    return FrameSamples(objects, Samples(embeddings[len(ids) :], torch.full((background,), BACKGROUND)))


@pytest.mark.parametrize("form", ["multi-positive", "infonce"])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_swapping_key_and_reference_leaves_the_loss_unchanged(form: Any, similarity: Any) -> None:
    """With the background that was sampled of each frame. Only the order of two summands differs: equal to rounding."""
    config = TrainConfig(contrast_form=form, similarity=similarity, temperature=0.5)
    key, reference = _frame(1, [4, 4, 5, 6], 3), _frame(2, [4, 5, 5, 7, 7], 6)
    foreign = Samples(torch.randn(3, 5, generator=_generator(), dtype=torch.float64), torch.tensor([20, 20, 21]))

    def loss(one: FrameSamples, two: FrameSamples, settings: TrainConfig) -> float:
        return float(torch.stack([c for c, _ in pair_losses(one, two, foreign, settings, _generator())]).mean())

    assert abs(loss(key, reference, config) - loss(reference, key, config)) < 1e-12
    forward = replace(config, directions="key-to-reference")
    assert abs(loss(key, reference, forward) - loss(reference, key, forward)) > 1e-3


def test_infonce_is_the_mean_over_positives_of_their_log_share() -> None:
    rng = np.random.default_rng(4)
    anchors, candidates = rng.normal(0, 1, (4, 6)), rng.normal(0, 1, (9, 6))
    same = rng.random((4, 9)) < 0.3
    same[:, 2] = True
    tau = 0.3
    expected = []
    for anchor, row in zip(anchors, same, strict=True):
        cosines = [float(anchor @ c / np.linalg.norm(anchor) / np.linalg.norm(c)) / tau for c in candidates]
        others = sum(math.exp(cosines[n]) for n in np.flatnonzero(~row))
        terms = [-math.log(math.exp(cosines[p]) / (math.exp(cosines[p]) + others)) for p in np.flatnonzero(row)]
        expected.append(np.mean(terms))
    config = TrainConfig(contrast_form="infonce", similarity="cosine", temperature=tau)
    found = contrastive_loss(torch.tensor(anchors), torch.tensor(candidates), torch.tensor(same), config)
    assert abs(float(found) - np.mean(expected)) < 1e-10  # rounding of float64 exponentials


def test_random_cosine_negatives_are_some_of_all() -> None:
    """With room for all of them, random and hardest are the same negatives; with less, hardest is the upper bound."""
    generator = _generator()
    anchors, candidates = torch.randn(2, 4, generator=generator), torch.randn(7, 4, generator=generator)
    same = torch.zeros(2, 7, dtype=torch.bool)
    same[:, 0] = True

    def loss(negatives: Any, ratio: int, seed: int = 0) -> float:
        config = TrainConfig(cosine_negatives=negatives, negatives_per_positive=ratio)
        return float(cosine_loss(anchors, candidates, same, config, torch.Generator().manual_seed(seed)))

    assert abs(loss("random", 99) - loss("hardest", 99)) < 1e-6
    drawn = {loss("random", 2, seed) for seed in range(5)}
    assert len(drawn) > 1
    assert max(drawn) <= loss("hardest", 2)
