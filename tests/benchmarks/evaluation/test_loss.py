"""Against ground truth: what rounding moves passes, what a user would see fails, planted one by one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stc.annotations.file import read_annotations
from stc.benchmarks.evaluation.evaluate import Evaluation
from stc.benchmarks.evaluation.loss import BUDGET, Score, compare
from stc.benchmarks.evaluation.results import read_results
from tests.benchmarks.evaluation import scenes

SIZE, FRAMES, CELL = (240, 320), 8, 4
Tracks = list[dict[str, Any]]
Fault = Callable[[Tracks], Tracks]


def objects() -> Tracks:
    """Two clips of three objects, of which one is of the second class."""
    return [
        {
            "video": video,
            "category": 1 + (n == 2),
            "boxes": [(10 + 90 * n + t, 20 + 40 * n, 60, 80) for t in range(FRAMES)],
        }
        for video in (1, 2)
        for n in range(3)
    ]


def found() -> Tracks:
    """Each a pixel too narrow, as float32 would have it."""
    return [
        item | {"score": 0.9 - 0.1 * number, "boxes": [(x, y, w - 1, h) for x, y, w, h in item["boxes"]]}
        for number, item in enumerate(objects())
    ]


def rounded(tracks: Tracks) -> Tracks:
    """Rims that move both ways, by a row in every fourth frame: J by 0.0003."""
    return [
        t
        | {
            "score": t["score"] + 0.01,
            "boxes": [(x, y + (i % 8 == 0), w, h) for i, (x, y, w, h) in enumerate(t["boxes"])],
        }
        for t in tracks[:1]
    ] + tracks[1:]


def shifted(tracks: Tracks) -> Tracks:
    return [t | {"boxes": [(x - CELL, y, w, h) for x, y, w, h in t["boxes"]]} for t in tracks]


def without_a_class(tracks: Tracks) -> Tracks:
    return [t for t in tracks if t["category"] == 1]


def other_classes(tracks: Tracks) -> Tracks:
    return [t | {"category": 3 - t["category"]} for t in tracks]


def shuffled_ids(tracks: Tracks) -> Tracks:
    """The objects of a clip change their ids from frame to frame; class and score stay with the id."""
    return [
        t | {"boxes": [tracks[i - i % 3 + (i + frame) % 3]["boxes"][frame] for frame in range(FRAMES)]}
        for i, t in enumerate(tracks)
    ]


def score(folder: Path, tracks: Tracks) -> Score:
    truth, results = folder / "truth.json", folder / "results.json"
    truth.write_text(json.dumps(scenes.annotations(SIZE, [FRAMES] * 2, objects(), ("cat", "dog"))))
    results.write_text(json.dumps(scenes.results(SIZE, tracks)))
    annotations = read_annotations(truth)
    predictions, evaluation = read_results(results, annotations), Evaluation(annotations)
    for video in annotations.videos:
        evaluation.add(video, predictions.get(video.id, []))
    return Score.of(evaluation)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    from stc.benchmarks.evaluation import bootstrap, loss
    from stc.benchmarks.timing.intervals import picks

    monkeypatch.setattr(bootstrap, "RESAMPLES", 100)
    for module in (bootstrap, loss):
        monkeypatch.setattr(module, "picks", lambda videos: picks(videos)[:100])


def test_what_rounding_does_passes_and_a_better_model_too(tmp_path: Path) -> None:
    float32 = score(tmp_path, found())
    judged = compare("here", float32, score(tmp_path, rounded(found())))
    assert judged.verdict == "pass", judged.failures
    assert 0 < judged.losses[0].loss.value < BUDGET  # seen, and allowed
    exact = [item | {"score": 0.9} for item in objects()]
    better = compare("here", float32, score(tmp_path, exact))
    assert better.verdict == "pass"
    assert better.losses[0].loss.high < 0


@pytest.mark.parametrize(
    ("fault", "measure"),
    [(shifted, "J"), (without_a_class, "recall"), (other_classes, "AP"), (shuffled_ids, "cover changes")],
)
def test_a_planted_fault_is_missed_by_its_measure(fault: Fault, measure: str, tmp_path: Path) -> None:
    judged = compare("here", score(tmp_path, found()), score(tmp_path, fault(found())))
    assert judged.verdict == "fail"
    assert any(f"ground truth: {measure} " in text for text in judged.failures), judged.failures


def test_clips_that_are_hard_for_both_do_not_widen_the_interval(tmp_path: Path) -> None:
    """One clip is missed by both, the other is found by both with the same loss: the difference of a resample is from
    0 (the missed clip alone) to the loss in the found clip, whatever the scores themselves are."""
    half = found()[:3]
    judged = compare("here", score(tmp_path, half), score(tmp_path, shifted(half)))
    j = next(loss for loss in judged.losses if loss.measure == "J")
    assert j.loss.low == 0
    assert j.loss.high == pytest.approx(2 * j.loss.value)
    assert j.float32 < 0.51
