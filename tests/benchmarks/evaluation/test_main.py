"""`stc-eval` as a user runs it, on clips painted so that the right scores are known."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from stc.annotations.file import read_annotations
from stc.benchmarks.evaluation.evaluate import Evaluation
from stc.benchmarks.evaluation.main import main
from stc.benchmarks.evaluation.results import read_results
from stc.cli import run
from stc.runtime import Session, Stream
from stc.runtime.track.main import main as track
from tests.benchmarks.evaluation import scenes
from tests.runtime import tiny_model
from tests.runtime.backends.engine_bundle import Gpus

LENGTH = 10
SIZE = (60, 96)
CLIPS = ("moving", "empty")


def box(t: int) -> scenes.Box:
    return 8 + 2 * t, 8, 32, 32


def corners(t: int) -> tuple[int, int, int, int]:
    x, y, width, height = box(t)
    return x, y, x + width, y + height


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two clips with the same object, a cat; the pictures of the second do not show it."""
    for clip in CLIPS:
        (tmp_path / "frames" / clip).mkdir(parents=True)
        for t in range(LENGTH):
            objects = [(0, corners(t))] if clip == "moving" else []
            cv2.imwrite(str(tmp_path / "frames" / clip / f"{t:05d}.png"), tiny_model.frame(*objects))
    boxes = [box(t) for t in range(LENGTH)]
    objects = [{"video": i, "category": 7, "boxes": boxes} for i in (1, 2)]
    truth = scenes.annotations(SIZE, [LENGTH] * 2, objects, ("dog", "bird"))
    truth["categories"].append({"id": 7, "name": "cat"})  # ids of the file, not the model's order
    for video, clip in zip(truth["videos"], CLIPS, strict=True):
        video["file_names"] = [f"{clip}/{t:05d}.png" for t in range(LENGTH)]
    (tmp_path / "annotations.json").write_text(json.dumps(truth))
    tiny_model.write_bundle(tmp_path / "bundle")
    return tmp_path


def arguments(data: Path, *more: str) -> list[str]:
    return [
        *("--model", str(data / "bundle"), "--data", str(data / "annotations.json")),
        *("--frames", str(data / "frames"), "--json", str(data / "scores.json"), *more),
    ]


