"""Contenders that take turns."""

from __future__ import annotations

from stc.benchmarks.timing.turns import in_turns


def test_rounds_go_forwards_then_backwards_and_the_warm_up_is_no_sample() -> None:
    seen: list[tuple[str, int]] = []
    told: list[int] = []
    calls = {name: lambda number, name=name: seen.append((name, number)) for name in "abc"}
    samples = in_turns(calls, 3, 2, lambda: told.append(len(seen)))
    assert ["".join(name for name, number in seen if number == turn) for turn in range(-2, 3)] == [
        *("abc", "cba", "abc", "cba", "abc")
    ]
    assert told == [3, 6, 9, 12, 15]
    assert list(samples) == ["a", "b", "c"]
    assert all(taken.shape == (3,) and (taken >= 0).all() for taken in samples.values())
