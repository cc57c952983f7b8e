"""Result: what of the graph's rows becomes an object, and how it leaves for other libraries."""

from __future__ import annotations

import builtins
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco
from pycocotools.coco import COCO

from stc.errors import IncompatibleError, InputError, MissingDependencyError
from stc.runtime import Letterbox, Masks, Result
from stc.runtime.drawing.style import Style
from stc.runtime.tracking.detections import select

LETTERBOX = Letterbox.fit((120, 200), (64, 96), "linear", (0, 0, 0))  # scaled to 58 x 96
EVERY = np.ones(3, np.bool_)


def _outputs(boxes: list[list[float]], scores: list[float], labels: list[int]) -> dict[str, NDArray[Any]]:
    """Graph outputs of a batch of two whose second picture has these rows, padded to K = 6; the first is empty."""
    k, count = 6, len(boxes)
    outputs: dict[str, NDArray[Any]] = {
        "num_detections": np.array([0, count], np.int32),
        "boxes": np.zeros((2, k, 4), np.float32),
        "scores": np.zeros((2, k), np.float32),
        "labels": np.full((2, k), -1, np.int32),
        "embeddings": np.zeros((2, k, 5), np.float32),
        "masks": np.zeros((2, k, 16, 24), np.float16),
    }
    outputs["boxes"][1, :count] = np.reshape(boxes, (count, 4))
    outputs["scores"][1, :count] = scores
    outputs["labels"][1, :count] = labels
    outputs["embeddings"][1, :count] = np.arange(count)[:, None]
    outputs["masks"][1, :count] = 0.1 * np.arange(count)[:, None, None]
    return outputs


def test_rows_become_objects_in_frame_pixels() -> None:
    outputs = _outputs([[48, 29, 96, 58], [-5, -5, 48, 99]], [0.9, 0.5], [2, 0])
    found, probabilities = select(outputs, 1, LETTERBOX, 0.0, EVERY)
    np.testing.assert_allclose(found.boxes, [[100, 60, 200, 120], [0, 0, 100, 120]], rtol=1e-6)
    assert found.scores.tolist() == pytest.approx([0.9, 0.5]) and found.labels.tolist() == [2, 0]
    assert found.labels.dtype == np.int64 and found.embeddings[:, 0].tolist() == [0, 1]
    assert probabilities.shape == (2, 16, 24)
    assert len(select(outputs, 0, LETTERBOX, 0.0, EVERY)[0]) == 0


def test_dropped_rows_take_everything_of_theirs_along() -> None:
    outputs = _outputs(
        [[0, 0, 9, 9], [96, 0, 120, 9], [0, 58, 9, 64], [5, 5, 5, 9], [np.nan, 0, 9, 9], [1, 1, 9, 9]],
        [0.9, 0.8, 0.7, 0.6, 0.55, 0.5],
        [0, 0, 0, 0, 0, 1],
    )
    found, probabilities = select(outputs, 1, LETTERBOX, 0.0, EVERY)
    # Row 1 is right of the picture, 2 in the border below it, 3 has no width, 4 is not a number.
    assert found.embeddings[:, 0].tolist() == [0, 5]
    assert probabilities[:, 0, 0].tolist() == pytest.approx([0, 0.5], abs=1e-3)
    above, _ = select(outputs, 1, LETTERBOX, 0.6, EVERY)
    assert above.embeddings[:, 0].tolist() == [0]
    dogs, _ = select(outputs, 1, LETTERBOX, 0.0, np.array([False, True, True]))
    assert dogs.embeddings[:, 0].tolist() == [5]


def test_the_selection_does_not_keep_the_whole_batch_alive() -> None:
    outputs = _outputs([[0, 0, 9, 9]], [0.9], [0])
    found, probabilities = select(outputs, 1, LETTERBOX, 0.0, EVERY)
    for kept in (found.boxes, found.scores, found.embeddings, probabilities):
        assert not any(np.shares_memory(kept, output) for output in outputs.values())


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_that_the_passport_does_not_know_is_incompatible(label: int) -> None:
    with pytest.raises(IncompatibleError, match="lists 3 classes"):
        select(_outputs([[0, 0, 9, 9]], [0.9], [label]), 1, LETTERBOX, 0.0, EVERY)


