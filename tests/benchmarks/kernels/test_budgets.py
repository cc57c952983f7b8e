"""What is promised of kernels is held against the worst of three runs."""

from __future__ import annotations

from itertools import chain, repeat

import pytest

from stc.benchmarks.kernels import __main__ as kernels
from stc.benchmarks.kernels.__main__ import RUNS, SAMPLES, TURNS, Budget, compare


def test_a_budget_is_held_against_the_worst_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that is planted: ours takes 1, 1 and 4 ms in the three runs, the baseline 8 in all."""
    monkeypatch.setattr(kernels, "WARM_UP", 0.0)
    now = [0.0]
    of_runs = chain.from_iterable(repeat(ms, TURNS * SAMPLES) for ms in (1, 1, 4))

    def ours() -> None:
        now[0] += next(of_runs) * 1e-3

    def baseline() -> None:
        now[0] += 8e-3

    (row,) = compare("resize", "1080p", ours, {"other": baseline}, lambda: now[0], Budget(ratio=3))
    assert row.ours_ms == pytest.approx(1) and row.ratio == pytest.approx(8)
    assert (row.worst_ratio, row.worst_ms) == pytest.approx((2, 4))
    assert row.verdict == "worst run 2.00x: at least 3x missed" and RUNS == 3


def test_a_budget_says_whether_it_holds() -> None:
    assert Budget(ratio=0.5).verdict(0.5, 9.0) == "worst run 0.50x: at least 0.5x holds"
    assert Budget(ms=0.3).verdict(0.1, 0.2).endswith("at most 0.3 ms holds")
    assert Budget(ms=0.3).verdict(9.0, 0.31).endswith("at most 0.3 ms missed")
