"""The comparison of tracking rules: its scenes, and its numbers against TrackEval's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stc.benchmarks.evaluation.hota import identity
from stc.benchmarks.trackers import drawn_scenes
from stc.benchmarks.trackers.__main__ import COLUMNS, CONFIGS, main, measure, overlap_of
from stc.benchmarks.trackers.drawn_scenes import Moment, scene
from stc.cli import run
from stc.runtime.tracking.config import TrackerConfig
from stc.runtime.tracking.tracker import RULES
from tests.benchmarks.evaluation.trackeval_oracle import identity_of


@pytest.fixture(scope="module")
def moments() -> list[Moment]:
    return list(scene(0))


def test_a_scene_is_the_same_for_the_same_seed(moments: list[Moment]) -> None:
    again, other = list(scene(0)), next(scene(1))
    for a, b in zip(moments, again, strict=True):
        assert a.time == b.time
        np.testing.assert_array_equal(a.detections.embeddings, b.detections.embeddings)
        np.testing.assert_array_equal(a.visible, b.visible)
    assert not np.array_equal(other.visible, moments[0].visible)


def test_a_scene_has_crossings_absences_and_gaps(moments: list[Moment]) -> None:
    areas = np.array([moment.visible.sum(axis=(1, 2)) for moment in moments])
    hidden = areas < 0.3 * areas.max(axis=0)
    back = (hidden[:-1] & ~hidden[1:]).sum()  # objects that are seen again
    assert back >= 5
    steps = np.diff([moment.time for moment in moments])
    assert (steps > 0.3).sum() == drawn_scenes.GAPS and np.isclose(np.median(steps), 1 / drawn_scenes.FPS)
    for moment in moments:
        assert (moment.visible.sum(axis=0) <= 1).all()  # a pixel shows one object
        assert moment.detections.masks is not None and len(moment.detections.masks) == len(moment.detections)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_numbers_are_trackeval_s(name: str, moments: list[Moment]) -> None:
    part = moments[:80]
    video = overlap_of(part, CONFIGS[name])
    summary = identity(video).summary()
    # TrackEval numbers only objects and tracks that appear.
    objects, tracks = video.object_areas > 0, video.track_areas > 0
    g, d = objects.any(axis=0), tracks.any(axis=0)
    theirs = identity_of(video.iou[:, g][:, :, d], objects[:, g], tracks[:, d])
    expected = dict(zip(("HOTA", "DetA", "AssA", "IDF1", "IDSW"), theirs, strict=True))
    assert [summary[column] for column in COLUMNS] == pytest.approx([expected[column] for column in COLUMNS])


def test_overlaps_are_those_of_the_masks(moments: list[Moment]) -> None:
    """Tracks that say what they see: with a detection per visible object, each object is its own track."""
    told = []
    for moment in moments[:30]:
        seen = moment.visible.any(axis=(1, 2)).nonzero()[0]
        found = replace(
            moment.detections,
            boxes=np.zeros((len(seen), 4), np.float32) + [0, 0, 9, 9] + 10 * seen[:, None].astype(np.float32),
            scores=np.linspace(0.9, 0.95, len(seen), dtype=np.float32),
            labels=np.zeros(len(seen), np.int64),
            embeddings=5 * np.eye(64, dtype=np.float32)[seen],
            masks=moment.visible[seen].astype(np.float32),
        )
        told.append(replace(moment, detections=found))
    summary = identity(overlap_of(told, TrackerConfig())).summary()
    assert summary == {"HOTA": 1, "DetA": 1, "AssA": 1, "IDF1": 1, "IDSW": 0}


def test_every_rule_is_compared() -> None:
    assert {config.rule for config in CONFIGS.values()} == set(RULES)


@pytest.mark.slow
def test_the_command_prints_a_row_per_tracker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["--seeds", "2", "--json", str(tmp_path / "t.json")]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == list(COLUMNS) and [row[:18].strip() for row in rows] == list(CONFIGS)
    written = json.loads((tmp_path / "t.json").read_text())
    [again] = measure([1], {"crossvis": CONFIGS["crossvis"]})
    assert written["trackers"]["crossvis"][1] == again.values[0].tolist()


def test_no_scene_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["--seeds", "0"]) == 1
    assert "--seeds 0" in capsys.readouterr().err