def _result(count: int = 3) -> Result:
    probabilities = np.full((count, 16, 24), 0.1, np.float32)
    for index in range(count):
        probabilities[index, 2 + index : 8, 3:12] = 0.9
    return Result(
        boxes=np.array([[10 + i, 20 + i, 50 + i, 60 + i] for i in range(count)], np.float32).reshape(count, 4),
        scores=np.linspace(0.9, 0.5, count, dtype=np.float32),
        labels=np.arange(count) % 3,
        track_ids=np.array([4, -1, 7][:count]),
        handles=np.array([5, 6, 8][:count]),
        ages=np.arange(count) / 2,
        voted=np.array([2, 1, 1][:count]),
        embeddings=np.zeros((count, 5), np.float32),
        masks=Masks(probabilities, LETTERBOX, 4),
        classes=("person", "animal", "vehicle"),
        frame_size=(120, 200),
        time=1.5,
    )


def test_indexing_takes_the_same_objects_of_everything() -> None:
    result = _result()
    for index in (slice(0, 2), [2, 0], result.track_ids > 0, 1, -1, np.array([], np.int64)):
        part = result[index]
        rows = np.atleast_1d(np.arange(3)[index])
        assert len(part) == len(part.masks) == len(part.boxes) == len(rows)
        np.testing.assert_array_equal(part.handles, result.handles[rows])
        np.testing.assert_array_equal(part.masks.areas(), result.masks.areas()[rows])
        assert part.time == result.time and part.classes == result.classes
    with pytest.raises(IndexError):
        result[3]


def test_the_name_of_a_class_chooses_its_objects() -> None:
    result = _result()
    assert [item.handle for item in result["animal"]] == [result.handles[1]]
    assert [len(result[name]) for name in result.classes] == [1, 1, 1]
    assert len(_result(0)["animal"]) == 0 and _result(0)["animal"].boxes.shape == (0, 4)
    with pytest.raises(InputError, match="unknown class 'persn'; this model knows person, animal, vehicle"):
        result["persn"]


def test_tracks_are_the_confirmed_objects_by_their_voted_class() -> None:
    result = _result()
    tracks = result.tracks()
    assert [(item.track_id, item.name, item.age) for item in tracks] == [(4, "vehicle", 0.0), (7, "animal", 1.0)]
    assert [item.name for item in result] == ["person", "animal", "vehicle"]
    np.testing.assert_array_equal(tracks.boxes, result.boxes[[0, 2]])
    assert len(_result(0).tracks()) == 0


@pytest.mark.parametrize("count", [0, 3])
def test_to_supervision(count: int) -> None:
    supervision = pytest.importorskip("supervision")
    result = _result(count)
    found = result.to_supervision()
    assert isinstance(found, supervision.Detections) and len(found) == count
    np.testing.assert_array_equal(found.xyxy, result.boxes)
    np.testing.assert_array_equal(found.mask, result.masks.dense())
    np.testing.assert_array_equal(found.tracker_id, result.track_ids)
    assert list(found["class_name"]) == ["person", "animal", "vehicle"][:count]
    assert len(found[found.confidence > 0.8]) == (1 if count else 0)


def test_supervision_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "supervision":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=r"pip install 'stc-trt\[supervision\]'"):
        _result().to_supervision()


def test_to_coco_is_read_by_pycocotools(capsys: pytest.CaptureFixture[str]) -> None:
    result = _result()
    records = json.loads(json.dumps(result.to_coco(image_id=9)))
    truth = COCO()
    truth.dataset = {
        "images": [{"id": 9, "height": 120, "width": 200}],
        "categories": [{"id": number + 1, "name": name} for number, name in enumerate(result.classes)],
        "annotations": [],
    }
    truth.createIndex()
    loaded = truth.loadRes(records)
    annotations = loaded.loadAnns(loaded.getAnnIds(imgIds=[9]))
    assert [a["category_id"] for a in annotations] == [1, 2, 3]
    assert [a["track_id"] for a in annotations] == [4, -1, 7]
    np.testing.assert_allclose([a["bbox"] for a in annotations], [[10 + i, 20 + i, 40, 40] for i in range(3)])
    for annotation, dense in zip(annotations, result.masks.dense(), strict=True):
        np.testing.assert_array_equal(coco.decode(annotation["segmentation"]).astype(bool), dense)
    assert _result(0).to_coco(1) == []


def test_iterating_gives_the_objects_by_name() -> None:
    result = _result()
    items = list(result)
    assert [item.name for item in items] == list(result.names) == ["person", "animal", "vehicle"]
    assert [item.track_id for item in items] == [4, -1, 7] and [item.handle for item in items] == [5, 6, 8]
    for i, item in enumerate(items):
        np.testing.assert_array_equal(item.mask, result.masks.dense()[i])
        np.testing.assert_array_equal(item.box, result.boxes[i])
        assert item.area == result.masks.areas()[i] and item.score == pytest.approx(float(result.scores[i]))
    assert list(_result(0)) == []
    assert repr(items[0]) == "<#4 person 0.90 at 10,20 to 50,60>"
    assert "<unconfirmed animal 0.70" in repr(result) and "no objects" in repr(_result(0))


