"""The network, not only free predictions, brings every term of the loss to its minimum on one pair of frames."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from stc.model.network import STC
from stc.model.preprocess import normalise
from stc.training.config import TrainConfig
from stc.training.losses import Losses, compute_losses
from tests.training.batches import MODEL, pair_batch

STEPS = 120
CLOSE = 0.02  # of a minimum; at the start the terms are 0.3 (cosine) to 6 (contrast) above theirs


@pytest.mark.slow
def test_one_pair_of_frames_is_learnt_until_every_loss_is_at_its_minimum() -> None:
    config = TrainConfig(max_masks=64, max_consistency=16)  # nearly all positives in every step
    torch.manual_seed(0)
    model = STC(MODEL.with_(track_dim=16)).train()  # random weights: the backbone's norms have to learn theirs
    batch = pair_batch(config, model.config)
    images = normalise(batch.frames, model.config)
    optimiser = torch.optim.Adam(model.parameters())

    def losses(step: int) -> Losses:
        return compute_losses(model(images), batch, model.config, config, torch.Generator().manual_seed(step))

    for step in range(STEPS):
        optimiser.param_groups[0]["lr"] = 2e-3 * min(1.0, (step + 1) / 20) * (1 - step / STEPS)
        optimiser.zero_grad()
        losses(step).total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimiser.step()
    with torch.no_grad():
        reached = losses(STEPS)
    # Cross entropy with soft targets cannot fall below their entropy; everything else can reach 0.
    target = batch.centerness[batch.instance >= 0]
    entropy = -(target.xlogy(target) + (1 - target).xlogy(1 - target)).mean()
    for term in [f.name for f in fields(Losses) if f.name not in {"total", "positives"}]:
        minimum = float(entropy) if term == "centerness" else 0.0
        value = float(getattr(reached, term))
        assert minimum - 1e-5 <= value < minimum + CLOSE, (term, value)
