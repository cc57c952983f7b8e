"""HOTA, IDF1 and id switches on cases worked out by hand, and against TrackEval on random scenes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stc.benchmarks.evaluation.hota import identity
from stc.benchmarks.evaluation.overlap import Overlap
from tests.benchmarks.evaluation import scenes, trackeval_oracle

SIZE = (60, 100)
A, B = (0, 0, 20, 20), (50, 20, 20, 20)


def row(
    tmp_path: Path, objects: list[list[scenes.Box | None]], tracks: list[list[scenes.Box | None]]
) -> dict[str, float]:
    truth = scenes.annotations(SIZE, [len(objects[0])], [{"boxes": boxes} for boxes in objects])
    return scenes.evaluate(tmp_path, truth, scenes.results(SIZE, [{"score": 1, "boxes": t} for t in tracks])).mean


def test_perfect_tracks(tmp_path: Path) -> None:
    values = row(tmp_path, [[A] * 4, [B] * 4], [[B] * 4, [A] * 4])
    assert [values[name] for name in ("HOTA", "DetA", "AssA", "IDF1", "IDSW")] == [1, 1, 1, 1, 0]


def test_a_track_broken_in_two(tmp_path: Path) -> None:
    """Each half shares 2 of 4 frames with its object: AssA is 1/2, and half of the frames have the id."""
    values = row(tmp_path, [[A] * 4], [[A, A, None, None], [None, None, A, A]])
    assert (values["DetA"], values["AssA"]) == (1, pytest.approx(0.5))
    assert values["HOTA"] == pytest.approx(math.sqrt(0.5))
    assert (values["IDF1"], values["IDSW"]) == (0.5, 1)


def test_two_tracks_that_swap_objects(tmp_path: Path) -> None:
    values = row(tmp_path, [[A] * 4, [B] * 4], [[A, A, B, B], [B, B, A, A]])
    assert values["AssA"] == pytest.approx(2 / 6)
    assert (values["IDF1"], values["IDSW"]) == (0.5, 2)


def test_half_an_overlap_counts_up_to_its_threshold(tmp_path: Path) -> None:
    """IoU 0.5 passes 10 of the 19 thresholds 0.05, 0.10, ..., 0.95; at each of them everything is right."""
    values = row(tmp_path, [[A] * 2], [[(0, 0, 20, 10)] * 2])
    assert values["HOTA"] == pytest.approx(10 / 19)
    assert values["IDF1"] == 1


def test_a_false_track_costs_precision(tmp_path: Path) -> None:
    values = row(tmp_path, [[A] * 2], [[A] * 2, [B] * 2])
    assert (values["DetA"], values["IDF1"]) == (0.5, pytest.approx(2 / 3))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_equal_to_trackeval_on_any_overlaps(seed: int) -> None:
    """Overlaps that no picture may have: every object meets every track."""
    rng = np.random.default_rng(seed)
    frames, g, d = rng.integers(1, 8), rng.integers(1, 6), rng.integers(1, 6)
    objects, tracks = rng.random((frames, g)) < 0.8, rng.random((frames, d)) < 0.8
    objects[0], tracks[0] = True, True  # TrackEval numbers only ids that appear
    iou = rng.random((frames, g, d)) * objects[:, :, None] * tracks[:, None]
    areas = objects.astype(np.int64), tracks.astype(np.int64)
    video = Overlap(iou, np.zeros_like(iou, np.int64), *areas, np.zeros(iou.shape[1], bool))
    expected = trackeval_oracle.identity_of(iou, objects, tracks)
    assert list(identity(video).summary().values()) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31))
def test_equal_to_trackeval(seed: int, tmp_path: Path) -> None:
    _, truth, found = scenes.random_scene(seed, crowds=True)
    theirs = trackeval_oracle.identity(tmp_path, truth, found)
    for name, values in scenes.evaluate(tmp_path, truth, found).classes.items():
        for column, value in theirs[name].items():
            assert values[column] == pytest.approx(value, abs=1e-12), (name, column)
