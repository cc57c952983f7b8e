"""Every named decode rule against its own float64 statement."""

from __future__ import annotations

import numpy as np
import pytest

from stc.model.config import STC_LITE_2, ModelConfig
from stc.model.decode import RawOutputs, decode
from stc.model.decode_rules import DECODE_RULES, DecodeRule, decode_rule, with_decode_rule
from tests.model.heads import CONFIG, assert_same, coarse_raw, random_raw
from tests.reference.condinst import (
    Detections,
    Raw,
    Rules,
    decode_adelaidet,
    decode_deployed,
    decode_mmdet3,
    decode_mmdet_pr,
    one_image,
    rules_of,
)

SIZE = (90, 150)  # of a 96x160 padded input: the last row and column of cells lie partly in the padding
PUBLISHED = {"adelaidet": decode_adelaidet, "mmdet3": decode_mmdet3, "mmdet-pr": decode_mmdet_pr}


def config_of(rule: DecodeRule, **changes: object) -> ModelConfig:
    return with_decode_rule(CONFIG.with_(input_size=SIZE), rule).with_(**changes)


def with_empty_boxes(raw: RawOutputs) -> RawOutputs:
    """Every third cell has a box of no width: relu makes them."""
    for level in raw.ltrb:
        level[:, 0].flatten(1)[:, ::3] = 0
        level[:, 2].flatten(1)[:, ::3] = 0
    return raw


@pytest.mark.parametrize("rule", DECODE_RULES)
@pytest.mark.parametrize("mean", [-14.0, -6.0, -3.0, 2.0])
@pytest.mark.parametrize(("topk", "capacity"), [(1000, 100), (150, 100), (60, 10), (30, 30)])
def test_equal_to_its_deployed_statement(rule: DecodeRule, mean: float, topk: int, capacity: int) -> None:
    """From no candidate to more than fit; levels of 240, 60, 15, 6 and 2 locations with 5 classes are cut or not."""
    config = config_of(rule, pre_nms_topk=topk, max_detections=capacity)
    raw = with_empty_boxes(random_raw(int(mean) + topk, mean=mean))
    found = decode(raw, config)
    for image in range(2):
        assert_same(found, image, decode_deployed(rule, one_image(raw, image), rules_of(config)))


@pytest.mark.parametrize("rule", DECODE_RULES)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("mean", "topk", "capacity"), [(-8.0, 1000, 100), (-1.0, 300, 40), (2.0, 200, 10)])
def test_equal_to_the_published_rule(rule: DecodeRule, seed: int, mean: float, topk: int, capacity: int) -> None:
    """While all candidates fit, or K of those that compete survive."""
    config = config_of(rule, pre_nms_topk=topk, max_detections=capacity)
    raw = random_raw(seed, mean=mean)
    found = decode(raw, config)
    for image in range(2):
        assert_same(found, image, PUBLISHED[rule](one_image(raw, image), rules_of(config)))
        assert int(found.count[image]) == capacity or mean < -5


def test_the_rules_differ_on_the_same_outputs() -> None:
    """So that none of them passes for another."""
    raw = with_empty_boxes(random_raw(0, mean=-5))
    one = one_image(raw, 0)
    stated = {
        rule: decode_deployed(rule, one, rules_of(config_of(rule, pre_nms_topk=60, max_detections=50)))
        for rule in DECODE_RULES
    }
    for rule in DECODE_RULES:
        for other in DECODE_RULES:
            same = np.array_equal(stated[rule].boxes, stated[other].boxes)
            assert same == (rule == other), (rule, other)


@pytest.mark.parametrize("rule", ["mmdet3", "mmdet-pr"])
def test_the_class_probability_alone_passes_the_threshold(rule: DecodeRule) -> None:
    """Class probability 0.5, centerness 0.01: mmdetection shows it with score 0.005, AdelaiDet does not."""
    raw = random_raw(0, batch=1, mean=-50)
    raw.logits[0][0, 2, 3, 4] = 0.0
    raw.centerness[0][0, 0, 3, 4] = -np.log(99.0)
    assert int(decode(raw, config_of("adelaidet")).count[0]) == 0
    found = decode(raw, config_of(rule))
    assert int(found.count[0]) == 1
    assert float(found.scores[0, 0]) == pytest.approx(0.005, abs=1e-9)
    assert int(decode(raw, config_of(rule, score_threshold=0.5)).count[0]) == 0  # strict


@pytest.mark.parametrize("rule", ["mmdet3", "mmdet-pr"])
def test_boxes_are_clipped_to_the_input_and_not_to_its_padding(rule: DecodeRule) -> None:
    raw = random_raw(1, mean=2, reach=6)
    found = decode(raw, config_of(rule))
    boxes = found.boxes[0, : int(found.count[0])]
    assert boxes.min() == 0
    assert (boxes[:, 2].max(), boxes[:, 3].max()) == (150, 90)


