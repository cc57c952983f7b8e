"""`python -m stc.benchmarks.accuracy` on clips painted so that the right score is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco

from stc.benchmarks.accuracy import main
from stc.benchmarks.annotations import decode_mask, read_clips
from stc.cli import run
from stc.errors import InputError
from tests.runtime import tiny_model

LENGTH = 10


def box(t: int) -> tuple[int, int, int, int]:
    return 8 + 2 * t, 8, 40 + 2 * t, 40


def segmentation(t: int, form: str) -> Any:
    mask = np.zeros((60, 96), np.uint8, order="F")
    x1, y1, x2, y2 = box(t)
    mask[y1:y2, x1:x2] = 1
    if form == "polygon":
        return [[x1, y1, x2, y1, x2, y2, x1, y2]]
    encoded = coco.encode(mask)
    if form == "compressed":
        return {"size": [60, 96], "counts": encoded["counts"].decode()}
    flat = mask.flatten(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    return {"size": [60, 96], "counts": np.diff([0, *edges, flat.size]).tolist()}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for clip in ("moving", "empty"):
        (tmp_path / "frames" / clip).mkdir(parents=True)
        for t in range(LENGTH):
            objects = [(0, box(t))] if clip == "moving" else []
            cv2.imwrite(str(tmp_path / "frames" / clip / f"{t:05d}.png"), tiny_model.frame(*objects))
    annotations = {
        "videos": [
            {"id": i, "height": 60, "width": 96, "file_names": [f"{clip}/{t:05d}.png" for t in range(LENGTH)]}
            for i, clip in ((1, "moving"), (2, "empty"))
        ],
        "annotations": [
            {"id": i, "video_id": i, "segmentations": [segmentation(t, "compressed") for t in range(LENGTH)]}
            for i in (1, 2)
        ],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(annotations))
    tiny_model.write_bundle(tmp_path / "bundle")
    return tmp_path


def arguments(data: Path, *more: str) -> list[str]:
    return [
        *("--model", str(data / "bundle"), "--data", str(data / "annotations.json")),
        *("--frames", str(data / "frames"), "--json", str(data / "scores.json"), *more),
    ]


def test_scores_of_a_tracked_and_of_a_missed_object(data: Path) -> None:
    assert run(main, arguments(data)) == 0
    moving, empty, everything = json.loads((data / "scores.json").read_text())
    # Masks have a stride of 4 pixels: a 32x32 square is off by up to about two pixels on each side.
    assert moving["mean_j"] > 0.7
    assert (moving["recall"], moving["id_switches"]) == (1.0, 0)
    assert (empty["mean_j"], empty["recall"]) == (0.0, 0.0)
    assert everything["frames"] == 2 * LENGTH
    assert everything["mean_j"] == pytest.approx(moving["mean_j"] / 2)


def test_clips_can_be_chosen(data: Path) -> None:
    assert run(main, arguments(data, "--clips", "moving")) == 0
    assert [score["name"] for score in json.loads((data / "scores.json").read_text())] == ["moving", "all"]


def test_an_unknown_clip_is_refused_with_the_known_ones(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, arguments(data, "--clips", "goat")) == 1
    assert "moving, empty" in capsys.readouterr().err


def test_a_missing_frame_is_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "frames" / "moving" / "00003.png").unlink()
    assert run(main, arguments(data)) == 1
    assert "00003.png" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["compressed", "uncompressed", "polygon"])
def test_every_published_mask_form_is_read(form: str) -> None:
    mask = decode_mask(segmentation(0, form), (60, 96))
    x1, y1, x2, y2 = box(0)
    assert mask.sum() == (x2 - x1) * (y2 - y1)
    assert mask[y1:y2, x1:x2].all()


def test_no_segmentation_is_an_empty_mask() -> None:
    assert not decode_mask(None, (4, 5)).any()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"videos": [], "annotations": null}'])
def test_files_without_annotations_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text(text)
    with pytest.raises(InputError, match=r"data\.json"):
        read_clips(tmp_path / "data.json")


def test_a_clip_without_objects_scores_nothing_and_does_not_fail(data: Path) -> None:
    content = json.loads((data / "annotations.json").read_text())
    content["annotations"] = content["annotations"][:1]
    (data / "annotations.json").write_text(json.dumps(content))
    assert run(main, arguments(data)) == 0
    _, empty, everything = json.loads((data / "scores.json").read_text())
    assert (empty["objects"], empty["frames"]) == (0, 0)
    assert everything["frames"] == LENGTH


@pytest.mark.parametrize(
    "change",
    [
        {"segmentations": [None]},
        {"segmentations": [{"size": [6, 9], "counts": [54]}] * LENGTH},
        {"segmentations": [{"size": [60, 96]}] * LENGTH},
        {"segmentations": None},
    ],
)
def test_malformed_annotations_are_one_line_and_exit_1(
    change: dict[str, Any], data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads((data / "annotations.json").read_text())
    content["annotations"][0] |= change
    (data / "annotations.json").write_text(json.dumps(content))
    assert run(main, arguments(data)) == 1
    assert "malformed" in capsys.readouterr().err
