"""What a checkpoint's decode rule means for thresholds that act on shown scores."""

from __future__ import annotations

import pytest

from stc.benchmarks.agreement.matching import thresholds
from stc.model.checkpoint import Checkpoint
from stc.model.checkpoint.passport import passport_of
from stc.model.config import STC_LITE
from stc.model.decode_rules import DECODE_RULES, DecodeRule, with_decode_rule
from stc.model.network import STC
from stc.runtime.bundle.passport import Passport
from stc.runtime.tracking.config import TrackerConfig


def passport(rule: DecodeRule) -> Passport:
    config = with_decode_rule(STC_LITE, rule)
    return passport_of(Checkpoint(STC(config), config, "stc", "0" * 64, {}), "c.pth", "c")


def test_adelaidets_scores_are_roots_and_none_is_below_the_threshold() -> None:
    found = passport("adelaidet")
    assert found.score_threshold == pytest.approx(0.05**0.5)
    assert thresholds(found, 0.0).score == found.score_threshold
    assert (found.tracker["init_score"], found.tracker["instant_score"]) == (0.5, 0.7)
    assert (found.mask_stride, found.checkpoint["decode_rule"]) == (4, "adelaidet")


@pytest.mark.parametrize(("rule", "stride"), [("mmdet3", 4), ("mmdet-pr", 8)])
def test_mmdetections_scores_are_products_of_any_size(rule: DecodeRule, stride: int) -> None:
    """Class probability above 0.05, times a centerness below 1: the threshold decides about scores up to 0.05."""
    found = passport(rule)
    assert found.score_threshold == 0
    assert thresholds(found, 0.0).score == 0.05
    # The tracker's thresholds are meant for roots.
    assert found.tracker["init_score"] == 0.25
    assert found.tracker["instant_score"] == pytest.approx(0.49)
    assert (found.mask_stride, found.checkpoint["decode_rule"]) == (stride, rule)


def test_masks_inside_each_other_are_looked_at_in_models_trained_here_alone() -> None:
    config = STC_LITE
    ours = passport_of(Checkpoint(STC(config), config, "stc", "0" * 64, {}), "c.pth", "c")
    assert ours.tracker["duplicate_containment"] == TrackerConfig().duplicate_containment < 1
    assert {passport(rule).tracker["duplicate_containment"] for rule in DECODE_RULES} == {1.0}


def test_a_passport_from_before_decode_rules_has_one_threshold() -> None:
    found = passport("adelaidet")
    old = Passport(**{**found.__dict__, "threshold_bound": None})
    assert thresholds(old, 0.0).score == old.score_threshold
