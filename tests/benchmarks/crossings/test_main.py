"""The command, from annotated clips and pictures to a folder that stc-eval scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stc.annotations.file import read_annotations
from stc.benchmarks.crossings import scene
from stc.benchmarks.crossings.main import main
from stc.benchmarks.evaluation.evaluate import Evaluation
from stc.benchmarks.evaluation.results import Prediction
from stc.cli import run
from tests.benchmarks.evaluation import scenes

SIZE = (60, 96)
CATEGORIES = [{"id": 2, "name": "cat"}, {"id": 5, "name": "dog"}]
BOXES: tuple[scenes.Box, ...] = ((10, 10, 30, 30), (50, 20, 30, 30))


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene, "LENGTH", 8)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A clip of two frames with a cat; pictures with a dog and a cat, with none, and with a dog of another split."""
    rng = np.random.default_rng(0)
    for name in ("clip/0.png", "clip/1.png", "two.png", "none.png", "other.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8))
    size = {"height": SIZE[0], "width": SIZE[1]}
    video = {"id": 1, "file_names": ["clip/0.png", "clip/1.png"], **size}
    track = {"id": 1, "video_id": 1, "category_id": 2, "segmentations": [scenes.rle(BOXES[0], SIZE)] * 2}
    write(tmp_path / "clips.json", videos=[video], annotations=[track])
    images = [
        {"id": i, "file_name": f"{name}.png", "split": split, **size}
        for i, (name, split) in enumerate([("two", "val"), ("none", "val"), ("other", "train")])
    ]
    objects = [
        {"id": i, "image_id": image, "category_id": category, "segmentation": scenes.rle(box, SIZE)}
        for i, (image, category, box) in enumerate([(0, 2, BOXES[0]), (0, 5, BOXES[1]), (2, 5, BOXES[0])])
    ]
    write(tmp_path / "pictures.json", images=images, annotations=objects)
    return tmp_path


def write(path: Path, **content: Any) -> None:
    path.write_text(json.dumps({"categories": CATEGORIES, **content}))


def command(data: Path, *more: str) -> list[str]:
    sources = ("--data", str(data / "clips.json"), "--frames", str(data))
    pictures = ("--data", str(data / "pictures.json"), "--frames", str(data))
    return [*sources, *pictures, "--split", "val", "-o", str(data / "out"), *more]


def test_scenes_are_annotated_clips_and_perfect_tracks_score_perfectly(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(main, command(data, "--scenes", "2", "--clips", "clip")) == 0
    read = read_annotations(data / "out/annotations.json")
    assert [video.name for video in read.videos] == ["scene-000", "scene-001"]
    assert all((data / "out" / file).is_file() for video in read.videos for file in video.files)
    # Three usable objects: the clip's cat, and those of the one picture in the split.
    assert [sorted(track.category for track in video.tracks) for video in read.videos] == [[2, 2, 5]] * 2
    crossings = json.loads((data / "out/annotations.json").read_text())["info"]["crossings"]
    assert 2 <= crossings <= 6
    assert f"2 scenes, 6 objects, {crossings} crossings" in capsys.readouterr().out
    evaluation = Evaluation(read)
    for video in read.videos:
        evaluation.add(video, [Prediction(track.category, 1.0, track.masks) for track in video.tracks])
    mean, clips = evaluation.report().mean, evaluation.report().clips
    assert (mean["AP"], mean["IDF1"], mean["IDSW"]) == pytest.approx((1, 1, 0))
    assert clips[-1].id_switches == 0


def test_equal_seeds_make_equal_scenes(data: Path) -> None:
    assert run(main, command(data, "--scenes", "1", "--seed", "4")) == 0
    (data / "out").rename(data / "first")
    assert run(main, command(data, "--scenes", "1", "--seed", "4")) == 0
    for file in sorted((data / "first").rglob("*.*")):
        assert file.read_bytes() == (data / "out" / file.relative_to(data / "first")).read_bytes()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--frames", "more"], "2 --data but 3 --frames"),
        (["--scenes", "0"], "--scenes must be 1 or more"),
        (["--clips", "clap"], "no clips named clap"),
        (["--split", "train"], "2 objects large enough to cut out and 0 pictures without objects"),
    ],
)
def test_wrong_usage_is_one_line_and_leaves_nothing(
    more: list[str], message: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(data.rglob("*"))
    assert run(main, command(data, *more)) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert sorted(data.rglob("*")) == before


def test_a_folder_is_not_overwritten(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "out").mkdir()
    assert run(main, command(data)) == 1
    assert "exists; remove it" in capsys.readouterr().err


def test_an_interrupt_leaves_nothing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(scene, "crossed", interrupted)
    before = sorted(data.rglob("*"))
    assert run(main, command(data, "--scenes", "1")) != 0
    assert sorted(data.rglob("*")) == before
