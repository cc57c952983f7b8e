"""Result files: what stc-track and other tools write is read; malformed ones are refused with every problem."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stc.annotations.file import read_annotations
from stc.annotations.videos import VideoAnnotations
from stc.benchmarks.evaluation.main import main
from stc.benchmarks.evaluation.results import Prediction, read_results
from stc.cli import run
from stc.errors import InputError
from tests.benchmarks.evaluation import scenes
from tests.run_lengths import compressed, wrapping

SIZE = (60, 96)
BOXES: list[scenes.Box | None] = [(8, 8, 20, 10), None, (10, 8, 20, 12)]


@pytest.fixture
def annotations(tmp_path: Path) -> VideoAnnotations:
    (tmp_path / "gt.json").write_text(json.dumps(scenes.annotations(SIZE, [3, 3], [{"boxes": BOXES}])))
    return read_annotations(tmp_path / "gt.json")


def found() -> list[dict[str, Any]]:
    return scenes.results(SIZE, [{"score": s, "boxes": BOXES, "video": v} for s, v in ((0.5, 2), (1, 1), (0.25, 2))])


def read(tmp_path: Path, content: Any, annotations: VideoAnnotations) -> dict[int, list[Prediction]]:
    (tmp_path / "r.json").write_text(json.dumps(content))
    return read_results(tmp_path / "r.json", annotations)


def test_tracks_keep_the_order_of_the_file(tmp_path: Path, annotations: VideoAnnotations) -> None:
    tracks = read(tmp_path, found(), annotations)
    assert {video: [track.score for track in here] for video, here in tracks.items()} == {1: [1.0], 2: [0.5, 0.25]}
    assert tracks[1][0].area == 220  # mean of 200 and 240


def test_empty_masks_and_uncompressed_ones_are_read(tmp_path: Path, annotations: VideoAnnotations) -> None:
    content = found()
    content[0]["segmentations"] = [scenes.uncompressed(mask) for mask in content[0]["segmentations"]]
    content[0]["segmentations"][1] = {"size": list(SIZE), "counts": [SIZE[0] * SIZE[1]]}
    assert [mask is None for mask in read(tmp_path, content, annotations)[2][0].masks] == [False, True, False]


DAMAGES: list[tuple[Callable[[list[Any]], Any], str]] = [
    (lambda r: r.append("x"), "[3]: not an object: 'x'"),
    (lambda r: r[0].update(video_id=7), "[0]: video_id 7 is none of the annotations' videos"),
    (lambda r: r[0].pop("video_id"), "[0]: video_id None"),
    (lambda r: r[0].update(category_id=0), "[0]: category_id 0 is none of the annotations' categories"),
    (lambda r: r[1].update(score="high"), "[1]: `score` must be a number; got 'high'"),
    (lambda r: r[1].update(score=float("nan")), "[1]: `score` must be a number; got nan"),
    (lambda r: r[1].update(score=True), "[1]: `score` must be a number; got True"),
    (
        lambda r: r[1].update(segmentations=[None]),
        "[1]: `segmentations` must hold one per frame of the video, 3; got 1",
    ),
    (lambda r: r[1]["segmentations"][2].update(counts="zz"), "[1], frame 2: `counts` is no compressed RLE: 'zz'"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES, ids=[message for _, message in DAMAGES])
def test_what_is_wrong_is_said_with_its_place(
    damage: Callable[[list[Any]], Any], message: str, tmp_path: Path, annotations: VideoAnnotations
) -> None:
    content = found()
    damage(content)
    with pytest.raises(InputError) as error:
        read(tmp_path, content, annotations)
    assert message in str(error.value)


def test_every_problem_is_listed_at_once_by_the_command(
    tmp_path: Path, annotations: VideoAnnotations, capsys: pytest.CaptureFixture[str]
) -> None:
    content = found()
    for damage, _ in DAMAGES[:2]:
        damage(content)
    (tmp_path / "r.json").write_text(json.dumps(content))
    assert run(main, ["--data", str(tmp_path / "gt.json"), "--results", str(tmp_path / "r.json")]) == 1
    error = capsys.readouterr().err
    assert "2 problems" in error and "[3]" in error and "video_id 7" in error


JUNK = (
    None,
    True,
    -1,
    0,
    3,
    1.5,
    float("nan"),
    2**70,
    "",
    "x",
    "\u20ac",
    [],
    [[]],
    [None],
    {},
    {"counts": "x"},
    [1] * 6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), target=st.sampled_from(["gt.json", "r.json"]))
def test_no_value_anywhere_gives_a_traceback(data: st.DataObject, target: str, tmp_path: Path) -> None:
    """Any other exception than a typed error would leave `run`."""
    item = {"boxes": BOXES, "occlusion": ["no_occlusion", None, "severe_occlusion"]}
    files: dict[str, Any] = {"gt.json": scenes.annotations(SIZE, [3, 3], [item]), "r.json": found()}
    place = files[target]
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not place[key] or not isinstance(place[key], (dict, list)) or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(st.sampled_from(JUNK))
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    command = ["--data", str(tmp_path / "gt.json"), "--results", str(tmp_path / "r.json")]
    assert run(main, [*command, "--json", str(tmp_path / "scores.json")]) in (0, 1)


@pytest.mark.parametrize("content", [{}, {"annotations": []}, 3])
def test_what_is_no_result_file_is_refused(content: Any, tmp_path: Path, annotations: VideoAnnotations) -> None:
    with pytest.raises(InputError, match="not a list of results; make one with: stc-track"):
        read(tmp_path, content, annotations)


def test_results_of_clips_that_were_not_chosen_are_left_out(tmp_path: Path, annotations: VideoAnnotations) -> None:
    (tmp_path / "r.json").write_text(json.dumps(found()))
    command = ["--data", str(tmp_path / "gt.json"), "--results", str(tmp_path / "r.json"), "--clips", "v1"]
    assert run(main, [*command, "--json", str(tmp_path / "scores.json")]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert (scores["mean"]["tracks"], scores["mean"]["AP"]) == (1, pytest.approx(1))


def pictures(tmp_path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Two COCO pictures with an object each, and results that name them as COCO does."""
    size = {"height": SIZE[0], "width": SIZE[1]}
    truth = {
        "categories": [{"id": 1, "name": "cat"}],
        "images": [{"id": id, "file_name": f"{id}.png", **size} for id in (4, 9)],
        "annotations": [
            {"id": id, "image_id": id, "category_id": 1, "segmentation": scenes.rle((8, 8, 20, 10), SIZE)}
            for id in (4, 9)
        ],
    }
    found = [
        {"image_id": id, "category_id": 1, "score": 0.9, "segmentation": scenes.rle((8, 8, 20, height), SIZE)}
        for id, height in ((4, 10), (9, 20))
    ]
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    return truth, found