def test_ties_go_to_the_lower_index() -> None:
    """Float32 and coarse values: many exact ties of score and of class probability, on levels that are cut."""
    coarse = coarse_raw(3, mean=-1)
    for rule in DECODE_RULES:
        config = config_of(rule, pre_nms_topk=100, max_detections=60)
        found = decode(coarse, config)
        expected = decode_deployed(rule, one_image(coarse, 0), rules_of(config))
        assert len(set(expected.scores.tolist())) < len(expected)
        assert_same(found, 0, expected, tolerance=1e-6)  # scores are float32


def test_a_config_knows_its_rule() -> None:
    for rule in DECODE_RULES:
        assert decode_rule(config_of(rule)) == rule
        assert decode_rule(config_of(rule, score_threshold=0.3, nms_threshold=0.4, max_detections=7)) == rule
    assert decode_rule(CONFIG) == "adelaidet"
    assert decode_rule(CONFIG.with_(clip_boxes=True)) == "custom"


def test_the_published_statements_on_a_picture_that_is_worked_out_by_hand() -> None:
    """One level of 1x4 cells at stride 8, two classes: what each rule shows, cell by cell."""
    logit = np.vectorize(lambda p: np.log(p / (1 - p)))
    probability = np.array([[0.9, 0.2, 0.06, 0.04], [0.3, 0.01, 0.01, 0.01]]).reshape(2, 1, 4)
    centerness = np.array([0.5, 0.5, 0.1, 0.9]).reshape(1, 1, 4)
    ltrb = np.full((4, 1, 4), 0.25)  # boxes of 4 pixels that do not touch, at x = 4, 12, 20, 28
    ltrb[[0, 2], 0, 1] = 0
    raw = Raw([logit(probability)], [logit(centerness)], [ltrb], [np.zeros((169, 1, 4))], [], np.zeros((8, 1, 4)))
    rules = Rules(strides=(8,), sizes_of_interest=(64,), input_size=(5, 21))

    def shown(found: Detections) -> list[tuple[float, float, int]]:
        return [
            (round(float(score), 6), float(x), int(label))
            for score, x, label in zip(found.scores, found.locations[:, 0], found.labels, strict=True)
        ]

    # Quality 0.45, 0.15 (class 1), 0.1, 0.006, 0.036; cell 2's box (width 0) and cell 3's (right of 21) differ below.
    root = [(round(float(np.sqrt(q)), 6), x, k) for q, x, k in ((0.45, 4.0, 0), (0.15, 4.0, 1), (0.1, 12.0, 0))]
    assert shown(decode_adelaidet(raw, rules)) == root
    pr = [(0.45, 4.0, 0), (0.15, 4.0, 1), (0.1, 12.0, 0), (0.006, 20.0, 0)]
    assert shown(decode_mmdet_pr(raw, rules)) == pr
    assert shown(decode_mmdet3(raw, rules)) == [pr[0], pr[1], pr[3]]  # without the empty box
    assert decode_mmdet3(raw, rules).boxes[2].tolist() == [18, 2, 21, 5]
    # Two per level: of 3.x the pairs of highest class probability, of the PR the locations of highest quality.
    narrow = Rules(strides=(8,), sizes_of_interest=(64,), input_size=(5, 21), pre_nms_topk=2)
    assert shown(decode_mmdet3(raw, narrow)) == [pr[0], pr[1]]
    assert shown(decode_mmdet_pr(raw, narrow)) == pr[:3]


@pytest.mark.parametrize("field", ["score_form", "level_topk", "p6_from"])
def test_a_word_that_is_no_choice_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field}: must be one of .*; got 'other'"):
        CONFIG.with_(**{field: "other"})


def test_frames_are_resized_as_the_published_configurations_do() -> None:
    """detectron2's transform is Pillow's; mmdetection's is OpenCV's unless a configuration says `backend="pillow"`, as
    that of 3.x's CondInst does: with the other one none of its detections is found."""
    found = {rule: config_of(rule).resize for rule in DECODE_RULES}
    assert found == {"adelaidet": "pil-bilinear", "mmdet3": "pil-bilinear", "mmdet-pr": "linear"}


@pytest.mark.parametrize("rule", DECODE_RULES)
def test_every_rule_fits_finer_mask_features_too(rule: DecodeRule) -> None:
    """Mask features at stride 4: the pull request leaves masks there, the others have them there anyway."""
    config = with_decode_rule(STC_LITE_2, rule)
    assert config.mask_out_stride == config.mask_feats_stride == 4
    assert decode_rule(config) == rule
