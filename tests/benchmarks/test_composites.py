"""Scenes of real cut-outs: what is pasted is what the truth says, and a model that finds colours finds it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from stc.benchmarks import composites
from stc.benchmarks.evaluation.identity import identity
from stc.benchmarks.trackers import from_score, main, overlap_of
from stc.cli import run
from stc.errors import InputError
from stc.runtime import Session, TrackerConfig
from stc.video_annotations import read_video_annotations
from tests.benchmarks.evaluation import scenes
from tests.runtime import tiny_model

SIZE, LENGTH = (60, 96), 6


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two clips of an object each, of another colour, which is 20 pixels wide and grows from 20 to 30 in height."""
    objects = []
    for video, slot in ((1, 0), (2, 1)):
        (tmp_path / "frames" / f"v{video}").mkdir(parents=True)
        boxes = [(30 + t, 8, 20, 20 + 2 * t) for t in range(LENGTH)]
        for t, (x, y, w, h) in enumerate(boxes):
            picture = tiny_model.frame((slot, (x, y, x + w, y + h)))
            cv2.imwrite(str(tmp_path / "frames" / f"v{video}" / f"{t:05d}.png"), picture)
        objects.append({"video": video, "boxes": boxes})
    truth = scenes.annotations(SIZE, [LENGTH, LENGTH], objects)
    (tmp_path / "annotations.json").write_text(json.dumps(truth))
    tiny_model.write_bundle(tmp_path / "bundle")
    return tmp_path


def read(data: Path) -> list[composites.Clip]:
    return composites.read_clips(read_video_annotations(data / "annotations.json"), data / "frames")


def test_a_clip_is_its_object_cut_out(data: Path) -> None:
    clips = read(data)
    assert [[mask.shape for _, mask in clip.pieces] for clip in clips] == [
        [(20 + 2 * t, 20) for t in range(LENGTH)]
    ] * 2
    for clip, colour in zip(clips, tiny_model.COLOURS, strict=False):
        for picture, mask in clip.pieces:
            assert mask.all() and (picture == colour).all()
        assert not (clip.scenery == colour).all(axis=-1).any()


def test_the_truth_is_what_is_seen_and_ids_can_be_right(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One copy of each, since the tiny model takes all that has one colour for one object."""
    monkeypatch.setattr(composites, "COPIES", 1)
    monkeypatch.setattr(composites, "LENGTH", 60)
    monkeypatch.setattr(composites, "GAPS", 1)
    with Session(data / "bundle", threads=1) as session:
        moments = list(composites.scene(3, read(data), session))
        again = next(composites.scene(3, read(data), session))
    np.testing.assert_array_equal(again.visible, moments[0].visible)
    assert (np.diff([moment.time for moment in moments]) > 0.3).sum() == 1
    assert all((moment.visible.sum(axis=0) <= 1).all() for moment in moments)
    summary = identity(overlap_of(moments, TrackerConfig())).summary()
    assert summary["IDF1"] > 0.8 and summary["IDSW"] == 0  # what is all but hidden has no cell, or no box


def test_what_scores_too_little_is_left_out(data: Path) -> None:
    with Session(data / "bundle", threads=1) as session:
        clips = read(data)
        scene = from_score(lambda seed: composites.scene(seed, clips, session), 0.85)
        scores = np.concatenate([moment.detections.scores for moment, _ in zip(scene(0), range(20), strict=False)])
    assert len(scores) and (scores == np.float32(tiny_model.SCORES[0])).all()


def test_clips_without_objects_are_an_input_error(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.loads((data / "annotations.json").read_text())
    for entry in content["annotations"]:
        entry["segmentations"][0] = entry["areas"][0] = None
    (data / "annotations.json").write_text(json.dumps(content))
    monkeypatch.setattr(composites, "TAKES", 1)
    with pytest.raises(InputError, match="no annotated object"):
        read(data)


def test_the_command_composes(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(composites, "LENGTH", 60)
    options = ["--model", data / "bundle", "--data", data / "annotations.json", "--frames", data / "frames"]
    assert run(main, ["--seeds", "1", *map(str, options)]) == 0
    assert "masktrack" in capsys.readouterr().out
    assert run(main, ["--seeds", "1", *map(str, options[:2])]) == 1
    assert "go together" in capsys.readouterr().err
