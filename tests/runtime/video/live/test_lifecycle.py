"""The states of a live source on a clock that a test turns: when it waits, connects again, and gives up."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stc.errors import InputError
from stc.runtime.video import ReconnectPolicy
from stc.runtime.video.live.lifecycle import GRACE, Lifecycle

POLICY = ReconnectPolicy(
    open_timeout=5, read_timeout=8, stall_after=2, first_delay=0.5, max_delay=4, give_up=math.inf
)  # fmt: skip


def living(policy: ReconnectPolicy = POLICY, jitter: float = 0.0) -> Lifecycle:
    """A source that gave its first frame at 1 s."""
    life = Lifecycle(policy, 0.0, lambda: jitter)
    life.opened(0.5)
    life.frame(1.0)
    return life


def test_a_silent_source_stalls_then_loses_its_connection_and_comes_back() -> None:
    life = Lifecycle(POLICY, 0.0)
    assert life.state == "opening" and life.patience_ends == 5 + GRACE
    life.opened(0.5)
    assert life.state == "opening" and life.patience_ends == 0.5 + 8 + GRACE
    life.frame(1.0)
    assert life.state == "live" and life.patience_ends == 3.0
    assert life.quiet(2.9) is None and life.state == "live"
    assert life.quiet(3.0) is None and life.state == "stalled"
    life.frame(4.0)
    assert life.state == "live"
    assert life.quiet(6.0) is None and life.state == "stalled"
    assert life.quiet(4.0 + 8 + GRACE) == "no frame for 8 s"
    assert life.lost(14.0, "no frame for 8 s") is not None and life.state == "reconnecting"
    life.connecting(14.5)
    assert life.quiet(14.5 + 5 + GRACE) == "no answer for 5 s"
    life.connecting(30.0)
    life.opened(31.0)
    assert life.state == "reconnecting" and life.reconnects == 0, "connected is not yet alive"
    life.frame(31.5)
    assert life.state == "live" and life.reconnects == 1
    life.end()
    assert life.state == "ended"


def test_time_that_the_consumer_takes_is_no_silence() -> None:
    life = living()
    life.ready(100.0)
    assert life.patience_ends == 102.0 and life.quiet(101.0) is None and life.state == "live"


def test_a_first_connection_that_fails_is_not_tried_again_unless_asked_for() -> None:
    life = Lifecycle(POLICY, 0.0)
    assert life.lost(0.1, "Connection refused") is None
    assert life.state == "failed" and life.failure == "Connection refused"

    patient = Lifecycle(ReconnectPolicy(retry_first=True), 0.0)
    assert patient.lost(0.1, "Connection refused") is not None
    patient.connecting(1.0)
    patient.opened(1.5)
    patient.frame(2.0)
    assert patient.state == "live" and patient.reconnects == 0, "the first connection is no reconnection"


def test_a_recording_is_not_connected_again() -> None:
    life = Lifecycle(POLICY, 0.0)
    life.opened(0.5, recording=True)
    life.frame(1.0)
    assert life.lost(2.0, "hung up") is None and life.failure == "hung up"


def delays(life: Lifecycle, count: int, alive: float | None = None) -> list[float]:
    """Delays of `count` losses in a row; each connection between them gives frames for `alive` seconds, or none."""
    now, found = 10.0, []
    for _ in range(count):
        delay = life.lost(now, "lost")
        assert delay is not None
        found.append(delay)
        now += delay
        life.connecting(now)
        if alive is not None:
            life.opened(now)
            life.frame(now)
            now += alive
            life.frame(now)
    return found


def test_delays_double_up_to_the_cap() -> None:
    assert delays(living(), 6) == [0.5, 1, 2, 4, 4, 4]


def test_a_connection_that_held_begins_anew_and_one_that_breaks_at_once_does_not() -> None:
    assert delays(living(), 4, alive=5.0) == [0.5] * 4
    assert delays(living(), 4, alive=0.1) == [0.5, 1, 2, 4]


@given(st.floats(0, 1), st.integers(1, 8))
def test_jitter_shortens_by_up_to_half(jitter: float, count: int) -> None:
    for found, whole in zip(delays(living(jitter=jitter), count), delays(living(), count), strict=True):
        assert whole / 2 <= found <= whole


def test_the_default_jitter_spreads_delays() -> None:
    starts = set()
    for _ in range(20):
        life = Lifecycle(ReconnectPolicy(retry_first=True), 0.0)
        starts.add(life.lost(0.0, "lost"))
    assert len(starts) > 10


def test_it_gives_up_after_its_time_without_a_frame_and_not_before() -> None:
    life = living(ReconnectPolicy(first_delay=1, max_delay=100, give_up=10))
    now, times = 1.0, [1.0]
    while (delay := life.lost(now, "Connection refused")) is not None:
        now += delay
        times.append(now)
        life.connecting(now)
    assert times[-1] == 11.0, "the last attempt is made when the time is up, whatever the delay would have been"
    assert all(b > a for a, b in pairwise(times))
    assert life.state == "failed" and life.failure == "no frame for 10 s; Connection refused"


@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.0, 8.0])
def test_giving_up_cuts_short_a_connection_that_may_be_silent_for_longer(seconds: float) -> None:
    life = living(ReconnectPolicy(read_timeout=10, give_up=seconds))
    assert life.patience_ends == min(3.0, 1.0 + seconds)
    life.quiet(1.0 + seconds - 0.01)
    assert life.quiet(1.0 + seconds - 0.01) is None
    reason = life.quiet(1.0 + seconds)
    assert reason == "still connected" and life.lost(1.0 + seconds, reason) is None
    assert life.state == "failed" and life.failure == f"no frame for {seconds:g} s; still connected"


def test_giving_up_counts_across_connections_and_not_while_the_consumer_is_waited_for() -> None:
    life = living(ReconnectPolicy(give_up=3))
    life.ready(50.0)  # the frame of second 1 was taken only now
    assert life.quiet(52.9) is None and life.lost(51.0, "hung up") == 0.5
    life.connecting(51.5)
    assert life.patience_ends == 51.5 + GRACE, "its reader must start"
    life.opened(52.0)
    assert life.patience_ends == 51.5 + GRACE, "connected is not yet a frame"
    assert life.quiet(53.5) == "still connected" and life.lost(53.5, "still connected") is None
    assert life.failure == "no frame for 3.5 s; still connected"


def test_giving_up_on_a_source_that_never_answers_leaves_time_to_start_the_reader() -> None:
    life = Lifecycle(ReconnectPolicy(give_up=1), 0.0)
    assert life.patience_ends == 1 + GRACE and life.quiet(1 + GRACE) == "no answer"
    assert life.lost(1 + GRACE, "no answer") is None and life.failure == "no frame for 1 s; no answer"


@pytest.mark.parametrize("name", ["open_timeout", "read_timeout", "stall_after", "first_delay", "max_delay", "give_up"])
def test_times_must_be_positive(name: str) -> None:
    for value in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match=rf"{name}=(0|-1|nan): must be above 0 seconds"):
            ReconnectPolicy(**{name: value})
