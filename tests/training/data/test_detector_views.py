"""Views for a detector: scenes that have nothing in common, mosaics, occluders, close-ups, data annotated in part."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stc.errors import InputError
from stc.model.config import STC_LITE
from stc.training.config import TrainConfig
from stc.training.data.annotations import Dataset
from stc.training.data.composites import occlude
from stc.training.data.geometry import SHARP, random_view
from stc.training.data.index import read_all
from stc.training.data.mosaics import corners, moved_to, tile
from stc.training.data.pairs import PairSource
from stc.training.data.views import View
from tests.training.conftest import SIZE, Source

MODEL = STC_LITE.with_(input_size=(128, 192), classes=("disc", "square"))
TARGET = MODEL.input_size
CONFIG = replace(TrainConfig(), views="independent", min_area=1.0)


def _read(source: Source, change: dict[str, object], tmp_path: Path) -> Dataset:
    """The stills with other entries: `images` and `annotations` hold what replaces fields, by index."""
    data = json.loads(source.annotations.read_text())
    for kind in ("images", "annotations"):
        for index, fields in dict(change.get(kind, {})).items():  # type: ignore[call-overload]
            data[kind][index] |= fields
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(data))
    return read_all([Source(path, source.frames)], split="train")


def _scene(seed: int) -> View:
    rng = np.random.default_rng(seed)
    masks = np.zeros((2, *TARGET), dtype=bool)
    masks[0, 10:60, 20:90] = masks[1, 70:120, 100:180] = True
    picture = rng.integers(0, 256, (*TARGET, 3), dtype=np.uint8)
    return View(
        picture,
        masks,
        np.array([0, 1]),
        np.array([10 * seed, 10 * seed + 1]),
        masks.sum((1, 2)).astype(float),
        rng.random(TARGET) < 0.1,
        frozenset({seed}),
    )


def test_independent_views_share_no_scene_and_are_a_function_of_the_step(stills: Source, clips: Source) -> None:
    dataset = read_all([stills, clips], split="train")
    config = replace(CONFIG, mosaic_share=0.3, occluder_share=0.5, still_share=1.0, clip_share=1.0)
    first, second = (PairSource(dataset, MODEL, config) for _ in range(2))
    different = 0
    for step in range(8):
        for one, two in zip(first.batch(step), second.batch(step), strict=True):
            assert all(
                (a.picture == b.picture).all() and (a.masks == b.masks).all() for a, b in zip(one, two, strict=True)
            )
            different += set(one[0].identities) != set(one[1].identities)
    assert different > 8  # of 32; there are three scenes only


def test_a_mosaic_shows_of_each_view_what_lies_in_its_corner() -> None:
    views = [_scene(seed) for seed in range(4)]
    places = [corner for corner, _ in corners(np.random.default_rng(0), TARGET)]
    assert sum(np.zeros(TARGET)[place].size for place in places) == TARGET[0] * TARGET[1]  # they tile the input
    mosaic = tile(views, places)
    for index, (view, (rows, columns)) in enumerate(zip(views, places, strict=True)):
        assert (mosaic.picture[rows, columns] == view.picture[rows, columns]).all()
        assert (mosaic.unknown[rows, columns] == view.unknown[rows, columns]).all()
        masks = mosaic.masks[2 * index : 2 * index + 2]
        assert (masks[:, rows, columns] == view.masks[:, rows, columns]).all()
        assert masks.sum() == view.masks[:, rows, columns].sum()
    assert mosaic.identities.tolist() == [0, 1, 10, 11, 20, 21, 30, 31]
    assert mosaic.incomplete == {0, 1, 2, 3}  # what one view leaves out may be missing anywhere


@pytest.mark.parametrize("seed", range(5))
def test_a_corner_shows_what_the_input_would(seed: int) -> None:
    """The corners of the input land at those of the rectangle, or beyond: nothing of it stays empty."""
    rng = np.random.default_rng(seed)
    for (rows, columns), size in corners(rng, TARGET):
        matrix = moved_to((rows, columns), np.eye(3), TARGET, size)
        ends = matrix @ np.array([[0, TARGET[1]], [0, TARGET[0]], [1, 1]])
        assert ends[:2, 0].tolist() == [columns.start, rows.start]
        assert ends[0, 1] >= columns.stop - 1e-9
        assert ends[1, 1] >= rows.stop - 1e-9


def test_an_occluder_hides_a_strip_of_every_object_and_adds_none() -> None:
    texture = np.full((50, 40, 3), 7, dtype=np.uint8)
    hidden = 0
    for seed in range(10):
        view = replace(_scene(1), unknown=np.ones(TARGET, dtype=bool))
        (after,) = occlude(np.random.default_rng(seed), (view,), texture, CONFIG)
        covered = ~after.unknown  # what stands in front is known
        assert (after.masks == view.masks & ~covered).all()
        assert (after.picture[covered] == 7).mean() > 0.5  # but for its blended rim
        assert (after.picture == view.picture)[view.unknown & ~covered].mean() > 0.9
        assert 0 < covered.mean() < 0.25
        hidden += int(covered.sum())
    assert hidden


def test_a_close_up_is_filled_by_the_largest_object_and_is_no_blur() -> None:
    config = replace(CONFIG, plain_share=0.0, closeup_share=1.0)
    rng = np.random.default_rng(0)
    small, large = (5.0, 5.0, 15.0, 15.0), (100.0, 50.0, 300.0, 250.0)
    for _ in range(20):
        matrix = random_view(rng, (480, 640), TARGET, [small, large], config)
        zoom = abs(matrix[0, 0])
        assert min(TARGET[0] / 200, TARGET[1] / 200) <= zoom + 1e-9 <= SHARP + 1e-6
        x, y, _ = np.linalg.inv(matrix) @ [TARGET[1] / 2, TARGET[0] / 2, 1]
        assert 100 < x < 300
        assert 50 < y < 250
    only_small = random_view(rng, (480, 640), TARGET, [small], config)
    assert abs(only_small[0, 0]) <= config.zoom_in * max(TARGET[0] / 480, TARGET[1] / 640) * 1.1


def test_classes_that_are_annotated_in_part_are_named_by_either_list(stills: Source, tmp_path: Path) -> None:
    change = {"images": {0: {"complete_categories": [9]}, 1: {"not_exhaustive_category_ids": [9]}}}
    dataset = _read(stills, change, tmp_path)
    assert [clip.incomplete for clip in dataset.clips] == [{0}, {1}]  # labels: disc 0, square 1
    views = [view for pair in PairSource(dataset, MODEL, CONFIG).batch(0) for view in pair]
    assert {frozenset({0}), frozenset({1})} >= {view.incomplete for view in views}


def test_a_list_of_categories_that_do_not_exist_is_a_problem_of_the_data(stills: Source, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`complete_categories` must list ids of the categories; got"):
        _read(stills, {"images": {0: {"complete_categories": [77]}}}, tmp_path)


def test_an_object_with_a_box_alone_is_trained_on_and_never_cut_out_or_turned(stills: Source, tmp_path: Path) -> None:
    box = {"segmentation": None, "bbox": [30.0, 20.0, 60.0, 50.0]}
    dataset = _read(stills, {"annotations": {2: box}}, tmp_path)
    instance = dataset.clips[1].frames[0].objects[0]
    expected = np.zeros(SIZE, dtype=bool)
    expected[20:70, 30:90] = True
    assert instance.boxed
    assert (instance.mask() == expected).all()
    source = PairSource(dataset, MODEL, replace(CONFIG, composite_share=0.0, plain_share=0.0, max_rotation=40.0))
    assert all(not cutout.instance.boxed for cutout in source.cutouts)
    turned = 0
    for step in range(10):
        for view in (view for pair in source.batch(step) for view in pair):
            for mask in view.masks[~view.outlined]:
                rows, columns = np.nonzero(mask)
                turned += mask.sum() < (np.ptp(rows) + 1) * (np.ptp(columns) + 1) - 4  # its corners may be rounded off
    assert not turned  # a box stays a box


def test_a_mask_is_still_asked_for_where_there_is_no_box(stills: Source, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no `segmentation` and no `bbox`"):
        _read(stills, {"annotations": {2: {"segmentation": None}}}, tmp_path)
