"""The qdtrack rule against a plain loop written from the description of QDTrack's released code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stc.runtime import Detections, Tracker, TrackerConfig
from tests.runtime.tracking.detections import box, compare, detections, unit
from tests.runtime.tracking.plain import bi_softmax, box_iou

INIT, OBJ, MATCH, FRAMES, MOMENTUM, NMS_CONF = 0.8, 0.5, 0.5, 10, 0.8, 0.5
BACKDROP_IOU, CLASS_IOU = 0.3, 0.7


@dataclass
class _Tracklet:
    embedding: list[float]
    label: int
    last_frame: int


def _without_duplicates(boxes: list[list[float]], scores: list[float]) -> list[int]:
    valid = []
    for i, score in enumerate(scores):
        limit = BACKDROP_IOU if score < OBJ else CLASS_IOU
        if all(box_iou(boxes[i], boxes[j]) <= limit for j in range(i)):
            valid.append(i)
    return valid


class _Loop:
    def __init__(self) -> None:
        self.tracklets: dict[int, _Tracklet] = {}
        self.backdrops: list[tuple[list[float], int]] = []
        self.frame = self.started = self.drawn_off = 0

    def update(self, found: Detections) -> list[int]:
        boxes, scores = found.boxes.tolist(), found.scores.tolist()
        valid = _without_duplicates(boxes, scores)
        embeddings = [found.embeddings[i].tolist() for i in valid]
        labels = [int(found.labels[i]) for i in valid]
        names = [*self.tracklets, *[-1] * len(self.backdrops)]
        memory = [(t.embedding, t.label) for t in self.tracklets.values()] + self.backdrops
        f = bi_softmax(embeddings, [embedding for embedding, _ in memory])
        for row, label in zip(f, labels, strict=True):
            for column, (_, other) in enumerate(memory):
                row[column] *= label == other
        ids = [-1] * len(valid)
        for place, i in enumerate(valid):
            if not memory:
                break
            confidence = max(f[place])
            column = f[place].index(confidence)
            if confidence > MATCH and names[column] < 0:
                self.drawn_off += 1
            if confidence > MATCH and names[column] > -1:
                if scores[i] > OBJ:
                    ids[place] = names[column]
                    for other, row in enumerate(f):
                        row[column] = 0 if other != place else row[column]
                elif confidence > NMS_CONF:
                    ids[place] = -2
        for place, i in enumerate(valid):
            if ids[place] == -1 and scores[i] > INIT:
                self.started += 1
                ids[place] = self.started
        self._remember(ids, embeddings, labels, [boxes[i] for i in valid])
        every = [-1] * len(found)
        for place, i in enumerate(valid):
            every[i] = max(ids[place], -1)
        return every

    def _remember(
        self, ids: list[int], embeddings: list[list[float]], labels: list[int], boxes: list[list[float]]
    ) -> None:
        for name, embedding, label in zip(ids, embeddings, labels, strict=True):
            if name > 0:
                before = self.tracklets[name].embedding if name in self.tracklets else embedding
                mean = [(1 - MOMENTUM) * a + MOMENTUM * b for a, b in zip(before, embedding, strict=True)]
                self.tracklets[name] = _Tracklet(mean, label, self.frame)
        self.backdrops = [
            (embeddings[place], labels[place])
            for place, name in enumerate(ids)
            if name == -1 and all(box_iou(boxes[place], boxes[j]) <= BACKDROP_IOU for j in range(place))
        ]
        for name in [n for n, t in self.tracklets.items() if self.frame - t.last_frame >= FRAMES]:
            del self.tracklets[name]
        self.frame += 1


def test_equals_the_loop_on_random_videos() -> None:
    drawn_off = 0
    for seed in range(12):
        loop = _Loop()
        told = compare("qdtrack", loop.update, seed)
        assert told.matched > 20 and told.started > 8 and told.left > 20  # the videos exercise all outcomes
        drawn_off += loop.drawn_off
    assert drawn_off > 20


def test_a_track_is_forgotten_after_ten_frames_whatever_their_times() -> None:
    """Ten missed frames still match, eleven do not: the original looks after matching whether ten have passed."""
    seen = detections([box(0)], [unit(0)])
    nothing = seen[np.array([], np.int64)]
    for missed, expected in ((9, 1), (10, 2)):
        tracker = Tracker(TrackerConfig(rule="qdtrack", max_age=0.01))
        tracker.update(seen, 0)
        for frame in range(missed):
            tracker.update(nothing, 100.0 * (frame + 1))
        assert tracker.update(seen, 5000).track_ids.tolist() == [expected]