def test_coco_results_are_read_for_coco_pictures(tmp_path: Path) -> None:
    _, found = pictures(tmp_path)
    tracks = read(tmp_path, found, read_annotations(tmp_path / "gt.json"))
    assert {id: [track.area for track in here] for id, here in tracks.items()} == {4: [200.0], 9: [400.0]}
    (tmp_path / "r.json").write_text(json.dumps(found))
    command = ["--data", str(tmp_path / "gt.json"), "--results", str(tmp_path / "r.json")]
    assert run(main, [*command, "--json", str(tmp_path / "scores.json")]) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    # IoU 1 and 0.5: at 0.5 both count, above it the first of two.
    assert scores["mean"]["AP50"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 5}, "[0]: image_id 5 is none of the annotations' pictures"),
        ({"segmentation": None, "segmentations": [None, None]}, "one per frame of the video, 1; got 2"),
        ({"score": 10**400}, "[0]: `score` must be a number; got 1000"),
        ({"segmentation": 7}, "[0]: neither polygons nor an RLE"),
    ],
)
def test_what_is_wrong_with_coco_results_is_said(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    _, found = pictures(tmp_path)
    found[0].update(change)
    with pytest.raises(InputError) as error:
        read(tmp_path, found, read_annotations(tmp_path / "gt.json"))
    assert message in str(error.value)


def test_boxes_without_masks_are_not_scored(tmp_path: Path) -> None:
    _, found = pictures(tmp_path)
    found = [{"bbox": [1, 2, 3, 4], **{k: v for k, v in entry.items() if k != "segmentation"}} for entry in found]
    with pytest.raises(InputError, match="2 problems") as error:
        read(tmp_path, found, read_annotations(tmp_path / "gt.json"))
    assert "[1]: no `segmentation`: boxes alone are not scored" in str(error.value)


def test_coco_results_for_videos_are_named_for_what_they_are(tmp_path: Path, annotations: VideoAnnotations) -> None:
    _, found = pictures(tmp_path)
    with pytest.raises(
        InputError, match=r"COCO results \(`image_id`\) for annotations of videos; give the annotations"
    ):
        read(tmp_path, found, annotations)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["gt.json", "r.json"])
