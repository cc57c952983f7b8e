"""Temporal consistency in its three readings, against what each compares."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from stc.training.config import TrainConfig
from stc.training.losses.consistency import consistency_loss, match
from stc.training.losses.masks import dice_loss, predict_masks
from stc.training.losses.predictions import gather
from stc.training.losses.targets import collate, make_grid
from tests.training.losses.batches import MODEL, pair_batch, random_outputs, view

CONFIG = TrainConfig(max_consistency=500)  # every positive


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("reading", ["filters", "embedding"])
def test_squared_distance_to_the_best_positive_of_the_same_object(reading: Any) -> None:
    config = replace(CONFIG, consistency=reading, consistency_partner="best")
    batch = pair_batch(config)
    with torch.no_grad():
        found = gather(random_outputs())
    values = found.params if reading == "filters" else found.embeddings
    assert values is not None
    distances = []
    for i in (batch.identities[0] >= 0).nonzero()[:, 0].tolist():
        partners = (batch.identities[1] == batch.identities[0, i]).nonzero()[:, 0].tolist()
        scores = [
            float(found.logits[1, j, batch.labels[1, j]].sigmoid() * found.centerness[1, j].sigmoid()) for j in partners
        ]
        best = partners[scores.index(max(scores))]
        distances.append(float(((values[0, i] - values[1, best]) ** 2).sum()))
    loss = consistency_loss(found, batch, MODEL, config, _generator())
    assert len(distances) > 4
    assert abs(float(loss) - sum(distances) / len(distances)) < 1e-9  # float64, another order of summation


def test_crossover_makes_masks_in_one_frame_with_the_filters_of_the_other() -> None:
    config = replace(CONFIG, consistency_partner="best")
    batch, found = pair_batch(config), gather(random_outputs())
    grid = make_grid(MODEL, config.range_factor)
    points, sizes = torch.from_numpy(grid.points), torch.from_numpy(grid.sizes)
    halves = []
    for one, two in ((0, 1), (1, 0)):
        pairs = match(found, batch, one, two, config, _generator())
        losses = []
        for i, j in zip(pairs.at_one.tolist(), pairs.at_two.tolist(), strict=True):
            assert batch.identities[one, i] == batch.identities[two, j] >= 0
            place = points[j : j + 1], sizes[j : j + 1]
            mask = predict_masks(found.mask_feats[two], found.params[one, i : i + 1], *place, MODEL)
            target = batch.masks[two][batch.instance[two, j]][None]
            losses.append(dice_loss(mask, target).item())
        halves.append(sum(losses) / len(losses))
    loss = consistency_loss(found, batch, MODEL, config, _generator())
    assert abs(loss.item() - sum(halves) / 2) < 1e-9


def test_random_partners_are_positives_of_the_same_object_and_differ_from_draw_to_draw() -> None:
    batch, found = pair_batch(CONFIG), gather(random_outputs())
    drawn = set()
    for seed in range(5):
        pairs = match(found, batch, 0, 1, replace(CONFIG, max_consistency=3), _generator(seed))
        assert len(pairs.at_one) == 3
        assert (batch.identities[0, pairs.at_one] == batch.identities[1, pairs.at_two]).all()
        drawn.add(tuple(pairs.at_two.tolist()))
    assert len(drawn) > 1


@pytest.mark.parametrize("reading", ["crossover", "filters", "embedding", "none"])
@pytest.mark.parametrize("partner", ["random", "best"])
@pytest.mark.parametrize("others", [[("disc", 30, 30, 16, 2)], []])
def test_no_shared_object_gives_zero_and_a_gradient_of_zero(reading: Any, partner: Any, others: Any) -> None:
    config = replace(CONFIG, consistency=reading, consistency_partner=partner)
    batch = collate([(view([("disc", 30, 30, 16, 1)]), view(others))], MODEL, config)
    raw = random_outputs()
    loss = consistency_loss(gather(raw), batch, MODEL, config, _generator())
    loss.backward()
    assert loss == 0
    assert all(level.grad is not None and (level.grad == 0).all() for level in raw.params)
