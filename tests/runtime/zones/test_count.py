"""Counting: the same numbers as supervision's zones on random walks, and what happens to tracks that are not seen."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import supervision
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime import Letterbox, Masks, Result
from stc.runtime.tracking.tracker import TrackEvent
from stc.runtime.zones import Zone, Zones

SIZE = (400, 600)
ANCHORS = {
    "bottom": [supervision.Position.BOTTOM_CENTER],
    "center": [supervision.Position.CENTER],
    "corners": [
        supervision.Position.TOP_LEFT,
        supervision.Position.TOP_RIGHT,
        supervision.Position.BOTTOM_LEFT,
        supervision.Position.BOTTOM_RIGHT,
    ],
}
LETTERBOX = Letterbox.fit(SIZE, (40, 60), "linear", (0, 0, 0))


def result(boxes: NDArray[np.float32], ids: Sequence[int], time: float, ended: Sequence[int] = ()) -> Result:
    count = len(boxes)
    return Result(
        boxes=boxes.astype(np.float32).reshape(count, 4),
        scores=np.full(count, 0.9, np.float32),
        labels=np.zeros(count, np.int64),
        track_ids=np.array(ids, np.int64),
        handles=np.array(ids, np.int64),
        ages=np.arange(count) / 2,
        voted=np.zeros(count, np.int64),
        embeddings=np.zeros((count, 0), np.float32),
        masks=Masks(np.zeros((count, 10, 15), np.float32), LETTERBOX, 4),
        classes=("person",),
        frame_size=SIZE,
        time=time,
        events=tuple(TrackEvent("ended", track_id, track_id, time) for track_id in ended),
    )


def at(*places: tuple[float, float]) -> NDArray[np.float32]:
    """Boxes of 10 by 20 pixels that stand at `places`."""
    return np.array([[x - 5, y - 20, x + 5, y] for x, y in places], np.float32).reshape(-1, 4)


def walks(seed: int, tracks: int = 12, frames: int = 150) -> list[NDArray[np.float32]]:
    """Boxes (tracks, 4) per frame with whole coordinates and even sides, so that all anchors are whole numbers."""
    random = np.random.default_rng(seed)
    centres = random.integers([100, 100], [500, 300], (tracks, 2)).astype(float)
    halves = random.integers(5, 20, (tracks, 2))
    found = []
    for _ in range(frames):
        centres = np.clip(centres + random.integers(-25, 26, (tracks, 2)), 40, [560, 360])
        found.append(np.concatenate([centres - halves, centres + halves], axis=1).astype(np.float32))
    return found


def as_supervision(boxes: NDArray[np.float32]) -> supervision.Detections:
    count = len(boxes)
    return supervision.Detections(xyxy=boxes, tracker_id=np.arange(1, count + 1), class_id=np.zeros(count, int))


@pytest.mark.parametrize("anchor", ANCHORS)
@pytest.mark.parametrize("seed", range(6))
def test_lines_count_as_supervision_does(anchor: str, seed: int) -> None:
    # Quarters of a pixel: no anchor is ever on the line itself, where only rounding decides.
    (x0, y0), (x1, y1) = np.random.default_rng(seed).integers([80, 80], [520, 320], (2, 2)) + 0.25
    ours = Zones([Zone("line", ((x0, y0), (x1, y1)), anchor)])
    theirs = supervision.LineZone(
        supervision.Point(x0, y0), supervision.Point(x1, y1), triggering_anchors=ANCHORS[anchor]
    )
    for time, boxes in enumerate(walks(seed)):
        report = ours.update(result(boxes, range(1, len(boxes) + 1), time))[0]
        came, went = theirs.trigger(as_supervision(boxes))
        kinds = {event.track_id: event.kind for event in report.events}
        assert kinds == {i + 1: "in" if came[i] else "out" for i in np.flatnonzero(came | went)}
    assert (report.entered, report.left) == (theirs.in_count, theirs.out_count)
    assert theirs.in_count + theirs.out_count >= 4  # the walks do cross


@pytest.mark.parametrize("anchor", ANCHORS)
@pytest.mark.parametrize("seed", range(6))
def test_areas_hold_whom_supervision_says(anchor: str, seed: int) -> None:
    angles = np.sort(np.random.default_rng(seed).uniform(0, 2 * np.pi, 7))
    outline = np.round(np.stack([300 + 190 * np.cos(angles), 200 + 140 * np.sin(angles)], axis=1))
    ours = Zones([Zone("yard", tuple(map(tuple, outline.tolist())), anchor)])
    theirs = supervision.PolygonZone(outline.astype(int), triggering_anchors=ANCHORS[anchor])
    differing = inside = 0
    for time, boxes in enumerate(walks(seed)):
        # supervision looks pixels up in a filled polygon, whose border is a pixel wide.
        found = ours.update(result(boxes, range(1, len(boxes) + 1), time))[0].inside
        expected = int(theirs.trigger(as_supervision(boxes)).sum())
        inside += expected
        differing += abs(found - expected)
    assert inside > 300 and differing <= 0.02 * inside


def test_in_is_upwards_over_a_line_from_left_to_right() -> None:
    zones = Zones([Zone("door", ((0, 100), (600, 100)))])
    reports = [zones.update(result(at((300, y)), [7], t))[0] for t, y in enumerate((120, 80, 70, 110))]
    assert [(report.entered, report.left) for report in reports] == [(0, 0), (1, 0), (1, 0), (1, 1)]
    assert [(e.kind, e.track_id, e.label, e.time) for e in reports[1].events] == [("in", 7, "person", 1)]
    assert reports[2].events == ()


def test_who_walks_around_the_end_of_a_line_does_not_cross_it() -> None:
    zones = Zones([Zone("door", ((200, 100), (400, 100)))])
    for time, place in enumerate([(150, 80), (150, 120), (450, 120), (450, 80)]):
        report = zones.update(result(at(place), [1], time))[0]
    assert (report.entered, report.left) == (0, 0)


def test_a_track_that_was_not_seen_for_a_while_still_counts() -> None:
    zones = Zones([Zone("door", ((0, 100), (600, 100))), Zone("yard", ((0, 100), (600, 100), (600, 400), (0, 400)))])
    zones.update(result(at((300, 80)), [1], 0))
    for time in range(1, 20):
        zones.update(result(at(), [], time))
    door, yard = zones.update(result(at((300, 150)), [1], 20))
    assert (door.left, yard.entered, yard.inside) == (1, 1, 1)
    for time in range(21, 30):
        assert zones.update(result(at(), [], time))[1].inside == 1
    door, yard = zones.update(result(at(), [], 30, ended=[1]))
    assert (yard.entered, yard.left, yard.inside) == (1, 0, 0)
    assert [event.kind for event in yard.events] == ["ended"] and door.events == ()


def test_unconfirmed_tracks_do_not_count() -> None:
    zones = Zones([Zone("yard", ((0, 0), (600, 0), (600, 400), (0, 400)))])
    assert zones.update(result(at((300, 200), (100, 100)), [-1, 3], 0))[0].inside == 1


def test_the_memory_of_ended_tracks_is_given_back() -> None:
    zones = Zones([Zone("yard", ((0, 0), (600, 0), (600, 400), (0, 400)))])
    for i in range(1, 500):
        zones.update(result(at((300, 200)), [i], i, ended=[i - 1]))
    assert len(pickle.dumps(zones)) < 2000


def test_zones_are_plain_data() -> None:
    zones = Zones([Zone("door", ((0, 100), (600, 100)))])
    zones.update(result(at((300, 120)), [1], 0))
    copied = copy.deepcopy(zones)
    again = pickle.loads(pickle.dumps(zones))
    crossing = result(at((300, 80)), [1], 1)
    reports = zones.update(crossing)
    assert copied.update(crossing) == again.update(crossing) == reports
    counted = replace(crossing, zones=reports)
    assert json.loads(counted.to_json())["zones"] == [
        {
            "name": "door",
            "entered": 1,
            "left": 0,
            "inside": None,
            "events": [{"kind": "in", "track_id": 1, "label": "person", "time": 1.0}],
        }
    ]
    assert pickle.loads(pickle.dumps(counted)).zones == reports


def test_two_zones_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="'door'"):
        Zones([Zone("door", ((0, 0), (1, 1))), Zone("door", ((0, 0), (2, 1)))])
