"""Timing takes turns and reports medians; the clock here is a list."""

from __future__ import annotations

import pytest

from stc.benchmarks.timing import turns
from stc.export.proof.verification import WARM_UP, Speed, measure


def test_runs_take_turns_and_the_median_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now, order = [0.0], []

    def run(name: str, seconds: list[float]) -> None:
        order.append(name)
        now[0] += seconds.pop(0)

    monkeypatch.setattr(turns, "perf_counter", lambda: now[0])
    ours = [9.0] * WARM_UP + [0.002, 0.004, 5.0]
    theirs = [9.0] * WARM_UP + [0.008, 0.001, 0.006]
    found = measure(lambda: run("int8", ours), lambda: run("fp32", theirs), rounds=3)
    assert WARM_UP == 2
    assert order == ["int8", "fp32", "fp32", "int8"] * 2 + ["int8", "fp32"]  # forwards, then backwards
    assert (found.ms, found.fp32_ms) == (pytest.approx(4.0), pytest.approx(6.0))
    assert found.ratio == pytest.approx(1.5)
    assert "1.50 times as fast" in str(Speed(4.0, 6.0, 3))
