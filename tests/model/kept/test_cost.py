"""The estimate that decides where a tower is computed: its arithmetic, written out for two models."""

from __future__ import annotations

import pytest

from stc.model.kept.cost import COPY, ConvSize, cheapest_start, reaches, work

LITE = [ConvSize(64, 64, 3), ConvSize(64, 64, 3), ConvSize(64, 64, 1)]  # stc-lite's tracking tower
LITE_CELLS = 32 * 56 + 16 * 28 + 8 * 14 + 4 * 7 + 2 * 4
WIDE = [*(ConvSize(256, 256, 3) for _ in range(4)), ConvSize(256, 256, 1)]  # an R-50's, if it had no group norms


def test_a_layer_is_read_as_far_as_what_follows_it_reaches() -> None:
    assert reaches(LITE) == (1, 0, 0)
    assert reaches(WIDE) == (3, 2, 1, 0, 0)
    assert reaches([ConvSize(8, 8, 5), ConvSize(8, 4, 3)]) == (1, 0)


def test_the_work_is_that_of_the_graph() -> None:
    """185 million multiply-adds everywhere, 18.6 at 50 cells, which copy 5,824 numbers each."""
    assert LITE_CELLS == 2388
    everywhere = LITE_CELLS * (2 * 64 * 64 * 9)
    rows = COPY * LITE_CELLS * 64
    assert work(LITE, 2, LITE_CELLS, 50) == everywhere + rows + 50 * (64 * 64 + COPY * 64)
    multiply_adds = 50 * (9 * 64 * 576 + 64 * 576 + 64 * 64)
    copied = 50 * (9 * 576 + 576 + 64)
    assert work(LITE, 0, LITE_CELLS, 50) == multiply_adds + rows + COPY * copied
    assert multiply_adds == 18_636_800


@pytest.mark.parametrize(("cells", "kept", "start"), [(LITE_CELLS, 50, 0), (LITE_CELLS, 100, 0), (200, 100, 1)])
def test_a_small_tower_is_kept_whole_where_the_map_is_large(cells: int, kept: int, start: int) -> None:
    assert cheapest_start(LITE, 0, cells, kept) == start


def test_a_deep_tower_is_kept_as_far_as_its_patches_are_small() -> None:
    """A hundred patches of 9x9 for the first layer are more than a small map, and less than a large one."""
    assert cheapest_start(WIDE, 0, 2_000, 100) == 2
    assert cheapest_start(WIDE, 0, 22_400, 100) == 0
    starts = [cheapest_start(WIDE, 0, cells, 100) for cells in (500, 1_000, 2_000, 4_000, 8_000)]
    assert starts == sorted(starts, reverse=True)


def test_what_must_be_computed_everywhere_is() -> None:
    assert cheapest_start(WIDE, 4, 22_400, 100) == 4
