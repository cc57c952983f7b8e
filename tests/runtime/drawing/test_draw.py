"""What is drawn where, and in which colour. Text is not compared: OpenCV 4 and 5 render it differently."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stc.runtime.drawing import strokes
from stc.runtime.drawing.draw import annotate, ink, track_colour
from stc.runtime.drawing.style import Style
from stc.runtime.drawing.trails import Trails
from stc.runtime.zones import Zone, Zones
from tests.runtime.video.clips import make_result, rectangle

SIZE = (200, 300)


def gray_picture() -> np.ndarray:
    return np.full((*SIZE, 3), 100, np.uint8)


def tint(pixel: np.ndarray, track_id: int, alpha: float = Style().alpha) -> np.ndarray:
    return pixel * (1 - alpha) + np.array(track_colour(track_id)) * alpha


def test_inside_is_tinted_outline_is_solid_and_the_rest_untouched() -> None:
    picture = gray_picture()
    mask = rectangle(SIZE, 100, 80, 200, 160)
    drawn = annotate(picture, make_result(mask[None], [3], [0]))
    colour = np.array(track_colour(3))
    assert np.allclose(drawn[120, 150], tint(np.array([100.0] * 3), 3), atol=1)
    assert np.array_equal(drawn[120, 100], colour)
    outside = ~rectangle(SIZE, 96, 76, 204, 164)
    outside[40:80, 90:] = False  # where the label is
    assert np.array_equal(drawn[outside], picture[outside])
    assert (picture == 100).all(), "the picture given is not drawn on"


def test_label_lies_above_the_box_in_the_colour_of_the_track() -> None:
    drawn = annotate(gray_picture(), make_result(rectangle(SIZE, 100, 80, 200, 160)[None], [3], [0]))
    assert np.array_equal(drawn[78, 101], track_colour(3))


def test_unconfirmed_and_no_objects_leave_the_picture_as_it_is() -> None:
    picture = gray_picture()
    assert np.array_equal(annotate(picture, make_result(rectangle(SIZE, 9, 9, 99, 99)[None], [-1], [5])), picture)
    assert np.array_equal(annotate(picture, make_result(np.zeros((0, *SIZE), bool), [], [])), picture)


def test_small_object_stays_visible_on_a_large_one() -> None:
    masks = np.stack([rectangle(SIZE, 120, 90, 140, 110), rectangle(SIZE, 50, 50, 250, 190)])
    drawn = annotate(gray_picture(), make_result(masks, [1, 2], [0, 1], scores=[0.9, 0.3]))
    assert np.allclose(drawn[100, 130], tint(tint(np.array([100.0] * 3), 2), 1), atol=1.5)  # rounded twice


def test_empty_masks_tiny_frames_and_objects_at_the_border() -> None:
    for size in ((1, 1), (5, 7), (40, 30)):
        full = np.ones((1, *size), bool)
        picture = np.zeros((*size, 3), np.uint8)
        masks = np.concatenate([full, ~full])
        assert annotate(picture, make_result(masks, [1, 2], [0, 1])).shape == picture.shape


def test_labels_of_objects_at_one_place_do_not_cover_each_other() -> None:
    masks = np.stack([rectangle(SIZE, 60, 60, 160, 140)] * 3)
    drawn = annotate(gray_picture(), make_result(masks, [1, 2, 3], [0, 1, 2]))
    for track_id in (1, 2, 3):
        assert (drawn == track_colour(track_id)).all(axis=2).sum() > 300


def test_colours_are_stable_valid_and_far_apart() -> None:
    colours = np.array([track_colour(i) for i in range(300)])
    assert colours.min() >= 0 and colours.max() <= 255
    assert track_colour(7) == track_colour(7)
    first = colours[:12].astype(float)
    distances = np.linalg.norm(first[:, None] - first[None], axis=2) + 1e9 * np.eye(12)
    assert distances.min() > 50  # of 441: no two of a dozen objects can be taken for each other


def test_zones_are_drawn_with_their_counts_where_they_are() -> None:
    picture = gray_picture()
    nobody = make_result(np.zeros((0, *SIZE), bool), [], [])
    line = Zone("door", ((50, 100), (250, 100)))
    area = Zone("yard", ((10, 150), (290, 150), (290, 190), (10, 190)))
    zones = Zones([line, area])
    drawn = annotate(picture, replace(nobody, zones=zones.update(nobody)))
    changed = (drawn != picture).any(axis=2)
    assert changed[100, 50:250].all() and changed[150, 10:290].all() and changed[150:190, 10].all()
    assert not changed[104:130].any() and not changed[:80].any()  # chips lie above their zones
    far = Zones([Zone("far", ((-1e9, 1e9), (1e9, -1e9))), Zone("näher", ((0, 0), (1, 1)))])
    assert annotate(picture, replace(nobody, zones=far.update(nobody))).shape == picture.shape


def test_styles_leave_out_what_they_are_told_to() -> None:
    picture, mask = gray_picture(), rectangle(SIZE, 100, 80, 200, 160)
    result = make_result(mask[None], [3], [0])
    bare = annotate(picture, result, Style(alpha=0, thickness=0, labels=False))
    assert np.array_equal(bare, picture)
    boxed = annotate(picture, result, Style(alpha=0, thickness=1, labels=False, boxes=True))
    assert np.array_equal(boxed[80, 100], track_colour(3)) and np.array_equal(boxed[159, 199], track_colour(3))
    assert np.array_equal(boxed[120, 150], picture[120, 150])


def luminance(colour: tuple[int, int, int]) -> float:
    """WCAG 2: relative luminance of a BGR colour, written with its own loop."""
    total = 0.0
    for weight, value in zip((0.0722, 0.7152, 0.2126), colour, strict=True):
        share = value / 255
        total += weight * (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4)
    return total


def test_a_label_can_be_read_whatever_is_behind_it() -> None:
    """A chip covers the picture; its letters keep WCAG's contrast of 4.5 with every colour that a track can have."""
    for track_id in range(1000):
        low, high = sorted((luminance(track_colour(track_id)), luminance(ink(track_colour(track_id)))))
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_a_picture_stays_visible_through_its_masks() -> None:
    """Black and white beneath a mask keep three quarters of their difference, by the default style."""
    halves = gray_picture()
    halves[:, :150], halves[:, 150:] = 0, 255
    drawn = annotate(halves, make_result(rectangle(SIZE, 20, 20, 280, 180)[None], [3], [0])).astype(int)
    assert (drawn[100, 200] - drawn[100, 100]).min() >= 0.74 * 255