def test_boxes_in_other_forms_are_the_same_boxes() -> None:
    result = _result()
    np.testing.assert_allclose(result.xywh[1], [11, 21, 40, 40])
    np.testing.assert_allclose(result.xyxyn * [200, 120, 200, 120], result.boxes, rtol=1e-6)
    assert result.xywh.dtype == result.xyxyn.dtype == np.float32
    assert _result(0).xywh.shape == _result(0).xyxyn.shape == (0, 4)


def test_a_dictionary_is_what_a_json_line_says() -> None:
    result = _result()
    told = json.loads(result.to_json())
    assert told == result.to_dict()
    assert told["frame_size"] == [120, 200] and told["time"] == 1.5 and told["events"] == []
    assert [each["label"] for each in told["objects"]] == ["person", "animal", "vehicle"]
    for each, rle, area in zip(told["objects"], result.masks.rle(), result.masks.areas(), strict=True):
        assert each["rle"] == rle and coco.area(each["rle"]) == area
    broken = replace(result, scores=np.array([np.nan, np.inf, 0.5], np.float32))
    assert [each["score"] for each in json.loads(broken.to_json())["objects"]] == [None, None, 0.5]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables_have_a_row_per_object_and_keep_their_types_when_empty(library: str) -> None:
    pytest.importorskip(library)
    full, empty = (getattr(_result(count), f"to_{library}")() for count in (3, 0))
    assert full.shape[0] == 3 and empty.shape == (0, full.shape[1])
    assert list(full["track_id"]) == [4, -1, 7] and list(full["label"]) == ["person", "animal", "vehicle"]
    assert list(full["x1"]) == [50, 51, 52] and list(full["area"]) == _result().masks.areas().tolist()
    assert [str(kind) for kind in empty["score"].to_numpy().dtype.descr[0]] == ["", "<f4"]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_missing_table_library_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependencyError, match=f"pip install {library}"):
        getattr(_result(), f"to_{library}")()


def test_crops_are_copies_of_the_boxes_and_masked_ones_hold_the_mask_alone() -> None:
    result = _result()
    frame = np.random.default_rng(0).integers(1, 256, (120, 200, 3), np.uint8)
    for item, plain, masked in zip(result, result.crop(frame), result.crop(frame, masked=True), strict=True):
        x0, y0, x1, y1 = item.box.astype(int)
        np.testing.assert_array_equal(plain, frame[y0:y1, x0:x1])
        inside = item.mask[y0:y1, x0:x1]
        np.testing.assert_array_equal(masked.any(axis=2), inside)
        np.testing.assert_array_equal(masked[inside], plain[inside])
        assert not np.shares_memory(plain, frame)
    thin = replace(result, boxes=np.tile(np.array([10.2, 20.2, 10.6, 20.6], np.float32), (3, 1)))
    assert all(part.shape == (1, 1, 3) for part in thin.crop(frame))


def test_drawing_and_saving_show_the_confirmed_objects(tmp_path: Path) -> None:
    result, frame = _result(), np.full((120, 200, 3), 90, np.uint8)
    drawn = result.draw(frame, Style(alpha=0.5, thickness=0, labels=False))
    changed = (drawn != frame).any(axis=2)
    np.testing.assert_array_equal(changed, result[result.track_ids >= 0].masks.dense().any(axis=0))
    result.save(tmp_path / "frame.png", frame, Style(alpha=0.5, thickness=0, labels=False))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "frame.png"))[..., ::-1], drawn)
    with pytest.raises(InputError, match="cannot be encoded"):
        result.save(tmp_path / "frame.txt", frame)


@pytest.mark.parametrize("frame", [np.zeros((200, 120, 3), np.uint8), np.zeros((120, 200, 3), np.float32), "frame.png"])
def test_a_frame_of_another_size_or_kind_is_refused(frame: Any) -> None:
    for use in (_result().draw, _result().crop):
        with pytest.raises(InputError, match=r"uint8 \(120, 200, 3\)"):
            use(frame)


@pytest.mark.parametrize("setting", [{"alpha": 1.5}, {"alpha": float("nan")}, {"thickness": -1}, {"thickness": 256}])
def test_a_style_out_of_range_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Style(**setting)
