"""Clips of a moving window: what is annotated in them is what they show."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from stc.annotations.file import read_annotations
from stc.annotations.masks import decode
from stc.benchmarks.pans.__main__ import main
from stc.cli import run
from tests.benchmarks.evaluation import scenes

SIZE = (120, 200)
BOXES: dict[str, scenes.Box] = {"cat": (20, 30, 40, 60), "dog": (120, 50, 60, 30)}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three black pictures with a white cat and dog each, of which one knows its cats alone; and one of a crowd."""
    images, objects = [], []
    for i in range(4):
        picture = np.zeros((*SIZE, 3), np.uint8)
        for x, y, w, h in BOXES.values():
            picture[y : y + h, x : x + w] = 250
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture)
        image = {"id": i, "file_name": f"{i}.png", "height": SIZE[0], "width": SIZE[1]}
        images.append(image | ({"complete_categories": [2]} if i == 1 else {}))
        for category, box in ((2, BOXES["cat"]), (5, BOXES["dog"])):
            mask = scenes.rle(box, SIZE)
            objects.append(
                {
                    "id": len(objects),
                    "image_id": i,
                    "category_id": category,
                    "segmentation": mask,
                    "iscrowd": int(i == 3),
                }
            )
    categories = [{"id": 2, "name": "cat"}, {"id": 5, "name": "dog"}]
    (tmp_path / "data.json").write_text(
        json.dumps({"categories": categories, "images": images, "annotations": objects})
    )
    return tmp_path


def command(data: Path, *more: str) -> list[str]:
    return ["--data", str(data / "data.json"), "--frames", str(data), "--length", "5", "-o", str(data / "out"), *more]


@pytest.mark.parametrize("more", [[], ["--closeups"]])
def test_every_frame_shows_what_its_masks_say(data: Path, more: list[str]) -> None:
    assert run(main, command(data, "--clips", "3", *more)) == 0
    read = read_annotations(data / "out/annotations.json")
    assert [video.size for video in read.videos] == [(90, 150)] * 3
    assert [len(video.files) for video in read.videos] == [5] * 3
    assert sorted(sorted(video.incomplete) for video in read.videos) == [[], [], [5]]
    seen, moved = [], set()
    for video in read.videos:
        for index, file in enumerate(video.files):
            shown = cv2.imread(str(data / "out" / file)).mean(axis=2) > 125
            masks = [decode(rle) for track in video.tracks if (rle := track.masks[index]) is not None]
            union = np.any(masks, axis=0)
            # At the edges the picture is interpolated and the mask is not: a pixel to either side.
            inner, outer = cv2.erode(np.uint8(union), np.ones((3, 3))), cv2.dilate(np.uint8(union), np.ones((3, 3)))
            assert shown[inner > 0].all() and not shown[outer == 0].any()
            seen.append(max(mask.mean() for mask in masks))
            moved.add((video.id, union.tobytes()))
    assert len(moved) == 15  # every frame is another view
    assert (min(seen) > 0.3) == bool(more)


def test_equal_seeds_make_equal_clips(data: Path) -> None:
    for name, seed in (("one", "3"), ("two", "3"), ("other", "4")):
        assert run(main, command(data, "--clips", "1", "--seed", seed)) == 0
        (data / "out").rename(data / name)
    one, two, other = ([f.read_bytes() for f in sorted((data / name).rglob("*.*"))] for name in ("one", "two", "other"))
    assert one == two != other


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--clips", "4"], "3 pictures have an object, and 4 clips are asked for: give --clips 3"),
        (["--clips", "0"], "--clips and --length must be 1 or more"),
        (["--split", "train", "--frames", "nowhere"], "are missing"),
    ],
)
def test_wrong_usage_is_one_problem_and_leaves_nothing(
    data: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(main, command(data, *more)) == 1
    assert message in capsys.readouterr().err and not (data / "out").exists()


def test_a_folder_is_not_overwritten(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "out").mkdir()
    assert run(main, command(data)) == 1
    assert "exists; remove it" in capsys.readouterr().err
