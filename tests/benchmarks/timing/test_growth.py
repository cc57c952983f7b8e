"""Leaks that were planted are found, and what is no leak is not called one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import theilslopes

from stc.benchmarks.report.structure import Memory
from stc.benchmarks.report.terminal import memory_sentence
from stc.benchmarks.timing.growth import growth, theil_sen
from stc.benchmarks.timing.scenarios import Turn
from stc.benchmarks.timing.schedule import measure
from tests.benchmarks.timing.test_schedule import Recorded, sessions

KIB, MIB = 2**10, 2**20
FRAMES = 10  # of a round
LEAK = 0.05 * MIB / 1000 * FRAMES  # bytes of a round
Sizes = np.ndarray[Any, np.dtype[np.float64]]


def seen(held: Sizes, noise: float = 0, seed: int = 0) -> list[int]:
    """Whole pages, as the system counts them."""
    sizes = 200 * MIB + held + np.random.default_rng(seed).normal(0, noise, len(held))
    return (np.floor(sizes / 4096) * 4096).astype(int).tolist()


@pytest.mark.parametrize(("rounds", "noise"), [(100, 0), (400, 8 * KIB), (1600, 64 * KIB)])
@pytest.mark.parametrize("warm_up", [0, 50 * MIB])
def test_a_small_leak_is_found_after_any_start_up(rounds: int, noise: float, warm_up: int) -> None:
    """Within a third: noise of 64 KiB over 800 rounds leaves the slope uncertain by about a sixth."""
    t = np.arange(rounds)
    sizes = seen(LEAK * t + warm_up * (1 - np.exp(-t / (rounds / 40))), noise)
    found = Memory.of(sizes, None, FRAMES)
    assert found.growth == pytest.approx(0.05, rel=0.34)
    assert found.growth_below is not None and found.growth_below >= found.growth


def fading(t: Sizes, rounds: int) -> Sizes:
    return 50 * MIB * (1 - np.exp(-t / (rounds / 4)))


def ended(t: Sizes, rounds: int) -> Sizes:
    return np.minimum(t, 0.7 * rounds) * MIB


def steps(t: Sizes, rounds: int) -> Sizes:
    return MIB * ((t > 0.6 * rounds) + (t > 0.8 * rounds) * 1.0)


def still(t: Sizes, rounds: int) -> Sizes:
    return 0.0 * t


def shrinking(t: Sizes, rounds: int) -> Sizes:
    return -LEAK * t


@pytest.mark.parametrize("rounds", [40, 60, 400])
@pytest.mark.parametrize("noise", [0, 8 * KIB, 256 * KIB])
@pytest.mark.parametrize("held", [fading, ended, steps, still, shrinking])
def test_what_is_no_leak_is_not_called_one(held: Callable[[Sizes, int], Sizes], noise: float, rounds: int) -> None:
    found = growth(seen(held(np.arange(rounds, dtype=float), rounds), noise))
    assert found is not None
    assert found.found is None


@pytest.mark.parametrize("rounds", [60, 400])
def test_a_warm_up_that_is_slow_to_end_is_not_called_a_leak(rounds: int) -> None:
    """A logarithm: its last quarter rises 0.71 times as much as the one before."""
    found = growth(seen(2 * MIB * np.log1p(np.arange(rounds)), 4 * KIB))
    assert found is not None
    assert found.found is None


def test_noise_alone_is_seldom_called_growth_and_its_bound_is_true() -> None:
    """Half a percent by the interval, before the quarters are asked."""
    found = [growth(seen(np.zeros(60), 64 * KIB, seed)) for seed in range(400)]
    assert sum(one is not None and one.found is not None for one in found) <= 4
    assert sum(one is not None and one.below < 0 for one in found) == 0


def test_the_slope_is_the_one_of_scipy() -> None:
    values = np.random.default_rng(1).normal(0, 5, 40) + np.arange(40)
    ours, theirs = theil_sen(values), theilslopes(values, alpha=0.99)
    assert ours.value == pytest.approx(theirs[0])
    # scipy rounds the rank of a bound, ours is cut: a rank of 780 apart at most.
    assert (ours.low, ours.high) == pytest.approx((theirs[2], theirs[3]), abs=0.01)


def test_a_single_step_does_not_move_the_slope() -> None:
    sizes = np.arange(40) * 5.0
    assert theil_sen(sizes).value == pytest.approx(5)
    assert theil_sen(sizes + (np.arange(40) > 30) * 50 * MIB).value == pytest.approx(5, abs=1e-6)


def test_a_growth_is_printed_where_found_else_what_it_is_below_or_that_nobody_can_tell() -> None:
    start = "memory of the whole process: at most 300 MiB, "
    assert memory_sentence(Memory(300.0, None, 0.2)) == f"{start}no growth found of 0.20 MiB per 1,000 frames or more"
    assert memory_sentence(Memory(300.0, None, None)) == f"{start}growth not told, which takes 40 rounds on Linux"
    assert "growth +0.05 MiB per 1,000 frames" in str(memory_sentence(Memory(300.0, 0.05, 0.06)))


def test_a_few_rounds_say_nothing() -> None:
    assert growth([1, 2, 3]) is None
    assert Memory.of([1, 2, 3], 5 * MIB, FRAMES) == Memory(5.0, None, None)


def test_what_the_bench_itself_keeps_is_no_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory grows by all that a turn allocates for its frames, as CPython accounts for it, and by nothing else."""
    import tracemalloc

    class Remembers(Recorded):
        def turn(self, *arguments: Any) -> Turn:
            super().turn(*arguments)
            return Turn(tuple({"end_to_end": 1 + i * 1e-9, "engine": 0.5 + i * 1e-9} for i in range(5)), (1,) * 5, 1.0)

    tracemalloc.start()
    monkeypatch.setattr("stc.benchmarks.models.memory.resident", lambda: tracemalloc.get_traced_memory()[0])
    scenario = Remembers(lambda name, number: 1.0)
    scenario.calls = Forgets()
    try:
        measured = measure(sessions(2), [0], scenario, 400)  # type: ignore[arg-type]
    finally:
        tracemalloc.stop()
    kept = np.diff([turn.held for turn in measured.samples[0].turns])
    assert not kept.any()
    per_frame = theil_sen(measured.resident).value / 5
    assert abs(per_frame) < 64, f"{per_frame:.0f} bytes, of {measured.samples[0].turns[0].held / 5:.0f} that are kept"


class Forgets(list[Any]):
    def append(self, _: object) -> None: ...
