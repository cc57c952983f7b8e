"""Of two masks of a class, one inside the other, the default rule starts one track."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stc.runtime import Session, Tracker, TrackerConfig
from stc.runtime.backends.tensorrt.resident.masks import KeptRows
from stc.runtime.letterbox import Letterbox
from stc.runtime.masks.box_bits import boxed
from stc.runtime.masks.containment import Containment
from stc.runtime.masks.masks import Masks
from stc.runtime.tracking.detections import Detections
from tests.runtime.tiny_model import PASSPORT
from tests.runtime.tracking.detections import AT_ONCE, D, unit

SIZE = (60, 96)
LETTERBOX = Letterbox.fit(SIZE, SIZE, "linear", (0, 0, 0))
Box = tuple[int, int, int, int]
BODY, LEG, ABOVE, BESIDE = (8, 8, 72, 56), (12, 40, 32, 56), (12, 0, 32, 12), (76, 8, 92, 56)


def cells(*boxes: Box) -> NDArray[np.float32]:
    """Probabilities at stride 4: above a half in a box."""
    y, x = np.mgrid[:16, :24] * 4 + 2
    inside = [(x >= x0) & (x < x1) & (y >= y0) & (y < y1) for x0, y0, x1, y1 in boxes]
    return np.where(np.array(inside).reshape(-1, 16, 24), 0.9, 0.1).astype(np.float32)


def seen(
    *boxes: Box, scores: list[float] | None = None, labels: list[int] | None = None, looks: list[int] | None = None
) -> Detections:
    """Objects that fill their boxes, each of a look of its own."""
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4),
        np.array(scores or [0.9, 0.8, 0.75][:n], np.float32),
        np.array(labels or [0] * n, np.int64),
        np.array([unit(look) for look in looks or range(n)], np.float32).reshape(n, D),
        containment=Containment(Masks(cells(*boxes), LETTERBOX, 4), np.arange(n)),
    )


@pytest.mark.parametrize("scores", [[0.9, 0.8], [0.8, 0.9]])
def test_a_part_of_a_body_gets_no_track_of_its_own_whichever_is_better(scores: list[float]) -> None:
    tracker = Tracker(AT_ONCE)
    for frame in range(3):
        update = tracker.update(seen(BODY, LEG, scores=scores), frame / 30)
        better = int(np.argmax(scores))
        assert update.track_ids[better] == 1 and update.track_ids[1 - better] == update.handles[1 - better] == -1


def test_it_takes_one_class_and_most_of_the_smaller_mask() -> None:
    tracker = Tracker(AT_ONCE)
    assert tracker.update(seen(BODY, LEG, labels=[0, 1]), 0).track_ids.tolist() == [1, 2]
    tracker = Tracker(AT_ONCE)
    assert tracker.update(seen(BODY, ABOVE, BESIDE), 0).track_ids.tolist() == [1, 2, 3]  # a third of one lies inside


def test_objects_that_were_seen_apart_keep_their_tracks_in_front_of_each_other() -> None:
    tracker = Tracker(AT_ONCE)
    ids = [
        tracker.update(seen(BODY, box), frame / 30).track_ids.tolist()
        for frame, box in enumerate([BESIDE, (50, 40, 66, 56), LEG, (20, 20, 36, 36), BESIDE])
    ]
    assert ids == [[1, 2]] * 5


def test_the_limit_is_a_setting_and_1_is_never() -> None:
    half = seen(BODY, (40, 20, 104, 40))
    half = replace(half, containment=Containment(Masks(cells(BODY, (40, 20, 104, 40)), LETTERBOX, 4), np.arange(2)))
    for limit, expected in ((0.5, [1, -1]), (0.8, [1, 2])):
        tracker = Tracker(replace(AT_ONCE, duplicate_containment=limit))
        assert tracker.update(half, 0).track_ids.tolist() == expected
    for config in (replace(AT_ONCE, duplicate_containment=1.0), AT_ONCE):
        found = seen(BODY, LEG) if config.duplicate_containment == 1 else replace(seen(BODY, LEG), containment=None)
        assert Tracker(config).update(found, 0).track_ids.tolist() == [1, 2]


@pytest.mark.parametrize("rule", ["crossvis", "masktrack", "qdtrack"])
def test_the_published_rules_do_not_look_at_it(rule: Any) -> None:
    found = seen(BODY, LEG, scores=[0.95, 0.9])
    ids = [
        Tracker(TrackerConfig(rule=rule)).update(f, 0).track_ids.tolist()
        for f in (found, replace(found, containment=None))
    ]
    assert ids[0] == ids[1] == [1, 2]


@pytest.mark.parametrize("seed", range(20))
def test_births_are_those_of_a_plain_statement(seed: int) -> None:
    """First frame: best score first, each against those that began before it, pixels counted one by one."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, (20, 12), (9, 2)) * 4
    boxes = [
        (int(x), int(y), int(x + w), int(y + h))
        for (x, y), (w, h) in zip(corner, rng.integers(1, 8, (9, 2)) * 8, strict=True)
    ]
    boxes = [(x0, y0, min(x1, 96), min(y1, 60)) for x0, y0, x1, y1 in boxes]
    found = seen(
        *boxes, scores=rng.permutation(np.linspace(0.6, 0.95, 9)).tolist(), labels=rng.integers(0, 2, 9).tolist()
    )
    assert found.containment is not None
    pixels = found.containment.masks.dense()
    begun: list[int] = []
    for i in np.argsort(-found.scores):
        duplicate = False
        for j in begun:
            a, b = boxes[i], boxes[j]
            shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
            union = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (a, b)) - shared
            inside = (pixels[i] & pixels[j]).sum() / min(pixels[i].sum(), pixels[j].sum())
            duplicate |= shared / union > 0.5 or bool(shared and found.labels[i] == found.labels[j] and inside > 0.8)
        if not duplicate:
            begun.append(int(i))
    ids = Tracker(AT_ONCE).update(found, 0).track_ids
    assert np.flatnonzero(ids > 0).tolist() == sorted(begun)


def test_a_stream_gives_the_same_ids_whether_masks_come_as_cells_or_as_bits_from_a_gpu(session: Session) -> None:
    boxes = np.zeros((1, 4, 4), np.float32)
    boxes[0, :3] = [BODY, LEG, BESIDE]
    masks = np.zeros((1, 4, 16, 24), np.float32)
    masks[0, :3] = cells(BODY, LEG, BESIDE)
    outputs = {
        "num_detections": np.array([3], np.int32),
        "boxes": boxes,
        "scores": np.array([[0.9, 0.85, 0.8, 0]], np.float32),
        "labels": np.array([[0, 0, 0, -1]], np.int32),
        "embeddings": np.eye(4, 8, dtype=np.float32)[None],
    }
    letterbox = PASSPORT.letterbox(SIZE)
    bits = boxed(Masks(masks[0, :3], letterbox, PASSPORT.mask_stride).dense())
    kept = KeptRows(bits, np.arange(3, dtype=np.int32), None)
    for form in (masks, kept):
        stream = session.stream()
        for frame in range(3):
            result = stream.finish({**outputs, "masks": form}, 0, letterbox, frame / 30)  # type: ignore[dict-item]
        assert result.track_ids.tolist() == [1, -1, 2]
        assert len(result) == 3  # it is still told: as a detection of no track
