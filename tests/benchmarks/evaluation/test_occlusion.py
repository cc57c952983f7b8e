"""OVIS: the score of an object's occlusion, and AP of its bands."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from stc.benchmarks.evaluation.average_precision import occlusion_score
from tests.benchmarks.evaluation import scenes

NONE, SLIGHT, SEVERE = "no_occlusion", "slight_occlusion", "severe_occlusion"
A, B = (10, 10, 50, 20), (100, 40, 50, 20)


@pytest.mark.parametrize(
    ("levels", "score"),
    [
        ([NONE] * 4, 0),
        ([NONE, NONE, SLIGHT, SEVERE], 0.5),  # the more hidden half: 0.25 and 0.75
        ([SEVERE, None, NONE, SLIGHT], 0.5),  # of three graded frames the more hidden two
        ([SEVERE], 0.75),
        ([None, None], 0),
        ([], 0),
    ],
)
def test_score_is_the_mean_of_the_more_hidden_half(levels: list[str | None], score: float) -> None:
    assert occlusion_score(levels) == score


def test_each_band_counts_its_objects_and_a_limit_belongs_to_both(tmp_path: Path) -> None:
    """Object A (0.25: light and medium) is found, B (0.75: heavy) is not; the false track costs in every band."""
    objects = [{"boxes": [A] * 2, "occlusion": [SLIGHT] * 2}, {"boxes": [B] * 2, "occlusion": [SEVERE, NONE]}]
    tracks = [{"score": 0.9, "boxes": [(10, 70, 20, 20)] * 2}, {"score": 0.8, "boxes": [A] * 2}]
    truth = scenes.annotations((100, 200), [2], objects)
    row = scenes.evaluate(tmp_path, truth, scenes.results((100, 200), tracks)).mean
    assert [row[f"AP_{band}"] for band in ("light", "medium", "heavy")] == [0.5, 0.5, 0]
    assert [row[f"AR_{band}"] for band in ("light", "medium", "heavy")] == [1, 1, 0]


def test_an_empty_band_has_no_value(tmp_path: Path) -> None:
    truth = scenes.annotations((100, 200), [1], [{"boxes": [A], "occlusion": [NONE]}])
    assert math.isnan(scenes.evaluate(tmp_path, truth, []).mean["AP_heavy"])


def test_data_without_occlusion_has_no_bands(tmp_path: Path) -> None:
    assert "AP_heavy" not in scenes.evaluate(tmp_path, scenes.annotations((100, 200), [1], [{"boxes": [A]}]), []).mean
