"""Intervals of AP, against a plain bootstrap that evaluates every resample from its files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from stc.annotations.file import read_annotations
from stc.benchmarks.evaluation import bootstrap
from stc.benchmarks.evaluation.average_precision import ClassMatches, match
from stc.benchmarks.evaluation.evaluate import Evaluation
from stc.benchmarks.evaluation.results import read_results
from stc.benchmarks.timing.intervals import picks
from tests.benchmarks.evaluation import scenes


def of_video(hit: bool) -> ClassMatches:
    """One object, found or missed."""
    iou, score = np.array([[1.0 if hit else 0.0]]), np.array([0.9])
    return match(iou, score, np.ones(1), np.ones(1), np.zeros(1, bool))


def test_without_scatter_there_is_no_interval() -> None:
    found = bootstrap.mean_intervals([{0: of_video(True), 1: of_video(True)}], 2)
    assert all((one.value, one.low, one.high) == (1, 1, 1) for one in found.values())


def test_half_of_the_videos_found_scatters_as_the_binomial_does() -> None:
    """40 videos with one object and one track each, of equal scores: AP is about the squared share of hits."""
    found = bootstrap.mean_intervals([{i: of_video(i % 2 == 0) for i in range(40)}], 40)["AP50"]
    # 95 % of Binomial(40, 1/2) / 40 lie from 0.35 to 0.65; ties keep hits and misses in the order drawn, so precision
    # along the way scatters a little more than the final one.
    assert 0.35**2 - 0.08 < found.low < found.value < found.high < 0.65**2 + 0.25


def test_a_class_that_a_resample_lacks_is_left_out_of_its_mean() -> None:
    always = {0: of_video(True), 1: of_video(True)}
    found = bootstrap.mean_intervals([always, {1: of_video(True)}], 2)
    assert all((one.low, one.high) == pytest.approx((1, 1)) for one in found.values())


@pytest.mark.parametrize("seed", [1, 2])
def test_equal_to_evaluating_every_resample_anew(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 20)
    monkeypatch.setattr(bootstrap, "picks", lambda videos: picks(videos)[:20])
    _, truth, found = scenes.random_scene(seed)
    scenes.evaluate(tmp_path, truth, found)  # writes the files
    read = read_annotations(tmp_path / "gt.json")
    predictions = read_results(tmp_path / "results.json", read)

    def evaluated(numbers: list[int]) -> Evaluation:
        evaluation = Evaluation(read)
        for number in numbers:
            video = read.videos[number]
            evaluation.add(video, predictions.get(video.id, []))
        return evaluation

    values = []
    for pick in picks(len(read.videos))[:20]:
        row = evaluated(pick.tolist()).report().mean
        if row and not math.isnan(row["AP"]):
            values.append((row["AP"], row["AP50"]))
    ours = evaluated(list(range(len(read.videos)))).intervals()
    for column, name in enumerate(("AP", "AP50")):
        low, high = np.percentile([value[column] for value in values], (2.5, 97.5))
        assert ours[name].low == pytest.approx(min(low, ours[name].value), abs=1e-12)
        assert ours[name].high == pytest.approx(max(high, ours[name].value), abs=1e-12)