def test_a_path_joins_the_last_positions_of_its_track_alone() -> None:
    trails, style = Trails(3), Style(alpha=0, thickness=2, labels=False, trails=3)
    for x in (10, 60, 110, 160):
        result = make_result(rectangle(SIZE, x, 20, x + 40, 100)[None], [3], [0])
        paths = trails.update(result)
    assert paths == {3: ((80, 100), (130, 100), (180, 100))}
    drawn = annotate(gray_picture(), result, style, paths)
    assert np.array_equal(drawn[100, 100], track_colour(3)) and np.array_equal(drawn[100, 50], [100, 100, 100])
    other = make_result(rectangle(SIZE, 0, 0, 20, 20)[None], [4], [0])
    assert trails.update(other) == {4: ((10, 20),)}
    unconfirmed = make_result(rectangle(SIZE, 0, 0, 20, 20)[None], [-1], [0])
    assert trails.update(unconfirmed) == {}
    assert trails.update(make_result(rectangle(SIZE, 60, 20, 100, 100)[None], [3], [0]))[3][-1] == (80, 100)


@pytest.mark.parametrize("thickness", [1, 2, 5])
@pytest.mark.parametrize("end", [(90, 40), (300, 40), (20, -50)])  # inside the canvas, and beyond it
def test_near_positions_of_a_path_are_the_line_that_they_lie_on(end: tuple[int, int], thickness: int) -> None:
    start = (20, 40)
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    points = [tuple(start[axis] + (end[axis] - start[axis]) * n // steps for axis in (0, 1)) for n in range(steps + 1)]
    many, one = np.zeros((2, 100, 200, 3), np.uint8)
    strokes.path(many, points, (0, 255, 0), thickness)
    strokes.line(one, (start, end), closed=False, colour=(0, 255, 0), thickness=thickness)
    assert one.any() and np.array_equal(many, one)


def test_paths_of_tracks_that_are_gone_are_forgotten() -> None:
    trails = Trails(2)
    for track_id in range(1, 50):
        paths = trails.update(make_result(rectangle(SIZE, 0, 0, 20, 20)[None], [track_id], [0]))
        assert list(paths) == [track_id]
    back = trails.update(make_result(rectangle(SIZE, 40, 0, 60, 20)[None], [1], [0]))
    assert back == {1: ((50, 20),)}, "nothing of long ago is joined"
