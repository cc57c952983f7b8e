"""The clips of moving shapes: the same for everybody, and masks that say where the shapes are."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from stc.cli import run
from stc.training.data.annotations import Source
from stc.training.data.index import read_all
from stc.training.shapes.__main__ import main
from stc.training.shapes.draw import CLASSES, LENGTH, MIN_PIXELS, SIZE, draw_clip, random_shape, write_shapes


def test_equal_seeds_give_equal_files_and_clips_do_not_depend_on_their_number(tmp_path: Path) -> None:
    for name, clips, seed in (("one", 2, 5), ("two", 3, 5), ("three", 2, 6)):
        assert run(main, [str(tmp_path / name), "--clips", str(clips), "--seed", str(seed)]) == 0
    frames = [(tmp_path / name / "0002" / "00003.png").read_bytes() for name in ("one", "two", "three")]
    assert frames[0] == frames[1] != frames[2]


def test_the_annotations_can_be_trained_on_and_fit_the_frames(tmp_path: Path) -> None:
    path = write_shapes(tmp_path, 4, seed=0)
    dataset = read_all([Source(path, tmp_path)], split="train")  # checks files, sizes and masks
    assert dataset.classes == CLASSES
    assert [len(clip.frames) for clip in dataset.clips] == [LENGTH] * 4
    for clip in dataset.clips:
        for frame in clip.frames:
            masks = [instance.mask() for instance in frame.instances]
            assert sum(mask.astype(int) for mask in masks).max() == 1  # a pixel shows one shape
            assert min(int(mask.sum()) for mask in masks) >= MIN_PIXELS
    assert {instance.label for c in dataset.clips for f in c.frames for instance in f.instances} == {0, 1, 2}
    videos = json.loads(path.read_text())["videos"]
    assert cv2.imread(str(tmp_path / videos[0]["file_names"][0])).shape == (*SIZE, 3)


@pytest.mark.parametrize("label", range(len(CLASSES)))
@pytest.mark.parametrize("time", [0.0, 0.5, 1.0])
def test_a_shape_has_the_area_of_its_disc_and_lies_on_its_way(label: int, time: float) -> None:
    """Up to the rim: sides of a square of 36 that lie along the pixels are off by up to a pixel in length, 3 % each."""
    way = {"start": (70.0, 50.0), "end": (150.0, 80.0), "radius": 20.0, "growth": 0.2}
    shape = replace(random_shape(np.random.default_rng(0)), label=label, **way)
    mask, _ = shape.render(time)
    expected = math.pi * (20 * math.exp(0.2 * (time - 0.5))) ** 2
    assert abs(int(mask.sum()) / expected - 1) < 0.06
    rows, columns = np.nonzero(mask)
    assert abs(columns.mean() + 0.5 - (70 + 80 * time)) < 0.5
    assert abs(rows.mean() + 0.5 - (50 + 30 * time)) < 0.5


def test_shapes_in_front_hide_those_behind_and_keep_their_colours() -> None:
    rng = np.random.default_rng(3)
    shapes = [random_shape(rng) for _ in range(5)]
    pictures, masks = draw_clip(rng, shapes)
    hidden = 0
    for index, (picture, visible) in enumerate(zip(pictures, masks, strict=True)):
        for number, shape in enumerate(shapes):
            whole, _ = shape.render(index / (LENGTH - 1))
            in_front = np.any([np.zeros(SIZE, bool), *visible[number + 1 :]], axis=0)
            assert (visible[number] == (whole & ~in_front)).all()
            hidden += int((whole & in_front).sum())
            low, high = shape.colours.min(axis=0), shape.colours.max(axis=0)
            seen = picture[visible[number]]
            assert (seen >= np.floor(low)).all()
            assert (seen <= np.ceil(high)).all()
    assert hidden > 1000  # they meet


@pytest.mark.parametrize("extra", [["--clips", "0"], ["--seed", "-1"]])
def test_numbers_out_of_range_are_refused(tmp_path: Path, extra: list[str]) -> None:
    assert run(main, [str(tmp_path / "out"), *extra]) == 1
    assert not (tmp_path / "out").exists()
