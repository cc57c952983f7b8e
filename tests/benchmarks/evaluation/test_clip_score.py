"""Mean J, recall and id switches against cases worked out by hand."""

from __future__ import annotations

import pytest

from stc.annotations.masks import Masks
from stc.benchmarks.evaluation.clip_score import ClipScore, clip_score, overall
from stc.benchmarks.evaluation.overlap import overlap
from tests.benchmarks.evaluation.scenes import Box, rle

A, B = (0, 5, 10, 10), (30, 5, 10, 10)


def masks(boxes: list[Box | None]) -> Masks:
    return tuple(rle(box, (20, 60)) for box in boxes)


def score(objects: list[list[Box | None]], tracks: list[list[Box | None]]) -> ClipScore:
    found = overlap([masks(boxes) for boxes in objects], [masks(boxes) for boxes in tracks], len(objects[0]))
    return clip_score("clip", found)


def test_perfect_masks_score_one() -> None:
    assert score([[A] * 3, [B] * 3], [[B] * 3, [A] * 3]) == ClipScore("clip", 2, 6, 1.0, 1.0, 0)


def test_a_third_of_overlap_counts_for_j_but_is_not_found() -> None:
    """Half of each mask is shared: IoU 1/3. Two thirds shared make exactly 1/2, which is found."""
    assert score([[A] * 2], [[(5, 5, 10, 10)] * 2]) == ClipScore("clip", 1, 2, pytest.approx(1 / 3), 0.0, 0)
    assert score([[(0, 0, 15, 9)]], [[(5, 0, 15, 9)]]).recall == 1.0


def test_a_missing_frame_counts_zero() -> None:
    assert score([[A] * 4], [[A, None, A, A]]).mean_j == pytest.approx(0.75)


def test_only_one_track_counts_per_object_and_the_change_is_a_switch() -> None:
    result = score([[A] * 4], [[A, None, None, None], [None, A, A, A]])
    assert (result.mean_j, result.recall, result.id_switches) == (pytest.approx(0.75), 1.0, 1)


def test_a_gap_is_no_switch_and_a_return_is_one() -> None:
    assert score([[A] * 4], [[None] * 4, [A, None, None, A]]).id_switches == 0
    assert score([[A] * 4], [[A, None, None, A], [None, A, None, None]]).id_switches == 2


def test_one_track_serves_one_object() -> None:
    """A track that covers two objects in turn is assigned to one of them."""
    assert score([[A] * 2, [B] * 2], [[A, B]]).mean_j == pytest.approx(0.25)


def test_frames_without_the_object_are_not_annotated() -> None:
    result = score([[A, None]], [[A, A]])
    assert result.frames == 1
    assert result.mean_j == 1.0  # a false mask elsewhere in time lowers the whole-clip IoU, not J of annotated frames


def test_a_clip_without_tracks_or_objects() -> None:
    assert score([[A] * 2], []) == ClipScore("clip", 1, 2, 0.0, 0.0, 0)
    assert clip_score("clip", overlap([], [masks([A])], 1)) == ClipScore("clip", 0, 0, 0.0, 0.0, 0)


def test_overall_weighs_annotated_frames_equally() -> None:
    assert overall([score([[A]], [[A]]), score([[A] * 3], [])]).mean_j == pytest.approx(0.25)
    assert overall([]).mean_j == 0.0
