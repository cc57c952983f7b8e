"""Times and gaps of a live source, from stamps and arrivals that a test makes up."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stc.runtime.video import Gap
from stc.runtime.video.timeline import Timeline


def places(*frames: tuple[float | None, float]) -> tuple[list[float], list[Gap]]:
    """Times, and gaps, of frames given as (stamp, arrival)."""
    timeline = Timeline(25.0)
    found = [timeline.place(stamp, arrival) for stamp, arrival in frames]
    return [time for time, _ in found], [gap for _, gap in found if gap]


def test_stamps_count_and_not_arrivals() -> None:
    times, gaps = places((100.0, 5.0), (100.04, 5.3), (100.08, 5.31), (100.5, 5.32))
    assert times == pytest.approx([0, 0.04, 0.08, 0.5]) and not gaps


def test_a_jump_of_the_stamps_is_a_gap() -> None:
    times, gaps = places((0.0, 0.0), (0.04, 0.04), (3.0, 3.0), (3.04, 3.04))
    assert times == pytest.approx([0, 0.04, 3, 3.04])
    assert gaps == [Gap(0.04, 3.0, "nothing was sent")]


def test_a_delivery_that_was_late_is_no_gap() -> None:
    times, gaps = places((0.0, 0.0), (0.04, 9.0), (0.08, 9.0), (0.12, 9.01))
    assert times == pytest.approx([0, 0.04, 0.08, 0.12]) and not gaps


def test_a_camera_of_one_frame_per_second_has_no_gaps() -> None:
    timeline = Timeline(0.5)
    assert [timeline.place(t, t)[1] for t in (0.0, 2.0, 4.0, 10.0)] == [None] * 4
    assert timeline.place(21.0, 21.0)[1] == Gap(10.0, 21.0, "nothing was sent")


def test_between_connections_the_wall_clock_counts_and_the_gap_is_told_once() -> None:
    timeline = Timeline(25.0)
    assert timeline.place(50.0, 10.0) == (0.0, None)
    timeline.broken("hung up")
    timeline.broken("Connection refused")  # an attempt that failed
    assert timeline.place(7000.0, 14.5) == (4.5, Gap(0.0, 4.5, "hung up"))
    time, gap = timeline.place(7000.04, 14.6)
    assert time == pytest.approx(4.54) and gap is None


def test_a_consumer_that_was_slow_does_not_shorten_a_gap() -> None:
    timeline = Timeline(25.0)
    for index in range(50):
        timeline.place(index / 25, 3 + index / 25)
    last, _ = timeline.place(2.0, 6.5)  # taken from a buffer, 1.5 s late
    timeline.broken("lost")
    assert timeline.place(0.0, 8.0)[0] == pytest.approx(5.0, abs=1e-2), "8 - 3 s on the wall"
    assert last == 2.0


def test_a_short_reconnection_is_a_gap_too() -> None:
    timeline = Timeline(25.0)
    timeline.place(0.0, 1.0)
    timeline.broken("hung up")
    assert timeline.place(0.0, 1.2)[1] == Gap(0.0, pytest.approx(0.2), "hung up")


def test_a_connection_lost_before_the_first_frame_is_no_gap() -> None:
    timeline = Timeline(25.0)
    timeline.broken("Connection refused")
    assert timeline.place(3.0, 60.0) == (0.0, None)


@pytest.mark.parametrize("stamp", [-26000.0, 0.0, 95443.7], ids=["negative", "restarted", "overflowed"])
def test_a_clock_that_leaps_is_bridged_by_the_wall(stamp: float) -> None:
    start = 1000.0
    times, gaps = places((start, 0.0), (start + 0.04, 0.04), (stamp, 0.09), (stamp + 0.04, 0.12))
    assert times == pytest.approx([0, 0.04, 0.09, 0.13]) and not gaps


def test_doubled_stamps_do_not_shift_the_ones_after() -> None:
    times, _ = places((0.0, 0.0), (0.04, 0.04), (0.04, 0.05), (0.0, 0.06), (0.08, 0.08))
    assert times[1] < times[2] < times[3] < times[4] == pytest.approx(0.08)


def test_without_stamps_the_arrivals_count() -> None:
    times, gaps = places((None, 3.0), (None, 3.1), (None, 3.5), (None, 6.0))
    assert times == pytest.approx([0, 0.1, 0.5, 3.0])
    assert [(g.start, g.end) for g in gaps] == [pytest.approx((0.5, 3.0))]


def test_a_first_frame_without_stamp_is_one_period_before_the_next() -> None:
    times, _ = places((None, 5.0), (0.0, 5.001), (0.04, 5.002))
    assert times == pytest.approx([0, 0.04, 0.08])


@given(
    st.lists(
        st.tuples(st.none() | st.floats(-1e6, 1e6), st.floats(0, 100), st.booleans()), max_size=40
    )
)  # fmt: skip
def test_any_stamps_become_strictly_increasing_and_each_gap_lies_between_two_frames(
    frames: list[tuple[float | None, float, bool]],
) -> None:
    timeline, now, times, gaps = Timeline(25.0), 0.0, [], []
    for stamp, wait, broken in frames:
        now += wait
        if broken:
            timeline.broken("lost")
        time, gap = timeline.place(stamp, now)
        times.append(time)
        gaps += [gap] if gap else []
    assert times[:1] in ([], [0.0])
    assert all(b > a for a, b in pairwise(times))
    assert {(g.start, g.end) for g in gaps} <= set(pairwise(times)) and len(gaps) == len(set(gaps))
    assert sum(g.reason == "lost" for g in gaps) == sum(broken for _, _, broken in frames[1:])
