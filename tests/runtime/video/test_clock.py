"""Time stamps of a recording: what becomes of missing, repeated, wild and leaping ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stc.runtime.video.timeline import Clock

STEP = 1 / 25
STEADY = [i * STEP for i in range(20)]


def times(stamps: Sequence[float | None], step: float = STEP) -> list[float]:
    clock: Clock[int] = Clock(step)
    placed = [found for i, stamp in enumerate(stamps) for found in clock.place(stamp, i)] + clock.rest()
    assert [frame for _, frame in placed] == list(range(len(stamps))), "each frame once, in order"
    return [time for time, _ in placed]


def steady_but(changed: dict[int, float | None]) -> list[float | None]:
    return [changed.get(i, stamp) for i, stamp in enumerate(STEADY)]


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=30))
def test_any_time_stamps_become_strictly_increasing(stamps: list[float | None]) -> None:
    found = times(stamps)
    assert found[:1] in ([], [0.0])
    assert all(b > a for a, b in pairwise(found))


def test_repeated_and_missing_time_stamps_advance_by_one_frame() -> None:
    assert times((10.0, 10.0, None, 10.2, 13.0), 0.5) == pytest.approx([0, 0.5, 1.0, 1.5, 3.0])


@pytest.mark.parametrize("stray", [37_600.0, 90.0, 3.0, -1.5, -26.5 * 3600])
@pytest.mark.parametrize("places", [(7,), (7, 8), (6, 7, 8, 9), (7, 12), (1,)])
def test_stray_stamps_move_no_other_frame(stray: float, places: tuple[int, ...]) -> None:
    assert times(steady_but(dict.fromkeys(places, stray))) == pytest.approx(STEADY)


@pytest.mark.parametrize("stray", [37_600.0, -37_600.0])
def test_a_stray_first_stamp_moves_no_other_frame(stray: float) -> None:
    assert times(steady_but({0: stray})) == pytest.approx(STEADY)


@pytest.mark.parametrize("leap", [2.0, 7_200.0, 40_000.0])
@pytest.mark.parametrize("at", [2, 10, 17, 19])
def test_a_leap_that_stays_is_real(leap: float, at: int) -> None:
    leaping = [stamp + leap * (i >= at) for i, stamp in enumerate(STEADY)]
    assert times(leaping) == pytest.approx(leaping)


def test_a_leap_back_that_stays_goes_on_from_the_frame_before() -> None:
    assert times(STEADY[:10] + STEADY[:10]) == pytest.approx(STEADY)


def test_stray_stamps_beside_a_real_leap_are_told_apart() -> None:
    leaping = [stamp + 7_200.0 * (i >= 10) for i, stamp in enumerate(STEADY)]
    stamps: list[float] = list(leaping)
    stamps[4], stamps[16] = 99.0, 3.0
    assert times(stamps) == pytest.approx(leaping)


@pytest.mark.parametrize("period", [0.5, 2.0, 3600.0])
def test_frames_that_are_rare_keep_their_times(period: float) -> None:
    assert times([i * period for i in range(12)]) == pytest.approx([i * period for i in range(12)])


def test_few_frames_wait_for_their_times() -> None:
    """Each may be a picture of 25 MB."""
    clock: Clock[int] = Clock(STEP)
    waiting = 0
    for i in range(100):
        waiting += 1 - len(clock.place(i * 3600.0, i))
        assert waiting <= 5
