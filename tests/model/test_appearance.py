"""The appearance of an object: the mean of C3 under its own mask."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stc.model.appearance import appearance_dim, mean_under_mask
from stc.model.config import STC_LITE, STC_LITE_2, ModelConfig
from stc.model.mask_head import dynamic_mask_head
from stc.model.network import STCDeploy
from tests.seeded import stc_lite_model

CELLS = (9, 14)  # of C3


def drawn(config: ModelConfig, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """C3, mask features, params, locations and sizes of two pictures with five instances each, float64."""
    g = torch.Generator().manual_seed(seed)
    finer = 8 // config.mask_feats_stride

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=g, dtype=torch.float64)

    locations = torch.rand((2, 5, 2), generator=g, dtype=torch.float64) * 8 * torch.tensor(CELLS[::-1])
    feats = normal(2, 8, CELLS[0] * finer, CELLS[1] * finer)
    return normal(2, 40, *CELLS), feats, normal(2, 5, 169), locations, torch.full((2, 5), 64.0, dtype=torch.float64)


@pytest.mark.parametrize("config", [STC_LITE, STC_LITE_2], ids=["mask features at stride 8", "at stride 4"])
def test_it_is_the_mean_of_c3_weighted_by_the_square_of_the_masks_probability(config: ModelConfig) -> None:
    """Against sums over cells, one by one, of the op's own probabilities on C3's grid."""
    c3, feats, params, locations, sizes = drawn(config)
    found = mean_under_mask(c3, feats, params, locations, sizes, config)
    finer = 8 // config.mask_feats_stride
    coarse = feats.reshape(2, 8, CELLS[0], finer, CELLS[1], finer).mean(dim=(3, 5))
    count = torch.tensor([5, 5], dtype=torch.int32)
    masks = dynamic_mask_head(coarse, params, locations, sizes, count, stride=8, upsample=1).numpy()
    for image, instance in np.ndindex(2, 5):
        total, weight = np.zeros(40), 0.0
        for cell in np.ndindex(*CELLS):
            w = masks[image, instance][cell] ** 2
            total += w * c3[image, :, cell[0], cell[1]].numpy()
            weight += w
        np.testing.assert_allclose(found[image, instance], total / weight, rtol=1e-9, atol=1e-12)


def test_it_lies_within_what_c3_has_and_of_a_constant_c3_is_that_constant() -> None:
    c3, *head = drawn(STC_LITE_2, seed=1)
    found = mean_under_mask(c3, *head, STC_LITE_2)
    assert (found >= c3.amin(dim=(2, 3))[:, None]).all()
    assert (found <= c3.amax(dim=(2, 3))[:, None]).all()
    constant = torch.arange(40, dtype=torch.float64)[None, :, None, None].expand(c3.shape)
    np.testing.assert_allclose(
        mean_under_mask(constant, *head, STC_LITE_2), constant[:, None, :, 0, 0].expand(2, 5, 40)
    )


def test_half_precision_sums_in_float32() -> None:
    """Rounded inputs, unrounded sums: a cosine above 0.999 with the float64 mean of the unrounded ones."""
    c3, feats, *head = drawn(STC_LITE_2, seed=2)
    exact = mean_under_mask(c3, feats, *head, STC_LITE_2)
    found = mean_under_mask(c3.half(), feats.half(), head[0].half(), head[1].float(), head[2].float(), STC_LITE_2)
    assert found.dtype == torch.float32
    assert torch.cosine_similarity(found.double(), exact, dim=2).min() > 0.999


def test_a_model_gives_it_where_its_config_asks_and_rows_beyond_the_count_are_zero() -> None:
    """Whatever else it gives does not depend on it."""
    model = stc_lite_model(0)
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8))
    model.config = model.config.with_(input_size=(64, 96), score_threshold=0.1, max_detections=20)
    with torch.inference_mode():
        without = STCDeploy(model)(frames)
        model.config = model.config.with_(appearance=True)
        outputs = STCDeploy(model)(frames)
    appearance = outputs.pop("appearance")
    assert appearance.shape == (2, 20, appearance_dim(model.config))
    assert appearance.dtype == torch.float32
    assert without.keys() == outputs.keys()
    assert all(torch.equal(without[name], outputs[name]) for name in without)
    for rows, count in zip(appearance, outputs["num_detections"].tolist(), strict=True):
        assert bool(rows[:count].any(dim=1).all())
        assert not rows[count:].any()
    assert appearance_dim(STC_LITE) == 0
