"""Pieces of pictures and what lies in front of what, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from stc.annotations.scenes import RIM, in_sight, piece, tight_boxes


@pytest.mark.parametrize("box", [(10.0, 20.0, 30.0, 25.0), (0.0, 1.0, 3.0, 40.0), (45.0, 30.0, 50.0, 40.0)])
def test_a_piece_holds_the_box_and_a_rim_as_far_as_the_picture_goes(box: tuple[float, float, float, float]) -> None:
    height, width = 40, 50
    expected = np.zeros((height, width), bool)
    for y in range(height):
        for x in range(width):
            expected[y, x] = box[0] - RIM <= x < box[2] + RIM and box[1] - RIM <= y < box[3] + RIM
    found = np.zeros((height, width), bool)
    rows, columns = piece(box, (height, width))
    found[rows, columns] = True
    assert (found == expected).all()
    assert (rows.stop, columns.stop) == (min(rows.stop, height), min(columns.stop, width))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_what_is_in_front_hides_what_is_behind(count: int) -> None:
    whole = np.random.default_rng(count).random((count, 6, 7)) < 0.5
    found = in_sight(whole)
    assert found.shape == whole.shape and found.dtype == bool
    for y in range(6):
        for x in range(7):
            there = [index for index in range(count) if whole[index, y, x]]
            assert [index for index in range(count) if found[index, y, x]] == there[-1:]


def test_boxes_are_tight() -> None:
    masks = np.zeros((2, 10, 12), bool)
    masks[0, 2:5, 3:9] = masks[1, 9, 11] = True
    assert tight_boxes(masks).tolist() == [[3, 2, 9, 5], [11, 9, 12, 10]]
    assert tight_boxes(masks[:0]).shape == (0, 4)
