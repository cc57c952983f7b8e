"""Ids of two runs, against hand-made cases and a search over all renamings."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stc.benchmarks.agreement.ids import FrameIds, compare_ids
from stc.runtime.tracking.bank import NO_TRACK

pairs = st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), max_size=4)
frames = st.lists(st.tuples(pairs, st.integers(0, 2), st.integers(0, 2)), max_size=6)


def frame(*shared: tuple[int, int], lost: int = 0, extra: int = 0) -> FrameIds:
    """`lost` and `extra`: unmatched detections with a track of the reference, of the candidate."""
    expected = sum(a != NO_TRACK for a, _ in shared) + lost
    found = sum(b != NO_TRACK for _, b in shared) + extra
    return FrameIds(tuple(shared), expected, found)


def test_renamed_tracks_are_the_same_tracks() -> None:
    ids = compare_ids([frame((1, 7), (2, 8)), frame((1, 7), (2, 8))])
    assert (ids.equal, ids.switches, ids.idf1) == (1.0, 0, 1.0)


def test_a_switch_is_counted_once_and_halves_a_track() -> None:
    ids = compare_ids([frame((1, 7)), frame((1, 7)), frame((1, 8)), frame((1, 8))])
    assert (ids.equal, ids.switches, ids.idf1) == (0.5, 1, 0.5)


def test_swapped_ids_are_two_switches() -> None:
    ids = compare_ids([frame((1, 1), (2, 2))] * 3 + [frame((1, 2), (2, 1))])
    assert ids.switches == 2
    assert ids.equal == ids.idf1 == 0.75


def test_missed_and_extra_detections_lower_idf1_only() -> None:
    ids = compare_ids([frame((1, 1), lost=1), frame((1, 1), extra=1)])
    assert ids.equal == 1.0
    assert ids.idf1 == pytest.approx(2 * 2 / 6)


def test_a_lost_track_that_comes_back_under_its_id_is_no_switch() -> None:
    assert compare_ids([frame((1, 1)), frame((1, NO_TRACK)), frame((1, 1))]).switches == 0


def test_nothing_agrees_with_nothing() -> None:
    ids = compare_ids([])
    assert (ids.equal, ids.switches, ids.idf1) == (1.0, 0, 1.0)


@settings(deadline=None)
@given(frames)
def test_idf1_is_the_best_over_all_one_to_one_assignments(drawn: list[tuple[list[tuple[int, int]], int, int]]) -> None:
    given_frames = [frame(*shared, lost=lost, extra=extra) for shared, lost, extra in drawn]
    total = sum(f.expected + f.found for f in given_frames)
    shared = [pair for f in given_frames for pair in f.pairs]
    best = max(sum(order[a] == b for a, b in shared if a >= 0 and b >= 0) for order in permutations(range(4)))
    expected = 2 * best / total if total else 1.0
    assert compare_ids(given_frames).idf1 == pytest.approx(expected)
