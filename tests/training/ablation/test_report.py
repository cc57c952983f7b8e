"""Differences and verdicts, compared with SciPy's; the page and the plot."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import stats

from stc.training.ablation.report import EFFECT, RULE, Difference, T, difference, page, plot
from stc.training.ablation.results import REFERENCE, Result
from stc.training.ablation.variants import STAGES


def test_the_quantiles_are_students() -> None:
    assert [stats.t.ppf(0.975, df) for df in range(1, len(T) + 1)] == pytest.approx(T, abs=6e-4)


@pytest.mark.parametrize("seeds", [2, 10])
def test_the_interval_is_that_of_a_paired_test(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    ours, theirs = rng.normal(0.7, 0.02, (2, seeds))
    found = difference(dict(enumerate(ours)), {**dict(enumerate(theirs)), 99: 0.0})
    assert found is not None and found.seeds == seeds
    low, high = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((low, high), rel=1e-3)


def test_one_seed_says_nothing() -> None:
    assert difference({0: 0.5}, {0: 0.4, 1: 0.4}) is None


@pytest.mark.parametrize(
    ("mean", "half", "verdict"),
    [
        (0.019, 0.0001, "none"),  # however sure
        (-0.019, 0.05, "none"),
        (0.005, 0.01, "none (2 points excluded)"),
        (0.021, 0.02, "better"),
        (-0.03, 0.01, "worse"),
        (0.03, 0.04, "undecided"),
    ],
)
def test_less_than_two_points_is_no_effect(mean: float, half: float, verdict: str) -> None:
    assert EFFECT == 0.02
    assert Difference(mean, half, 10).verdict.startswith(verdict)


def results(shift: float) -> list[Result]:
    found = [Result("embedding", "the checkpoint", REFERENCE, {"gap": 0.9}, {"gap": 40.0})]
    for seed in range(3):
        base = 0.6 + 0.01 * seed
        for number, name in enumerate(STAGES["embedding"]):
            found.append(Result("embedding", name, seed, {"gap": base + shift * number}, {"gap": 40.0}))
    return found


def test_the_page_states_the_rule_and_every_mean_and_difference() -> None:
    text = page(results(0.03))
    assert RULE in text and "What a run at scale would have to show" in text
    assert "| gap (n 40) | 0.900 | 0.610 ± 0.010 | 0.640 ± 0.010 |" in text
    assert "| gap | +3.0 ± 0.0, better | +6.0 ± 0.0, better |" in text
    assert "## Crossover" not in text  # not begun


def test_the_plot_moves_with_the_differences(tmp_path: Path) -> None:
    plot(results(0.03), tmp_path / "a.png")
    plot(results(-0.01), tmp_path / "b.png")
    one, two = (cv2.imread(str(tmp_path / name)) for name in ("a.png", "b.png"))
    assert one.shape[0] == two.shape[0]
    assert one.shape != two.shape or (one != two).any()
