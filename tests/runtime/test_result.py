"""Result: what of the graph's rows becomes an object, and how it leaves for other libraries."""

from __future__ import annotations

import builtins
import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco
from pycocotools.coco import COCO

from stc.errors import IncompatibleError, MissingDependencyError
from stc.runtime import Letterbox, Masks, Result
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
        boxes=np.array([[10, 20, 50, 60]] * count, np.float32).reshape(count, 4) + np.arange(count)[:, None],
        scores=np.linspace(0.9, 0.5, count, dtype=np.float32),
        labels=np.arange(count) % 3,
        track_ids=np.array([4, -1, 7][:count]),
        handles=np.array([5, 6, 8][:count]),
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
