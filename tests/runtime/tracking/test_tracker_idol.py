"""The idol rule against a plain loop written from the description of IDOL's released code."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from stc.errors import InputError
from stc.runtime import Detections, Tracker, TrackerConfig
from tests.runtime.tracking.detections import NOTHING, compare
from tests.runtime.tracking.plain import bi_softmax, mask_iou

INIT, ADD_NEW, MATCH, FRAMES, MEMORY, NMS_PRE = 0.2, 0.2, 0.5, 10, 3, 0.5


@dataclass
class _Tracklet:
    seen: list[tuple[list[float], float]]
    frames: int
    last_frame: int

    def embedding(self) -> list[float]:
        last = self.seen[-MEMORY:]
        weights = [score + t / len(last) for t, (_, score) in enumerate(last, 1)]
        columns = zip(*(embedding for embedding, _ in last), strict=True)
        return [sum(w * e for w, e in zip(weights, column, strict=True)) / sum(weights) for column in columns]


class _Loop:
    def __init__(self) -> None:
        self.tracklets: dict[int, _Tracklet] = {}
        self.frame = self.started = self.rivals = 0

    def update(self, found: Detections) -> list[int]:
        assert found.masks is not None
        scores, masks = found.scores.tolist(), found.masks.tolist()
        valid: list[int] = []
        for i in range(len(found)):
            if all(mask_iou(masks[i], masks[j]) <= NMS_PRE for j in valid):
                valid.append(i)
        embeddings = [found.embeddings[i].tolist() for i in valid]
        names = list(self.tracklets)
        f = bi_softmax(embeddings, [t.embedding() for t in self.tracklets.values()])
        ids = [-1] * len(found)
        for place, i in enumerate(valid):
            values = list(f[place])
            rivals = [column for column, value in enumerate(values) if value > MATCH]
            if len(rivals) > 1:
                self.rivals += 1
                weights = {column: self.tracklets[names[column]].frames for column in rivals}
                mean = sum(weights.values()) / len(weights)
                values = [value * weights.get(column, mean) for column, value in enumerate(values)]
            if values and max(values) > MATCH:
                column = values.index(max(values))
                ids[i] = names[column]
                for row in f:
                    row[column] = 0
        least = ADD_NEW if names else INIT
        for place, i in enumerate(valid):
            if ids[i] == -1 and scores[i] > least:
                self.started += 1
                ids[i] = self.started
                self.tracklets[self.started] = _Tracklet([], 0, self.frame)
            if ids[i] > 0:
                tracklet = self.tracklets[ids[i]]
                tracklet.seen.append((embeddings[place], scores[i]))
                tracklet.frames, tracklet.last_frame = tracklet.frames + 1, self.frame
        for name in [n for n, t in self.tracklets.items() if self.frame - t.last_frame >= FRAMES]:
            del self.tracklets[name]
        self.frame += 1
        return ids


@pytest.mark.slow  # masks are compared pixel by pixel
def test_equals_the_loop_on_random_videos() -> None:
    rivals = 0
    for seed in range(6):
        loop = _Loop()
        told = compare("idol", loop.update, seed, length=6)
        assert told.matched > 20 and told.started > 8 and told.left > 5  # the videos exercise all outcomes
        rivals += loop.rivals
    assert rivals > 5


def test_it_wants_masks_and_changes_nothing_without() -> None:
    tracker = Tracker(TrackerConfig(rule="idol"))
    with pytest.raises(InputError, match="rule 'idol' compares masks"):
        tracker.update(replace(NOTHING, masks=None), 1.0)
    assert tracker.time is None
