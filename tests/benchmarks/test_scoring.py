"""Mean J, recall and id switches against cases worked out by hand and against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest

from stc.benchmarks.scoring import FrameOverlap, overall, overlap, score


def block(x: int, width: int = 10) -> np.ndarray:
    mask = np.zeros((20, 60), bool)
    mask[5:15, x : x + width] = True
    return mask


def frames_of(objects: list[list[np.ndarray]], detections: list[list[tuple[int, np.ndarray]]]) -> list[FrameOverlap]:
    """Per frame: masks of the objects, and (handle, mask) of the detections."""
    empty = np.zeros((0, 20, 60), bool)
    return [
        overlap(
            np.stack(masks),
            np.stack([mask for _, mask in found]) if found else empty,
            np.array([handle for handle, _ in found], np.int64),
        )
        for masks, found in zip(objects, detections, strict=True)
    ]


def test_perfect_masks_score_one() -> None:
    frames = frames_of([[block(0), block(30)]] * 3, [[(4, block(30)), (7, block(0))]] * 3)
    result = score("clip", frames, {4, 7})
    assert (result.mean_j, result.recall, result.id_switches) == (1.0, 1.0, 0)
    assert (result.objects, result.frames) == (2, 6)


def test_a_missing_frame_counts_zero() -> None:
    frames = frames_of([[block(0)]] * 4, [[(1, block(0))], [], [(1, block(0))], [(1, block(0))]])
    assert score("clip", frames, {1}).mean_j == pytest.approx(0.75)


def test_only_one_track_counts_per_object_and_the_change_is_a_switch() -> None:
    frames = frames_of([[block(0)]] * 4, [[(1, block(0))], [(2, block(0))], [(2, block(0))], [(2, block(0))]])
    result = score("clip", frames, {1, 2})
    assert result.mean_j == pytest.approx(0.75)
    assert result.recall == 1.0
    assert result.id_switches == 1


def test_one_track_serves_one_object() -> None:
    """A track that covers two objects in turn is assigned to one of them."""
    frames = frames_of([[block(0), block(30)]] * 2, [[(1, block(0))], [(1, block(30))]])
    assert score("clip", frames, {1}).mean_j == pytest.approx(0.25)


def test_unconfirmed_detections_count_for_recall_only() -> None:
    frames = frames_of([[block(0)]] * 2, [[(1, block(0))]] * 2)
    result = score("clip", frames, set())
    assert (result.mean_j, result.recall) == (0.0, 1.0)


def test_frames_without_the_object_are_not_annotated() -> None:
    gone = np.zeros((20, 60), bool)
    frames = frames_of([[block(0)], [gone]], [[(1, block(0))], [(1, block(0))]])
    result = score("clip", frames, {1})
    assert result.frames == 1
    assert result.mean_j == 1.0  # a false mask elsewhere in time lowers the whole-clip IoU, not J of annotated frames


def test_partial_overlap_equals_counting_pixels() -> None:
    rng = np.random.default_rng(0)
    objects = rng.random((3, 20, 60)) > 0.5
    detections = rng.random((4, 20, 60)) > 0.5
    iou = overlap(objects, detections, np.arange(4)).iou
    for i, a in enumerate(objects):
        for j, b in enumerate(detections):
            assert iou[i, j] == pytest.approx((a & b).sum() / (a | b).sum())


def test_overall_weighs_annotated_frames_equally() -> None:
    one = score("a", frames_of([[block(0)]], [[(1, block(0))]]), {1})
    three = score("b", frames_of([[block(0)]] * 3, [[]] * 3), set())
    assert overall([one, three]).mean_j == pytest.approx(0.25)
    assert overall([]).mean_j == 0.0
