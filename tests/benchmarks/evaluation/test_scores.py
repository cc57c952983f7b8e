"""Scores on a terminal: whatever its width, every number is there and no line is wider."""

from __future__ import annotations

import re

import pytest

from stc.benchmarks.evaluation.clip_score import ClipScore
from stc.benchmarks.evaluation.evaluate import EvaluationReport
from stc.benchmarks.evaluation.scores import COLUMNS, lines
from stc.benchmarks.timing.intervals import Interval

CLIPS = [
    ClipScore("a-clip-with-quite-a-long-name-and-more", 2, 90, 0.7615, 0.95, 3),
    ClipScore("all", 2, 90, 0.5, 1, 0),
]
INTERVALS = {"AP50": Interval(0.4581, 0.3702, 0.5743)}
NUMBER = re.compile(r"\d+\.\d{3}")


def report(classes: int) -> EvaluationReport:
    rows = {f"class {i}": {name: (i + j / 20) / 40 for j, name in enumerate(COLUMNS)} for i in range(classes)}
    return EvaluationReport(classes=rows, mean=dict.fromkeys(COLUMNS, float("nan")), clips=CLIPS)


@pytest.mark.parametrize("classes", [1, 3, 12])
@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_number_is_cut_and_no_line_is_too_wide(width: int, classes: int) -> None:
    full, fitted = (lines(report(classes), CLIPS, INTERVALS, room) for room in (None, width))
    assert max(map(len, fitted)) <= width
    assert sorted(NUMBER.findall("\n".join(fitted))) == sorted(NUMBER.findall("\n".join(full)))


def test_a_narrow_terminal_has_a_row_for_each_score() -> None:
    rows = [line.split() for line in lines(report(2), CLIPS, {}, 60)]
    assert ["AP50", "0.004", "0.029", "-"] in rows


def test_a_class_without_objects_has_no_score_and_counts_are_whole() -> None:
    mean, head = lines(report(1), CLIPS, {}, None)[-1], lines(report(1), CLIPS, {}, None)[-3]
    assert head.split() == list(COLUMNS)
    assert mean.split() == ["mean", "(counts:", "sum)", *["-"] * len(COLUMNS)]
