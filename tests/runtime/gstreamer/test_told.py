"""What is told of a frame is what JSON lines have, and enough to draw it as the frame's own result would be drawn."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from stc.runtime import Style
from stc.runtime.drawing.draw import annotate
from stc.runtime.gstreamer.told import Place, from_json, to_json
from stc.runtime.video import Frame
from stc.runtime.video.sinks.jsonl import record
from stc.runtime.zones import Zone, Zones
from tests.runtime.video.clips import SIZE, box, make_result, square_picture

RESULT = make_result(np.stack([box(10), box(100), box(70)]), [3, -1, 12], [0, 1, 2], [0, 1, 2], [0.9, 0.8, 0.701])
ZONES = [Zone("gate", ((20, 5), (20, 100))), Zone("yard", ((5, 5), (150, 5), (150, 110)), "center")]


def test_it_is_the_line_of_the_command_with_what_drawing_needs() -> None:
    result = replace(RESULT, time=1.25, zones=Zones(ZONES).update(RESULT))
    told = json.loads(to_json(Place(1.25, 30, "gate"), result))
    line = record(Frame(square_picture(0), 1.25, 30, "gate"), result)
    assert told.pop("frame_size") == list(SIZE)
    assert [tuple(map(tuple, zone.pop("points"))) for zone in told["zones"]] == [zone.points for zone in ZONES]
    assert told == json.loads(json.dumps(line))
    assert "zones" not in json.loads(to_json(Place(0, 0, "gate"), RESULT))


def test_what_was_told_is_drawn_as_the_result_is() -> None:
    """To the pixel: the boxes of these results are whole pixels, which two decimals hold."""
    picture = square_picture(4)
    for result in (RESULT, replace(RESULT, zones=Zones(ZONES).update(RESULT)), RESULT[[1]], RESULT[:0]):
        told = from_json(to_json(Place(0, 0, "gate"), result))
        for style in (Style(), Style(alpha=1, thickness=3, labels=False, boxes=True)):
            np.testing.assert_array_equal(annotate(picture, told, style), annotate(picture, result, style))
    assert (annotate(picture, RESULT) != picture).any()


def test_a_score_that_is_no_number_can_be_told_and_drawn() -> None:
    result = replace(RESULT, scores=np.array([np.nan, 0.5, np.inf], np.float32))
    told = from_json(to_json(Place(0, 0, "gate"), result))
    assert np.isnan(told.scores[[0, 2]]).all() and told.scores[1] == np.float32(0.5)
    annotate(square_picture(0), told)
