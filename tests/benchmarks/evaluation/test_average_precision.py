"""AP and AR on cases worked out by hand, against pycocotools on videos of one frame, and against TrackEval's TrackMAP.

On the rebuilt cases youtubevos/cocoapi gives the values that are asserted.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from stc.benchmarks.evaluation.average_precision import AREAS, match
from tests.benchmarks.evaluation import scenes, trackeval_oracle

SIZE = (100, 200)
A, B = (10, 10, 50, 20), (100, 40, 50, 20)
C, D, FAR = (20, 20, 60, 40), (120, 20, 60, 60), (5, 75, 20, 20)


def test_one_missed_overlap(tmp_path: Path) -> None:
    """By hand: the first object at recall 0.5 with precision 1, the second, IoU 0.62, after one false track."""
    truth = scenes.annotations(SIZE, [4], [{"boxes": [A] * 4}, {"boxes": [B] * 4}])
    tracks = [(0.9, A), (0.8, (10, 70, 20, 20)), (0.7, (100, 40, 31, 20))]
    found = scenes.results(SIZE, [{"score": score, "boxes": [box] * 4} for score, box in tracks])
    row = scenes.evaluate(tmp_path, truth, found).mean
    assert row["AP"] == pytest.approx(0.603960, abs=1e-6)
    assert row["AP50"] == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert row["AP75"] == pytest.approx(51 / 101)
    assert (row["AR1"], row["AR10"]) == pytest.approx((0.5, 0.65))


def test_frames_without_a_mask_count_in_the_union(tmp_path: Path) -> None:
    p, q, r = A, (100, 10, 40, 30), (10, 60, 30, 30)
    objects = [
        {"category": 1, "boxes": [p] * 4},
        {"category": 2, "boxes": [q] * 4},
        {"category": 3, "boxes": [r, r, None, None]},
    ]
    tracks = [
        {"category": 1, "score": 0.9, "boxes": [p, p, p, None]},
        {"category": 2, "score": 0.9, "boxes": [q, q, None, None]},
        {"category": 2, "score": 0.8, "boxes": [None, None, q, q]},
        {"category": 3, "score": 0.5, "boxes": [r] * 4},
        {"category": 4, "score": 0.99, "boxes": [r] * 4},  # a class without objects counts nowhere
    ]
    truth = scenes.annotations(SIZE, [4], objects, ("c1", "c2", "c3", "c4"))
    report = scenes.evaluate(tmp_path, truth, scenes.results(SIZE, tracks))
    assert list(report.classes) == ["c1", "c2", "c3"]
    assert [row["AP"] for row in report.classes.values()] == pytest.approx([0.6, 0.1, 0.1])
    assert [report.mean[name] for name in ("AP50", "AP75", "AR1", "AR10")] == pytest.approx([1, 1 / 3, 4 / 15, 4 / 15])


def test_a_crowd_is_ignored_and_ties_keep_their_order(tmp_path: Path) -> None:
    objects = [{"boxes": [C] * 3}, {"boxes": [D] * 3, "crowd": 1}, {"video": 2, "boxes": [C] * 3}]
    tracks = [(1, 0.9, D), (1, 0.5, FAR), (1, 0.5, C), (2, 0.5, C), (2, 0.5, FAR)]
    truth = scenes.annotations(SIZE, [3, 3], objects)
    found = scenes.results(SIZE, [{"video": v, "score": s, "boxes": [box] * 3} for v, s, box in tracks])
    row = scenes.evaluate(tmp_path, truth, found).mean
    assert [row[name] for name in ("AP", "AP50", "AP75", "AR1", "AR10")] == pytest.approx([2 / 3, 2 / 3, 2 / 3, 0.5, 1])


def test_a_crowd_takes_several_tracks(tmp_path: Path) -> None:
    truth = scenes.annotations(SIZE, [2], [{"boxes": [C] * 2}, {"boxes": [D] * 2, "crowd": 1}])
    found = scenes.results(SIZE, [{"score": s, "boxes": [box] * 2} for s, box in ((0.9, D), (0.8, D), (0.7, C))])
    assert scenes.evaluate(tmp_path, truth, found).mean["AP"] == pytest.approx(1)


def test_an_overlap_equal_to_the_threshold_counts() -> None:
    found = match(np.array([[0.5]]), np.ones(1), np.ones(1), np.ones(1), np.zeros(1, bool))
    assert found.matched[0, :, 0].tolist() == [True] + [False] * 9


def test_nothing_found_scores_zero_and_no_object_scores_nothing(tmp_path: Path) -> None:
    truth = scenes.annotations(SIZE, [2], [{"boxes": [A] * 2}], ("c1", "c2"))
    report = scenes.evaluate(tmp_path, truth, [])
    assert (report.mean["AP"], report.mean["AR100"], report.mean["HOTA"]) == (0, 0, 0)
    assert math.isnan(report.mean["APl"])
    assert list(report.classes) == ["c1"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31))
def test_equal_to_pycocotools_on_videos_of_one_frame(seed: int, tmp_path: Path) -> None:
    _, truth, found = scenes.random_scene(seed, length=1)
    if found:  # pycocotools cannot load an empty result
        row = scenes.evaluate(tmp_path, truth, found).mean
        names = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
        ours = [-1 if math.isnan(row[name]) else row[name] for name in names]
        assert ours == pytest.approx(_pycocotools(truth, found), abs=1e-12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), min_area=st.sampled_from([0.0, 1024.0, 128.0**2]))
def test_equal_to_pycocotools_on_pictures_with_crowds(seed: int, min_area: float, tmp_path: Path) -> None:
    _, truth, found = scenes.random_scene(seed, length=1, crowds=True)
    if found:
        row = scenes.evaluate(tmp_path, _as_pictures(truth), found, min_area).mean
        names = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100")
        ours = [-1 if math.isnan(row[name]) else row[name] for name in names]
        assert ours == pytest.approx(_pycocotools(truth, found, min_area)[:9], abs=1e-12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31))
def test_equal_to_trackeval(seed: int, tmp_path: Path) -> None:
    _, truth, found = scenes.random_scene(seed)
    theirs = trackeval_oracle.track_map(tmp_path, truth, found)
    report = scenes.evaluate(tmp_path, truth, found)
    for name, row in report.classes.items():
        for column, value in theirs[name].items():
            assert (-1 if math.isnan(row[column]) else row[column]) == pytest.approx(value, abs=1e-9), (name, column)


def _as_pictures(truth: dict[str, Any]) -> dict[str, Any]:
    """Videos of one frame in COCO form."""
    images = [{"id": v["id"], "height": v["height"], "width": v["width"]} for v in truth["videos"]]
    annotations = [
        {
            **{key: a[key] for key in ("id", "category_id", "iscrowd")},
            **{"image_id": a["video_id"], "segmentation": a["segmentations"][0], "area": a["areas"][0]},
        }
        for a in truth["annotations"]
    ]
    named = [{**image, "file_name": f"{image['id']}.png"} for image in images]
    return {"images": named, "categories": truth["categories"], "annotations": annotations}


def _pycocotools(truth: dict[str, Any], found: list[dict[str, Any]], min_area: float = 0.0) -> list[float]:
    images = COCO()
    images.dataset = _as_pictures(truth)
    images.createIndex()
    # An object without a mask is a result with an empty one.
    size = truth["videos"][0]["height"], truth["videos"][0]["width"]
    empty = {"size": list(size), "counts": scenes.coco.encode(np.zeros(size, np.uint8, order="F"))["counts"]}
    results = [
        {
            "image_id": r["video_id"],
            "category_id": r["category_id"],
            "score": r["score"],
            "segmentation": r["segmentations"][0] or empty,
        }
        for r in found
    ]
    evaluation = COCOeval(images, images.loadRes(results), "segm")
    evaluation.params.areaRng = [[min_area, 1e10], *(list(limits) for limits in list(AREAS.values())[1:])]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [float(value) for value in evaluation.stats]