@pytest.mark.parametrize("size", [(10, 10), (400, 400)])
def test_no_run_length_encoding_keeps_the_command_busy_for_ever(
    file: str, size: tuple[int, int], tmp_path: Path
) -> None:
    """In a child process: what spins in C ends with no signal but SIGKILL."""
    item = {"boxes": [(0, 0, size[1], size[0])]}
    files: dict[str, Any] = {
        "gt.json": scenes.annotations(size, [1], [item]),
        "r.json": scenes.results(size, [{"score": 1, **item}]),
    }
    entry = (files["gt.json"]["annotations"] if file == "gt.json" else files["r.json"])[0]
    entry["segmentations"] = [{"size": list(size), "counts": compressed(wrapping(size[0] * size[1]))}]
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    command = [sys.executable, "-m", "stc.benchmarks.evaluation.main"]
    done = subprocess.run(
        [*command, "--data", str(tmp_path / "gt.json"), "--results", str(tmp_path / "r.json")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"{file}: " in done.stderr and "an RLE " in done.stderr


def _many_categories(truth: dict[str, Any], found: list[dict[str, Any]]) -> None:
    truth["categories"] = [{"id": i, "name": f"c{i}"} for i in range(1, 60_001)]


def _many_polygons(truth: dict[str, Any], found: list[dict[str, Any]]) -> None:
    farthest = [-1000, -1000, 1000, -1000, 1000, 1000]
    found[0]["segmentations"][0] = [farthest] * 3000
    truth["annotations"][0]["segmentations"][0] = [farthest] * 3000


def _many_classes_in_one_video(truth: dict[str, Any], found: list[dict[str, Any]]) -> None:
    _many_categories(truth, found)
    mask = found[0]["segmentations"][0]
    found[:] = [
        {"video_id": 2, "category_id": i, "score": 0.5, "segmentations": [mask, None, None]} for i in range(1, 3001)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("craft", [_many_categories, _many_polygons, _many_classes_in_one_video])
def test_the_work_grows_with_the_file_and_no_faster(
    craft: Callable[[dict[str, Any], list[dict[str, Any]]], None], tmp_path: Path
) -> None:
    """Files of about a megabyte that took minutes where a step went through all the others again."""
    truth = scenes.annotations(SIZE, [3, 3], [{"boxes": BOXES}])
    results = found()
    craft(truth, results)
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    (tmp_path / "r.json").write_text(json.dumps(results))
    command = [sys.executable, "-m", "stc.benchmarks.evaluation.main", "--data", str(tmp_path / "gt.json")]
    done = subprocess.run(
        [*command, "--results", str(tmp_path / "r.json")], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
