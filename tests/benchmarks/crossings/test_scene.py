"""Composites: paths cross, nearer objects hide farther ones, and crossings are counted as a person would."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from stc.benchmarks.crossings import scene
from stc.benchmarks.crossings.cutouts import Pose
from stc.benchmarks.crossings.scene import Path

GREY = np.full((200, 300, 3), 90, np.uint8)


class Square:
    """An object of one colour, whatever the frame."""

    def __init__(self, colour: tuple[int, int, int], name: str = "square") -> None:
        self.name = name
        self._pose = Pose(np.full((40, 40, 3), colour, np.uint8), np.ones((40, 40), bool))

    def poses(self, count: int) -> list[Pose]:
        return [self._pose] * count


def straight(x1: float, x2: float, y: float = 180, side: float = 80) -> Path:
    return Path((x1, y), (x2, y), (side, side))


def frames(*paths: Path) -> list[scene.Composite]:
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    return list(scene.render(GREY, [Square(c) for c in colours[: len(paths)]], list(paths)))  # type: ignore[misc]


def crossings(*paths: Path) -> int:
    return scene.crossed([frame.whole for frame in frames(*paths)])


@pytest.mark.parametrize("seed", range(20))
def test_paths_stay_in_the_frame_and_change_places(seed: int) -> None:
    rng = np.random.default_rng(seed)
    paths = scene.lay_out(rng, 4)
    assert all(0 < x < scene.SIZE[1] and 0 < y < scene.SIZE[0] for path in paths for x, y in (path.start, path.end))
    turned = [(a.start[0] < b.start[0]) != (a.end[0] < b.end[0]) for a, b in combinations(paths, 2)]
    assert sum(turned) >= 3


def test_a_nearer_object_hides_a_farther_one() -> None:
    first, *_, last = frames(straight(320, 320), straight(320, 600))
    assert (first.whole[0] == first.whole[1]).all() and not first.visible[0].any()
    assert (first.visible[1] == first.whole[1]).all()
    assert (last.visible == last.whole).all() and not (last.whole[0] & last.whole[1]).any()
    assert first.picture[180, 320].tolist() == [0, 250, 0]
    assert last.picture[180, 320].tolist() == [250, 0, 0]
    assert last.picture[20, 20].tolist() == [90, 90, 90]


def test_an_object_is_as_large_as_its_path_says_unless_its_pixels_do_not_suffice() -> None:
    (large, *_), (small, *_) = frames(straight(320, 320, side=300)), frames(straight(320, 320, side=60))
    assert large.whole[0].sum() == pytest.approx((scene.MAX_ZOOM * 40) ** 2, rel=0.02)
    assert small.whole[0].sum() == pytest.approx(60**2, rel=0.05)


@pytest.mark.parametrize(
    ("paths", "count"),
    [
        ((straight(100, 500), straight(500, 100)), 1),
        ((straight(100, 200), straight(500, 400)), 0),  # they only approach
        ((straight(100, 500, y=60), straight(500, 100, y=300)), 0),  # one passes above the other
        ((straight(100, 500), straight(320, 320), straight(500, 100)), 3),
    ],
)
def test_crossings_are_pairs_that_change_places_where_one_hides_the_other(paths: tuple[Path, ...], count: int) -> None:
    assert crossings(*paths) == count


def test_equal_seeds_choose_equal_objects_and_rare_classes_as_often() -> None:
    squares = [Square((0, 0, 0), "rare"), *(Square((0, 0, 0), "common") for _ in range(30))]
    first, second = (scene.choose(np.random.default_rng(3), squares) for _ in range(2))  # type: ignore[arg-type]
    assert [id(one) for one in first] == [id(one) for one in second]
    rng = np.random.default_rng(0)
    found = [scene.choose(rng, squares) for _ in range(200)]  # type: ignore[arg-type]
    assert all(len({id(one) for one in chosen}) == len(chosen) in (3, 4) for chosen in found)
    # The rare object has half of the weight: absent only where three or four draws from the others come first.
    assert sum(any(one.name == "rare" for one in chosen) for chosen in found) > 150
