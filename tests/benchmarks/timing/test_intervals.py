"""Intervals that hold what they promise, on samples whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from stc.benchmarks.timing.intervals import (
    CONFIDENCE,
    Percentiles,
    agree,
    figures,
    interval,
    percentile,
    picks,
    ratio,
    variation,
)

TURNS, FRAMES = 20, 10


def turns(seed: int, scale: float = 1.0, drift: np.ndarray | None = None) -> list[np.ndarray]:
    """20 turns of 10 log-normal times; every turn has a slowness of its own, and `drift` (20,) multiplies it."""
    rng = np.random.default_rng(seed)
    slow = np.exp(rng.normal(0, 0.02, TURNS)) * (1 if drift is None else drift)
    return [scale * slow[i] * np.exp(rng.normal(0, 0.05, FRAMES)) for i in range(TURNS)]


def test_two_samples_of_one_distribution_have_a_ratio_of_one() -> None:
    """A 99 % interval; of 200 seeded trials at least 95 % hold the truth: a bootstrap of 20 clusters is narrow."""
    held = sum(1.0 in ratio(turns(2 * seed), turns(2 * seed + 1)) for seed in range(200))
    assert held >= 190


def test_a_real_difference_is_seen() -> None:
    found = ratio(turns(1, scale=1.2), turns(2))
    assert found.low > 1.1
    assert found.high < 1.3
    assert found.value == pytest.approx(1.2, rel=0.05)


def test_drift_that_hits_both_cancels() -> None:
    """The machine gets 50 % slower during the run; both models took their turns side by side."""
    drift = np.linspace(1, 1.5, TURNS)
    found = ratio(turns(1, drift=drift), turns(2, drift=drift))
    assert 1.0 in found
    assert found.high - found.low < 0.1


def test_a_ratio_needs_the_same_turns() -> None:
    with pytest.raises(ValueError, match="20 turns beside 19"):
        ratio(turns(1), turns(2)[:-1])


def test_the_interval_of_a_median_holds_it() -> None:
    held = sum(1.0 in percentile(turns(seed), 50) for seed in range(100))
    assert held >= 88  # 95 % nominal; the truth is the median of the distribution, exp(0)


@pytest.mark.parametrize("q", [0, 50, 90, 99, 100])
def test_intervals_are_those_of_joined_resamples(q: float) -> None:
    """Turns of different lengths, with equal samples among them."""
    rng = np.random.default_rng(5)
    uneven = [np.round(rng.normal(10, 1, size), 1) for size in (3, 10, 1, 7, 10, 2)]
    draws = [np.percentile(np.concatenate([uneven[i] for i in pick]), q) for pick in picks(len(uneven))]
    joined = interval(float(np.percentile(np.concatenate(uneven), q)), np.array(draws), CONFIDENCE)
    found = percentile(uneven, q)
    assert (found.value, found.low, found.high) == pytest.approx((joined.value, joined.low, joined.high), rel=1e-12)


def test_an_interval_is_wider_when_turns_differ() -> None:
    """Resampling frames instead of turns would not see it."""
    even = [np.linspace(0.9, 1.1, FRAMES)] * TURNS
    uneven = [np.full(FRAMES, 0.9)] * (TURNS // 2) + [np.full(FRAMES, 1.1)] * (TURNS // 2)
    width = [found.high - found.low for found in (percentile(even, 50), percentile(uneven, 50))]
    assert width[1] > 3 * width[0]


def test_the_same_samples_give_the_same_interval() -> None:
    assert percentile(turns(3), 99) == percentile(turns(3), 99)


def test_percentiles_against_sorted_samples() -> None:
    values = Percentiles.of(np.arange(1, 102) / 1e3)
    assert (values.p50_ms, values.p90_ms, values.p99_ms) == pytest.approx((51, 91, 100))
    assert (values.mean_ms, values.max_ms) == pytest.approx((51, 101))


@pytest.mark.parametrize(
    ("medians", "expected"),
    [
        ([1.0, 1.0], False),
        ([1.0, 1.04, 1.02], True),
        ([1.0, 1.06, 1.0], False),
        ([2.0, 1.0, 1.0, 1.0], True),
        ([1.0, 1.0, 1.0, 1.1], False),
    ],
)
def test_three_windows_in_a_row_must_agree(medians: list[float], expected: bool) -> None:
    assert agree(medians) is expected


def test_variation_is_standard_deviation_over_mean() -> None:
    assert variation(np.array([1.0, 3.0])) == pytest.approx(np.sqrt(2) / 2)
    assert variation(np.array([1.0])) == 0


@pytest.mark.parametrize("exponent", range(-2, 9))
def test_figures_are_three_digits_and_never_an_exponent(exponent: int) -> None:
    """Within half a unit of the third digit, or of the third decimal; thousands are whole."""
    for lead in (1.0, 1.23456, 4.995, 9.9949, 9.996):
        for value in (lead * 10.0**exponent, -lead * 10.0**exponent):
            shown = figures(value)
            assert "e" not in shown
            assert abs(float(shown.replace(",", "")) - value) <= 0.5001 * max(1e-3, abs(value) / 100)
            assert len(shown.lstrip("-0.").replace(".", "").replace(",", "")) <= max(3, exponent + 2)