def scores(data: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((data / "scores.json").read_text())
    return found


def edit(data: Path, change: Any) -> None:
    content = json.loads((data / "annotations.json").read_text())
    change(content)
    (data / "annotations.json").write_text(json.dumps(content))


def test_scores_of_a_tracked_and_of_a_missed_object(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, arguments(data)) == 0
    moving, empty, everything = scores(data)["clips"]
    # Masks have a stride of 4 pixels: a 32x32 square is off by up to about two pixels on each side.
    assert moving["mean_j"] > 0.7
    assert (moving["recall"], moving["id_switches"]) == (1.0, 0)
    assert (empty["mean_j"], empty["recall"]) == (0.0, 0.0)
    assert (everything["name"], everything["frames"]) == ("all", 2 * LENGTH)
    assert everything["mean_j"] == pytest.approx(moving["mean_j"] / 2)
    (cat,) = scores(data)["classes"].values()
    # One of two objects is found, without a false track: precision 1 up to recall 0.5, at 51 of 101 points.
    assert cat["AP50"] == pytest.approx(51 / 101)
    assert (cat["objects"], cat["tracks"], cat["AR1"] > 0.2, cat["APm"]) == (2, 1, True, None)
    assert cat["IDF1"] == pytest.approx(2 / 3)  # 10 frames right, 10 missed
    printed = capsys.readouterr()
    assert "J 0." in printed.out and "cat" in printed.out and "AP50" in printed.out


def test_a_result_file_of_stc_track_scores_as_the_model_does(data: Path) -> None:
    assert run(main, arguments(data, "--clips", "moving")) == 0
    of_model = scores(data)
    results = data / "results.json"
    assert run(track, [str(data / "frames" / "moving"), "--model", str(data / "bundle"), "--json", str(results)]) == 0
    edit(data, lambda content: content["categories"].__setitem__(0, {"id": 1, "name": "cat"}))
    edit(data, lambda content: content["categories"].__setitem__(2, {"id": 7, "name": "unused"}))
    edit(data, lambda content: [a.__setitem__("category_id", 1) for a in content["annotations"]])
    command = ["--results", str(results), "--data", str(data / "annotations.json"), "--json", str(data / "scores.json")]
    assert run(main, [*command, "--clips", "moving"]) == 0
    assert scores(data) == of_model


def test_the_tracking_rule_can_be_chosen(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = []
    stream = Session.stream

    def watch(self: Session, *args: Any, **options: Any) -> Stream:
        rules.append(self.tracker_config.rule)
        return stream(self, *args, **options)

    monkeypatch.setattr(Session, "stream", watch)
    assert run(main, arguments(data, "--clips", "moving")) == 0
    assert run(main, arguments(data, "--clips", "moving", "--tracker", "crossvis")) == 0
    assert rules == ["default", "crossvis"]


def test_the_device_can_be_chosen(data: Path, engine: Path, gpus: Gpus, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, arguments(data, "--clips", "moving")) == 0
    expected = scores(data)
    on_gpu = [str(engine) if argument == str(data / "bundle") else argument for argument in arguments(data)]
    assert run(main, [*on_gpu, "--clips", "moving", "--device", "cuda"]) == 0
    assert "cudaGraphLaunch" in gpus.cuda.calls and scores(data) == expected
    for wrong, message in ((["--device", "tpu"], "unknown device 'tpu'"), (["--device", "cuda:7"], "no such GPU")):
        assert run(main, [*on_gpu, *wrong]) in {1, 2}
        assert message in capsys.readouterr().err
    assert run(main, ["--results", "r.json", "--data", "d.json", "--device", "cuda"]) == 1
    assert "leave out --device" in capsys.readouterr().err


def test_a_video_takes_the_place_of_pictures(data: Path) -> None:
    """Frame n of the video is the picture named n: the annotated ones are every second here."""
    assert run(main, arguments(data, "--clips", "moving", "--fps", "25")) == 0
    pictures = data / "frames" / "moving"
    with av.open(str(data / "frames" / "moving.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=50)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "bgr0"
        for t in range(2 * LENGTH):
            picture = cv2.imread(str(pictures / f"{t // 2:05d}.png")) if t % 2 == 0 else np.zeros((*SIZE, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    expected = scores(data)
    for t in range(LENGTH):
        (pictures / f"{t:05d}.png").unlink()
    names = [f"moving/{2 * t:05d}.png" for t in range(LENGTH)]
    edit(data, lambda content: content["videos"][0].__setitem__("file_names", names))
    assert run(main, arguments(data, "--clips", "moving")) == 0
    assert scores(data) == expected
    edit(data, lambda content: content["videos"][0]["file_names"].__setitem__(-1, "moving/00099.png"))
    assert run(main, arguments(data, "--clips", "moving")) == 1


def test_everything_missing_is_listed_before_the_model_is_loaded(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "frames" / "moving" / "00003.png").unlink()
    cv2.imwrite(str(data / "frames" / "empty" / "00000.png"), np.zeros((30, 40, 3), np.uint8))
    (data / "bundle" / "model.onnx").unlink()
    assert run(main, arguments(data)) == 1
    error = capsys.readouterr().err
    assert "2 problems" in error
    assert "1 of 10 frames are missing, first moving/00003.png" in error
    assert "40x30 pixels, but the annotations are for 96x60" in error


def test_a_later_frame_of_another_size_is_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(data / "frames" / "empty" / "00007.png"), np.zeros((30, 40, 3), np.uint8))
    assert run(main, arguments(data)) == 1
    assert "00007.png: 40x30 pixels" in capsys.readouterr().err
    assert not (data / "scores.json").exists()


def test_classes_without_a_name_in_common_are_refused(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(data, lambda content: [c.__setitem__("name", f"{c['name']}s") for c in content["categories"]])
    assert run(main, arguments(data)) == 1
    assert "the model knows cat, dog, the annotations dogs, birds, cats: no class in common" in capsys.readouterr().err


def test_a_class_that_the_annotations_lack_is_left_out_and_named(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(data, lambda content: content["categories"].pop(0))
    assert run(main, arguments(data)) == 0
    assert "class dog of the model is not in the annotations" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--clips", "goat"], "there are moving, empty"),
        (["--fps", "0"], "--fps must be a positive number"),
        (["--results", "r.json"], "not allowed with argument"),
    ],
)
def test_wrong_usage_is_one_line(more: list[str], message: str, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, arguments(data, *more)) == 1
    assert message in capsys.readouterr().err


def test_results_have_their_ids(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["--results", "r", "--data", "annotations.json", "--tracker", "idol"]) == 1
    assert "leave out --tracker" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["--model", "m"], ["--results", "r", "--frames", "f"]])
def test_frames_belong_to_a_model(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, [*command, "--data", "annotations.json"]) == 1
    assert "--frames" in capsys.readouterr().err


def test_scores_that_cannot_be_written_are_one_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "scores.json").mkdir()
    assert run(main, arguments(data, "--clips", "moving")) == 1
    assert "scores.json: a folder, and a file is meant" in capsys.readouterr().err


def test_an_interrupt_leaves_nothing_behind(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Stream, "__call__", interrupted)
    monkeypatch.setattr(tempfile, "tempdir", str(data))
    before = sorted(data.iterdir())
    assert run(main, arguments(data)) == 130
    assert sorted(data.iterdir()) == before


def test_memory_does_not_grow_with_the_number_of_videos(tmp_path: Path) -> None:
    """What a video leaves behind is far less than its overlaps, here 150 frames x 10 objects x 20 tracks."""
    boxes: list[scenes.Box | None] = [(t % 30, 3, 20, 20) for t in range(150)]
    truth = scenes.annotations(SIZE, [150], [{"boxes": boxes}] * 10)
    tracks = scenes.results(SIZE, [{"score": 0.5, "boxes": boxes}] * 20)
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    (tmp_path / "results.json").write_text(json.dumps(tracks))
    annotations = read_annotations(tmp_path / "gt.json")
    found = read_results(tmp_path / "results.json", annotations)[1]
    evaluation = Evaluation(annotations)
    evaluation.add(annotations.videos[0], found)
    tracemalloc.start()
    for _ in range(5):
        evaluation.add(annotations.videos[0], found)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 5 * 20_000  # 20 tracks x 4 ranges x 10 thresholds x 2 flags are 1,600 bytes
    assert peak > 150 * 10 * 20 * 8  # the overlaps were there, once


def test_help_loads_no_heavy_package() -> None:
    heavy = "numpy, torch, onnxruntime, cv2, scipy, rich, pycocotools"
    program = (
        "import sys\nfrom stc.benchmarks.evaluation.main import parser\nparser().format_help()\n"
        f"assert not {{name.strip() for name in '{heavy}'.split(',')}} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.fixture
def pictures(data: Path) -> Path:
    """The first frames of the clip as COCO pictures, in turns of `split` train and val."""
    content = json.loads((data / "annotations.json").read_text())
    size = {"height": SIZE[0], "width": SIZE[1]}
    images = [
        {"id": t, "file_name": f"moving/{t:05d}.png", "split": ("train", "val")[t % 2], **size} for t in range(LENGTH)
    ]
    annotations = [
        {"id": t, "image_id": t, "category_id": 7, "segmentation": scenes.rle(box(t), SIZE)} for t in range(LENGTH)
    ]
    whole = {"categories": content["categories"], "images": images, "annotations": annotations}
    (data / "annotations.json").write_text(json.dumps(whole))
    return data


def test_pictures_are_scored_by_split_with_intervals(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, arguments(pictures, "--split", "val", "--intervals")) == 0
    found = scores(pictures)
    assert [clip["frames"] for clip in found["clips"]] == [1] * 5 + [5]
    assert (found["classes"]["cat"]["objects"], found["mean"]["AP50"]) == (5, pytest.approx(1))
    assert found["intervals"]["AP50"] == pytest.approx({"value": 1, "low": 1, "high": 1})
    printed = capsys.readouterr().out
    assert "mean AP50 1.000, 95 % of resampled videos give 1.000 to 1.000" in printed
    assert "moving/" not in printed  # one line for all pictures


def test_a_detection_too_weak_to_start_a_track_counts_in_a_picture(pictures: Path) -> None:
    strict = replace(tiny_model.PASSPORT, tracker={"init_score": 0.95})  # the object has 0.9
    tiny_model.write_bundle(pictures / "bundle", strict)
    assert run(main, arguments(pictures, "--split", "val")) == 0
    assert scores(pictures)["classes"]["cat"]["tracks"] == 5


def test_objects_below_the_least_area_do_not_count(pictures: Path) -> None:
    assert run(main, arguments(pictures, "--min-area", "1025")) == 0
    assert scores(pictures)["mean"]["AP50"] is None  # squares of 32 pixels


def test_nothing_to_score_is_said(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, arguments(pictures, "--split", "test")) == 1
    assert "no annotated object: nothing can be scored" in capsys.readouterr().err
