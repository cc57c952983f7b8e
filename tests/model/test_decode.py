"""The decode against the float64 statement of both rules: that of the deployed graph and AdelaiDet's."""

from __future__ import annotations

import pytest
import torch

from stc.model.config import STC_LITE
from stc.model.decode import RawOutputs, decode
from stc.model.network import STC
from tests.model.heads import CONFIG, assert_same, coarse_raw, random_raw
from tests.reference.condinst import decode_adelaidet, decode_design, one_image, rules_of
from tests.seeded import stc_lite_model


@pytest.mark.parametrize("mean", [-14.0, -7.0, -3.0, 6.0])
@pytest.mark.parametrize(("topk", "capacity"), [(1000, 100), (200, 100), (50, 50), (64, 7)])
def test_equal_to_the_stated_rule(mean: float, topk: int, capacity: int) -> None:
    """From no candidate at all to more than fit in every limit."""
    config = CONFIG.with_(pre_nms_topk=topk, max_detections=capacity)
    raw = random_raw(int(mean) + topk, mean=mean)
    found = decode(raw, config)
    for image in range(2):
        assert_same(found, image, decode_design(one_image(raw, image), rules_of(config)))


def test_the_cases_reach_every_limit() -> None:
    """No detection, fewer than K, and exactly K all occur above."""
    counts = [int(decode(random_raw(int(mean) + 1000, mean=mean), CONFIG).count[0]) for mean in (-14.0, -7.0, 6.0)]
    assert counts[0] == 0
    assert 0 < counts[1] < CONFIG.max_detections
    assert counts[2] == CONFIG.max_detections


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mean", [-8.0, -7.0, -4.0])
def test_equal_to_adelaidet_while_all_candidates_fit(seed: int, mean: float) -> None:
    raw = random_raw(seed, mean=mean)
    found = decode(raw, CONFIG)
    for image in range(2):
        assert_same(found, image, decode_adelaidet(one_image(raw, image), rules_of(CONFIG)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("mean", "topk", "capacity"), [(-1.0, 300, 40), (3.0, 300, 20), (0.0, 100, 10)])
def test_equal_to_adelaidet_when_k_survive(seed: int, mean: float, topk: int, capacity: int) -> None:
    """More candidates than pass, over all levels and on one level: equal because K of those that pass survive."""
    config = CONFIG.with_(pre_nms_topk=topk, max_detections=capacity)
    raw = random_raw(seed, mean=mean)
    found = decode(raw, config)
    for image in range(2):
        assert int(found.count[image]) == capacity
        assert_same(found, image, decode_adelaidet(one_image(raw, image), rules_of(config)))


def test_ties_go_to_the_lower_index_and_exactly_k_are_kept() -> None:
    """All scores equal, boxes apart: the first K pairs by level, row, column, class; AdelaiDet keeps all of them."""
    raw = random_raw(0, batch=1)
    for level in range(5):
        raw.logits[level].fill_(0.5)
        raw.centerness[level].fill_(0.25)
        raw.ltrb[level].fill_(0.4)
    config = CONFIG.with_(max_detections=12, pre_nms_topk=1000)
    found = decode(raw, config)
    assert found.labels[0].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert found.locations[0, :, 0].tolist() == [4.0] * 5 + [12.0] * 5 + [20.0] * 2
    assert_same(found, 0, decode_design(one_image(raw, 0), rules_of(config)))
    published = decode_adelaidet(one_image(raw, 0), rules_of(config))
    assert len(published) > 12


@pytest.mark.parametrize("seed", range(8))
def test_ties_among_coarse_scores_and_boxes(seed: int) -> None:
    """Float32, scores of few values and boxes on a lattice: many exact ties of score and of overlap with 3/5."""
    coarse = coarse_raw(seed, mean=-2)
    found = decode(coarse, CONFIG)
    assert found.scores.dtype == torch.float32
    for image in range(2):
        expected = decode_design(one_image(coarse, image), rules_of(CONFIG))
        assert len(set(expected.scores.tolist())) < len(expected)
        assert_same(found, image, expected, tolerance=1e-6)  # scores are float32


def test_the_threshold_is_strict() -> None:
    raw = random_raw(0, batch=1, mean=-50)
    raw.logits[0][0, 2, 3, 4] = 0.0
    raw.centerness[0][0, 0, 3, 4] = 0.0
    at = CONFIG.with_(score_threshold=0.25)
    assert int(decode(raw, at).count[0]) == 0
    assert int(decode(raw, at.with_(score_threshold=0.2499)).count[0]) == 1


def test_nan_predictions_are_no_candidates() -> None:
    raw = random_raw(1, batch=1, mean=-7)
    clean = decode(raw, CONFIG)
    assert int(clean.count[0]) < CONFIG.max_detections
    raw.logits[4][0, :, 0, 1] = torch.nan
    raw.ltrb[4][0, :, 0, 1] = torch.nan
    raw.params[4][0, :, 0, 1] = torch.nan
    found = decode(raw, CONFIG)
    for values in (found.boxes, found.scores, found.params):
        assert values.isfinite().all()


def test_without_tracking_head_there_are_no_embeddings() -> None:
    raw = random_raw(2, embeddings=False)
    assert decode(raw, CONFIG).embeddings is None
    assert_same(decode(raw, CONFIG), 0, decode_design(one_image(raw, 0), rules_of(CONFIG)))


def test_an_image_does_not_depend_on_its_neighbour_in_the_batch() -> None:
    raw = random_raw(3, batch=2)
    second = RawOutputs(
        **{
            name: [level[1:] for level in getattr(raw, name)]
            for name in ("logits", "centerness", "ltrb", "params", "embeddings")
        },
        mask_feats=raw.mask_feats[1:],
    )
    both, alone = decode(raw, CONFIG), decode(second, CONFIG)
    assert torch.equal(both.boxes[1], alone.boxes[0])
    assert torch.equal(both.labels[1], alone.labels[0])


def test_an_input_smaller_than_the_capacity_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than"):
        decode(random_raw(0), CONFIG.with_(max_detections=2000, pre_nms_topk=2000))


@pytest.fixture(scope="module")
def lite() -> STC:
    return stc_lite_model(0)


def test_a_network_in_float64_decodes_as_stated(lite: STC) -> None:
    images = torch.rand(2, 3, 128, 192, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3 - 1.5
    with torch.inference_mode():
        raw = lite.double()(images)
    lite.float()
    found = decode(raw, STC_LITE)
    for image in range(2):
        expected = decode_design(one_image(raw, image), rules_of(STC_LITE))
        assert len(expected) > 10
        assert_same(found, image, expected)
